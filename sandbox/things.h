/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Things: what other resources' handlers need of them. On the thread of the request, in its
 * transaction.
 */
#ifndef SANDBOX_THINGS_H
#define SANDBOX_THINGS_H

#include "sandbox/request.h"
#include "sandbox/response.h"

/* Create a thing, or find one that is equal. Its row, a new reference; NULL after an error. */
json_t *things_create_row(const struct request *request, struct response *response,
    const char *name, const char *type, const json_t *attributes);

#endif
