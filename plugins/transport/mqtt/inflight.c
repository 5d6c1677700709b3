/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/transport/mqtt/inflight.h"

#include <stdlib.h>

#define CAPACITY_FIRST 2

static struct mqtt_message *inflight_at(const struct mqtt_pending *pending, uint32_t index)
{
    return &pending->ring[(pending->first + index) & (pending->capacity - 1)];
}

void mqtt_pending_clear(struct mqtt_pending *pending)
{
    free(pending->ring);
    *pending = (struct mqtt_pending){0};
}

static bool inflight_grow(struct mqtt_pending *pending)
{
    uint32_t capacity = pending->capacity ? pending->capacity * 2 : CAPACITY_FIRST;
    struct mqtt_message *ring = calloc(capacity, sizeof(*ring));

    if (!ring)
        return false;
    for (uint32_t i = 0; i < pending->count; i++)
        ring[i] = *inflight_at(pending, i);
    free(pending->ring);
    pending->ring = ring;
    pending->first = 0;
    pending->capacity = capacity;
    return true;
}

struct mqtt_message *mqtt_pending_add(struct mqtt_pending *pending, bool once, uint64_t token)
{
    struct mqtt_message *message;

    if (pending->count == pending->capacity && !inflight_grow(pending))
        return NULL;
    message = inflight_at(pending, pending->count++);
    *message = (struct mqtt_message){.token = token, .once = once};
    return message;
}

void mqtt_pending_drop(struct mqtt_pending *pending)
{
    pending->count--;
    if (pending->unwritten > pending->count)
        pending->unwritten = pending->count;
}

static void inflight_take(struct mqtt_pending *pending, struct mqtt_message *message)
{
    message->gone = true;
    while (pending->count > 0 && inflight_at(pending, 0)->gone) {
        pending->first = (pending->first + 1) & (pending->capacity - 1);
        pending->count--;
    }
    if (pending->unwritten > pending->count)
        pending->unwritten = pending->count;
}

bool mqtt_pending_take(struct mqtt_pending *pending, int mid, uint64_t *token)
{
    for (uint32_t i = 0; i < pending->count; i++) {
        struct mqtt_message *message = inflight_at(pending, i);

        if (message->mid != mid || message->gone)
            continue;
        *token = message->token;
        inflight_take(pending, message);
        return true;
    }
    return false;
}

bool mqtt_pending_take_once(struct mqtt_pending *pending, uint64_t *token)
{
    for (uint32_t i = 0; i < pending->count; i++) {
        struct mqtt_message *message = inflight_at(pending, i);

        if (!message->once || message->gone)
            continue;
        *token = message->token;
        inflight_take(pending, message);
        return true;
    }
    return false;
}

uint32_t mqtt_pending_count(const struct mqtt_pending *pending)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < pending->count; i++)
        count += !inflight_at(pending, i)->gone;
    return count;
}
