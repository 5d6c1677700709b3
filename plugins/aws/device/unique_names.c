/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/device/unique_names.h"

#include <stdlib.h>

#include <iotify/text.h>

void claims_init(struct claims *claims)
{
    *claims = (struct claims){0};
    pthread_mutex_init(&claims->mutex, NULL);
}

void claims_clear(struct claims *claims)
{
    free(claims->slots);
    pthread_mutex_destroy(&claims->mutex);
}

void claims_reset(struct claims *claims)
{
    pthread_mutex_lock(&claims->mutex);
    free(claims->slots);
    claims->slots = NULL;
    claims->count = claims->capacity = 0;
    pthread_mutex_unlock(&claims->mutex);
}

/* A hash of both texts; never 0. */
static uint64_t unique_names_digest(const char *kind, const char *name)
{
    uint64_t hash = iotify_hash(iotify_hash(IOTIFY_HASH_START, kind), "\n");

    hash = iotify_hash(hash, name);
    return hash ? hash : 1;
}

/* True when it was not there. There is room. */
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

/* Twice as large, when three quarters are taken; without memory it stays, and fills up. */
static void unique_names_grow(struct claims *claims)
{
    size_t capacity = claims->capacity ? 2 * claims->capacity : 1024;
    uint64_t *slots = calloc(capacity, sizeof(*slots));

    if (!slots)
        return;
    for (size_t i = 0; i < claims->capacity; i++)
        if (claims->slots[i])
            unique_names_insert(slots, capacity, claims->slots[i]);
    free(claims->slots);
    claims->slots = slots;
    claims->capacity = capacity;
}

bool claims_take(struct claims *claims, const char *kind, const char *name)
{
    bool taken = true;

    pthread_mutex_lock(&claims->mutex);
    if (4 * claims->count >= 3 * claims->capacity)
        unique_names_grow(claims);
    if (claims->count + 1 < claims->capacity) {
        taken =
            unique_names_insert(claims->slots, claims->capacity, unique_names_digest(kind, name));
        claims->count += taken;
    }
    pthread_mutex_unlock(&claims->mutex);
    return taken;
}
