/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox's own HTTP endpoint, `/_sandbox`, next to the APIs of AWS. It reports the calls made
 * and the faults set, and changes faults, quotas and the seed at run time.
 */
#ifndef SANDBOX_ADMIN_H
#define SANDBOX_ADMIN_H

#include <jansson.h>

#include "sandbox/counts.h"
#include "sandbox/fault.h"
#include "sandbox/key_pool.h"
#include "sandbox/quota.h"

#define ADMIN_PATH "/_sandbox"

struct admin {
    struct counts *counts;
    struct fault_set *faults;
    struct quota_set *quotas;
    struct key_pool *pool;
    size_t (*sessions)(void *argument);
    void *argument; /* of sessions */
};

/*
 * Answer one request. `path` is the part of the URI after ADMIN_PATH, `body` ends with NUL.
 * Returns the HTTP status; `*out` receives the answer, owned by the caller. Any thread.
 */
unsigned admin_answer(const struct admin *admin, const char *method, const char *path,
    const char *body, json_t **out);

#endif
