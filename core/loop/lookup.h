/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The look-up of a host name on a thread of its own. It can take minutes when a name server does
 * not answer, and cannot be interrupted, so it can be abandoned: the thread then ends unnoticed.
 */
#ifndef CORE_LOOP_LOOKUP_H
#define CORE_LOOP_LOOKUP_H

#include <netdb.h>
#include <stdbool.h>

struct lookup;

/*
 * Begin to look `host` up. `answered` is called on the look-up's thread when the answer is there.
 * NULL when no thread can be started. End it with lookup_take() or lookup_abandon().
 */
struct lookup *lookup_begin(const char *host, void (*answered)(void *argument), void *argument);
/*
 * The answer, if it is there: frees the look-up, and sets `*found`, which the caller frees with
 * freeaddrinfo(), or leaves it NULL and sets `*error` to the reason.
 */
bool lookup_take(struct lookup *lookup, struct addrinfo **found, const char **error);
/* Do without the answer. `answered` is not called any more. */
void lookup_abandon(struct lookup *lookup);

#endif
