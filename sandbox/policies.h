/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies: what other resources' handlers need of them. On the thread of the request, in its
 * transaction.
 */
#ifndef SANDBOX_POLICIES_H
#define SANDBOX_POLICIES_H

#include "sandbox/request.h"
#include "sandbox/response.h"

/* Create a policy with its first version. False after an error. */
bool policies_create_row(const struct request *request, struct response *response, const char *name,
    const char *document);

#endif
