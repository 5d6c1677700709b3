/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates attached to things. On the thread of the request, in its transaction. */
#ifndef SANDBOX_PRINCIPALS_H
#define SANDBOX_PRINCIPALS_H

#include "sandbox/request.h"
#include "sandbox/response.h"

/* Attach the certificate `arn` to a thing; both exist. False after an error. */
bool principals_attach(const struct request *request, struct response *response, const char *thing,
    const char *arn, const char *type);

#endif
