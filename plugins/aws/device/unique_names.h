/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that clients of one step have taken: two clients with one thing, or one glob key, would
 * overwrite each other. Safe on any thread.
 */
#ifndef PLUGINS_AWS_DEVICE_UNIQUE_NAMES_H
#define PLUGINS_AWS_DEVICE_UNIQUE_NAMES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A set of 64-bit digests. Zeros are empty and ready, but for the mutex. */
struct claims {
    pthread_mutex_t mutex;
    uint64_t *slots; /* 0: free */
    size_t count, capacity;
};

void claims_init(struct claims *claims);
void claims_clear(struct claims *claims);
/* Forget all names: a new step begins. */
void claims_reset(struct claims *claims);
/* Take a name of a kind ("thing", "key"). False when somebody has it. */
bool claims_take(struct claims *claims, const char *kind, const char *name);

#endif
