/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/device/unique_names.h"

#include <stdlib.h>

#include <iotify/text.h>

void unique_names_init(struct unique_names *unique_names)
{
    *unique_names = (struct unique_names){0};
    pthread_mutex_init(&unique_names->mutex, NULL);
}

void unique_names_clear(struct unique_names *unique_names)
{
    free(unique_names->slots);
    pthread_mutex_destroy(&unique_names->mutex);
}

void unique_names_reset(struct unique_names *unique_names)
{
    pthread_mutex_lock(&unique_names->mutex);
    free(unique_names->slots);
    unique_names->slots = NULL;
    unique_names->count = unique_names->capacity = 0;
    pthread_mutex_unlock(&unique_names->mutex);
}

/* A hash of both texts; never 0. */
static uint64_t unique_names_digest(const char *kind, const char *name)
{
    uint64_t hash = iotify_hash(iotify_hash(IOTIFY_HASH_START, kind), "\n");

    hash = iotify_hash(hash, name);
    return hash ? hash : 1;
}

/* Add a digest; false when it is in the set. The caller ensures a free slot. */
static bool unique_names_insert(uint64_t *slots, size_t capacity, uint64_t hash)
{
    size_t at = (size_t)hash & (capacity - 1);

    while (slots[at] && slots[at] != hash)
        at = (at + 1) & (capacity - 1);
    if (slots[at])
        return false;
    slots[at] = hash;
    return true;
}

/* Double the capacity, when three quarters are used. Without memory the size stays. */
static void unique_names_grow(struct unique_names *unique_names)
{
    size_t capacity = unique_names->capacity ? 2 * unique_names->capacity : 1024;
    uint64_t *slots = calloc(capacity, sizeof(*slots));

    if (!slots)
        return;
    for (size_t i = 0; i < unique_names->capacity; i++)
        if (unique_names->slots[i])
            unique_names_insert(slots, capacity, unique_names->slots[i]);
    free(unique_names->slots);
    unique_names->slots = slots;
    unique_names->capacity = capacity;
}

bool unique_names_take(struct unique_names *unique_names, const char *kind, const char *name)
{
    bool taken = true;

    pthread_mutex_lock(&unique_names->mutex);
    if (4 * unique_names->count >= 3 * unique_names->capacity)
        unique_names_grow(unique_names);
    if (unique_names->count + 1 < unique_names->capacity) {
        taken = unique_names_insert(
            unique_names->slots, unique_names->capacity, unique_names_digest(kind, name));
        unique_names->count += taken;
    }
    pthread_mutex_unlock(&unique_names->mutex);
    return taken;
}
