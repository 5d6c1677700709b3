/* SPDX-License-Identifier: Apache-2.0 */
/* Thing groups: how listings show them. Pure, any thread. */
#ifndef SANDBOX_GROUPS_H
#define SANDBOX_GROUPS_H

#include "sandbox/request.h"
#include "sandbox/response.h"

/* A row of a group as the listings have it: its name and ARN. A new object. */
json_t *groups_json(const json_t *row);

#endif
