/* SPDX-License-Identifier: Apache-2.0 */
/* Removals, listings and texts of answers, on top of client.h. Safe on any thread. */
#ifndef PLUGINS_AWS_API_CALLS_H
#define PLUGINS_AWS_API_CALLS_H

#include "plugins/aws/api/client.h"

/*
 * Send a request that removes something. IOTIFY_RESULT_OK also when it does not exist. Frees the
 * answer; the body remains the caller's.
 */
enum iotify_result aws_remove(
    struct aws_client *client, struct iotify_call *call, struct aws_request request);

/*
 * For the result of an action that uses resources which were just created: AWS may not find them
 * for some seconds. IOTIFY_RESULT_NOT_FOUND becomes the IOTIFY_RESULT_LATER of host->later(), a few
 * times; every other result is returned unchanged.
 */
enum iotify_result aws_wait_until_visible(struct iotify_call *call, enum iotify_result result);
/* The stage of a call, without those that aws_wait_until_visible() uses. */
int aws_stage(const struct iotify_call *call);

/*
 * Request a listing page by page. `page` gets each answer, valid during the callback, and returns
 * false to end the listing. The member `next` of an answer is the query parameter `parameter` of
 * the next request; the last element of `request->query` is reserved for it. IOTIFY_RESULT_FAILED
 * when the listing does not end.
 */
enum iotify_result aws_list(struct aws_client *client, struct iotify_call *call,
    struct aws_request *request, const char *next, const char *parameter,
    bool (*page)(void *argument, const json_t *answer), void *argument);

/* A string member of an answer, owned by the answer; "" when absent. */
const char *aws_text(const json_t *answer, const char *member);
/* A copy of the text in the call's arena. */
const char *aws_keep(struct iotify_call *call, const char *text);

#endif
