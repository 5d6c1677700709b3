/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names that the devices of one step use. Two devices with the same thing or glob key would
 * overwrite each other. Safe on any thread, except for init and clear.
 */
#ifndef PLUGINS_AWS_DEVICE_UNIQUE_NAMES_H
#define PLUGINS_AWS_DEVICE_UNIQUE_NAMES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A set of 64-bit digests. */
struct unique_names {
    pthread_mutex_t mutex;
    uint64_t *slots; /* 0: free */
    size_t count, capacity;
};

void unique_names_init(struct unique_names *unique_names);
void unique_names_clear(struct unique_names *unique_names);
/* Remove all names, at the start of a step. */
void unique_names_reset(struct unique_names *unique_names);
/*
 * Add a name of a kind ("thing", "glob"). False when it was added before, or has the digest of
 * another one. Without memory for a larger set, further names are not checked.
 */
bool unique_names_take(struct unique_names *unique_names, const char *kind, const char *name);

#endif
