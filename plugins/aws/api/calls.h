/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of single calls: listings, removals, and texts of answers. Safe on any thread. */
#ifndef PLUGINS_AWS_API_CALLS_H
#define PLUGINS_AWS_API_CALLS_H

#include "plugins/aws/api/client.h"

/*
 * Send a request that takes something away, and forget its answer: what is gone already is as good
 * as removed. The body stays the caller's.
 */
enum iotify_result aws_remove(
    struct aws_client *client, struct iotify_call *call, struct aws_request request);

/*
 * Send a listing page after page; `page` gets each answer and says whether to go on. `next` names
 * the member of the answer that is the parameter `parameter` of the next page; the request keeps
 * the last query place free for it.
 */
enum iotify_result aws_list(struct aws_client *client, struct iotify_call *call,
    struct aws_request *request, const char *next, const char *parameter,
    bool (*page)(void *argument, const json_t *answer), void *argument);

/* A string member of an answer, "" when absent. */
const char *aws_text(const json_t *answer, const char *member);
/* A copy in the call's arena. */
const char *aws_keep(struct iotify_call *call, const char *text);

#endif
