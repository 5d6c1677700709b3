/* SPDX-License-Identifier: Apache-2.0 */
/* Ways to fail, with how often: a list without an order of its own. */
#ifndef CORE_REPORT_FAILURE_H
#define CORE_REPORT_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"

struct failure {
    const char *code;
    const char *location; /* in the user's file, "file:line:column"; "" for what has none */
    const char *message;  /* of the first client */
    int64_t count;
    int64_t first_client; /* -1: none */
    struct failure *next;
};

/*
 * Count `count` failures under a code and a place; texts are copied into the arena. True when it is
 * new.
 */
bool failure_add(struct arena *arena, struct failure **list, const char *code, const char *location,
    const char *message, int64_t client, int64_t count);
/* The same for all of another list. */
void failure_merge(struct arena *arena, struct failure **list, const struct failure *from);

#endif
