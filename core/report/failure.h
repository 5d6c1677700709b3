/* SPDX-License-Identifier: Apache-2.0 */
/* Failures counted by code and location: an unordered list. One thread per list. */
#ifndef CORE_REPORT_FAILURE_H
#define CORE_REPORT_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"

struct failure {
    const char *code;
    const char *location; /* "file:line:column", with a text where that is inexact; "": none */
    const char *message;  /* of the client with the lowest index */
    int64_t count;
    int64_t first_client; /* lowest index; -1: none */
    struct failure *next;
};

/*
 * Count `count` failures under a code and a location; texts are copied into the arena. True when
 * the list has a new entry. In a list of 200 entries, new locations count with one of the same
 * code.
 */
bool failure_add(struct arena *arena, struct failure **list, const char *code, const char *location,
    const char *message, int64_t client, int64_t count);
/* Add all failures of another list. */
void failure_merge(struct arena *arena, struct failure **list, const struct failure *from);

#endif
