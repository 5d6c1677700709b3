/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of hosts that a loop has resolved: their addresses, and who waits for them. On the
 * thread of the loop.
 */
#ifndef CORE_LOOP_NAMES_H
#define CORE_LOOP_NAMES_H

#include "core/loop/loop.h"

/* See resolve and resolve_cancel of struct iotify_loop. */
struct iotify_lookup *names_resolve(const struct iotify_loop *base, const char *host,
    void (*done)(void *argument, const char *address, const char *error), void *argument);
void names_resolve_cancel(struct iotify_lookup *lookup);
/* Report the answers of name servers that have come; the loop was woken for them. */
void names_take_answers(struct loop *loop);
/* Free all names; who still waits is forgotten. */
void names_clear(struct loop *loop);

#endif
