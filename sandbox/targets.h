/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies attached to certificates and groups. On the thread of the request, in its transaction.
 */
#ifndef SANDBOX_TARGETS_H
#define SANDBOX_TARGETS_H

#include "sandbox/request.h"
#include "sandbox/response.h"

/* Attach a policy to the target `arn`; the policy exists. False after an error. */
bool targets_attach(
    const struct request *request, struct response *response, const char *policy, const char *arn);

#endif
