/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/transport/mqtt/inflight.h"

#include <stdlib.h>

#define CAPACITY_FIRST 2

static struct mqtt_message *inflight_at(const struct mqtt_inflight *inflight, uint32_t index)
{
    return &inflight->ring[(inflight->first + index) & (inflight->capacity - 1)];
}

void mqtt_inflight_clear(struct mqtt_inflight *inflight)
{
    free(inflight->ring);
    *inflight = (struct mqtt_inflight){0};
}

static bool inflight_grow(struct mqtt_inflight *inflight)
{
    uint32_t capacity = inflight->capacity ? inflight->capacity * 2 : CAPACITY_FIRST;
    struct mqtt_message *ring = calloc(capacity, sizeof(*ring));

    if (!ring)
        return false;
    for (uint32_t i = 0; i < inflight->count; i++)
        ring[i] = *inflight_at(inflight, i);
    free(inflight->ring);
    inflight->ring = ring;
    inflight->first = 0;
    inflight->capacity = capacity;
    return true;
}

struct mqtt_message *mqtt_inflight_add(
    struct mqtt_inflight *inflight, bool once, uint32_t size, uint64_t token)
{
    struct mqtt_message *message;

    if (inflight->count == inflight->capacity && !inflight_grow(inflight))
        return NULL;
    message = inflight_at(inflight, inflight->count++);
    *message = (struct mqtt_message){.token = token, .size = size, .once = once};
    return message;
}

void mqtt_inflight_queue(struct mqtt_inflight *inflight, uint64_t token)
{
    struct mqtt_message *newest =
        inflight->count > 0 ? inflight_at(inflight, inflight->count - 1) : NULL;

    if (!newest || newest->gone || newest->token != token)
        return;
    newest->queue = inflight->queue = inflight->queue ? inflight->queue : 1;
    inflight->unwritten += newest->size;
}

void mqtt_inflight_wrote(struct mqtt_inflight *inflight)
{
    if (inflight->unwritten == 0)
        return;
    inflight->unwritten = 0;
    inflight->queue++;
}

void mqtt_inflight_drop(struct mqtt_inflight *inflight)
{
    inflight->count--;
}

static void inflight_take(struct mqtt_inflight *inflight, struct mqtt_message *message)
{
    message->gone = true;
    if (message->queue && message->queue == inflight->queue)
        inflight->unwritten -= message->size;
    while (inflight->count > 0 && inflight_at(inflight, 0)->gone) {
        inflight->first = (inflight->first + 1) & (inflight->capacity - 1);
        inflight->count--;
    }
}

bool mqtt_inflight_take(struct mqtt_inflight *inflight, int mid, uint64_t *token)
{
    for (uint32_t i = 0; i < inflight->count; i++) {
        struct mqtt_message *message = inflight_at(inflight, i);

        if (message->mid != mid || message->gone)
            continue;
        *token = message->token;
        inflight_take(inflight, message);
        return true;
    }
    return false;
}

bool mqtt_inflight_take_once(struct mqtt_inflight *inflight, uint64_t *token)
{
    for (uint32_t i = 0; i < inflight->count; i++) {
        struct mqtt_message *message = inflight_at(inflight, i);

        if (!message->once || message->gone)
            continue;
        *token = message->token;
        inflight_take(inflight, message);
        return true;
    }
    return false;
}

uint32_t mqtt_inflight_count(const struct mqtt_inflight *inflight)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < inflight->count; i++)
        count += !inflight_at(inflight, i)->gone;
    return count;
}
