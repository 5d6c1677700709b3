/* SPDX-License-Identifier: Apache-2.0 */
/* The members of thing groups. On the thread of the request, in its transaction. */
#ifndef SANDBOX_GROUP_MEMBERS_H
#define SANDBOX_GROUP_MEMBERS_H

#include "sandbox/request.h"
#include "sandbox/response.h"

/* Put a thing into a group. False after an error. */
bool group_members_join(
    const struct request *request, struct response *response, const char *group, const char *thing);

#endif
