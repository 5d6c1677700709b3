/* SPDX-License-Identifier: Apache-2.0 */
/* The tags of a resource. On the thread of the request, in its transaction. */
#ifndef SANDBOX_TAGS_H
#define SANDBOX_TAGS_H

#include "sandbox/request.h"
#include "sandbox/response.h"

/* Store the tags of the request for a new resource. False after an error. */
bool tags_set(const struct request *request, struct response *response, const char *arn);
/* Delete all tags of a resource. */
void tags_clear(const struct request *request, const char *arn);

#endif
