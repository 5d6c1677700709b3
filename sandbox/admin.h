/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox's own endpoint, beside the API of AWS: `/_sandbox`. It tells what was called and
 * what is set, and sets faults and quotas while the sandbox runs.
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
    struct faults *faults;
    struct quotas *quotas;
    struct key_pool *pool;
    size_t (*sessions)(void *argument);
    void *argument;
};

/*
 * Answer a call; `path` is what stands behind ADMIN_PATH, `body` a text. The HTTP status, and the
 * answer in `out`, owned by the caller. Any thread.
 */
unsigned admin_answer(const struct admin *admin, const char *method, const char *path,
    const char *body, json_t **out);

#endif
