/* SPDX-License-Identifier: Apache-2.0 */
/* A sandbox without sockets: its state, and its operations by method, target and body. */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include "sandbox/operation.h"
#include "tests/fuzz/fuzz.h"

/* Created at the first call, with a root certificate in its own folder; never freed. */
struct state *world_state(void);

/*
 * Run the operation of a request as if its signature were valid, without faults and quotas. The
 * caller frees body and text of `out`. NULL when there is no such operation.
 */
const struct operation *world_call(
    const char *method, const char *target, const char *body, size_t size, struct response *out);

#endif
