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
struct unique_names {
    pthread_mutex_t mutex;
    uint64_t *slots; /* 0: free */
    size_t count, capacity;
};

void unique_names_init(struct unique_names *unique_names);
void unique_names_clear(struct unique_names *unique_names);
/* Forget all names: a new step begins. */
void unique_names_reset(struct unique_names *unique_names);
/* Take a name of a kind ("thing", "key"). False when somebody has it. */
bool unique_names_take(struct unique_names *unique_names, const char *kind, const char *name);

#endif
