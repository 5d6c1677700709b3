/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/transport/mqtt/inflight.h"

#include <stdlib.h>

static uint32_t inflight_capacity(const struct mqtt_inflight *inflight)
{
    return inflight->ring ? UINT32_C(1) << inflight->capacity_bits : 0;
}

static struct mqtt_message *inflight_at(const struct mqtt_inflight *inflight, uint32_t index)
{
    return &inflight->ring[(inflight->first + index) & (inflight_capacity(inflight) - 1)];
}

void mqtt_inflight_clear(struct mqtt_inflight *inflight)
{
    free(inflight->ring);
    *inflight = (struct mqtt_inflight){0};
}

static bool inflight_grow(struct mqtt_inflight *inflight)
{
    uint8_t bits = (uint8_t)(inflight->capacity_bits + 1);
    struct mqtt_message *ring = calloc((size_t)1 << bits, sizeof(*ring));

    if (!ring)
        return false;
    for (uint32_t i = 0; i < inflight->count; i++)
        ring[i] = *inflight_at(inflight, i);
    free(inflight->ring);
    inflight->ring = ring;
    inflight->first = 0;
    inflight->capacity_bits = bits;
    return true;
}

static uint16_t inflight_blocks(size_t size)
{
    size_t blocks = (size + MQTT_BLOCK - 1) / MQTT_BLOCK;

    return blocks < UINT16_MAX ? (uint16_t)blocks : UINT16_MAX;
}

/* Move messages into the window while there is room; QoS 0 needs none. */
static void inflight_widen(struct mqtt_inflight *inflight)
{
    while (inflight->window < inflight->count) {
        const struct mqtt_message *next = inflight_at(inflight, inflight->window);

        if (!next->once && !next->gone) {
            if (inflight->live == MQTT_IN_FLIGHT_MAX)
                return;
            inflight->live++;
            inflight->queued -= next->blocks;
        }
        inflight->window++;
    }
}

/* The message leaves its place, in the window or after it. */
static void inflight_leave(struct mqtt_inflight *inflight, uint32_t index)
{
    const struct mqtt_message *message = inflight_at(inflight, index);

    if (message->once || message->gone)
        return;
    if (index < inflight->window)
        inflight->live--;
    else
        inflight->queued -= message->blocks;
}

struct mqtt_message *mqtt_inflight_add(
    struct mqtt_inflight *inflight, bool once, size_t size, uint64_t token)
{
    struct mqtt_message *message;

    if (inflight->count == inflight_capacity(inflight) && !inflight_grow(inflight))
        return NULL;
    message = inflight_at(inflight, inflight->count++);
    *message = (struct mqtt_message){.token = token, .blocks = inflight_blocks(size), .once = once};
    inflight->queued += once ? 0 : message->blocks;
    inflight_widen(inflight);
    return message;
}

void mqtt_inflight_queue(struct mqtt_inflight *inflight, uint64_t token)
{
    struct mqtt_message *newest =
        inflight->count > 0 ? inflight_at(inflight, inflight->count - 1) : NULL;

    /* What is not in the window yet is counted by itself. */
    if (!newest || newest->gone || newest->token != token || inflight->window < inflight->count)
        return;
    newest->queue = inflight->queue = inflight->queue ? inflight->queue : 1;
    inflight->unwritten += newest->blocks;
}

void mqtt_inflight_wrote(struct mqtt_inflight *inflight)
{
    if (inflight->unwritten == 0)
        return;
    inflight->unwritten = 0;
    inflight->queue++;
}

size_t mqtt_inflight_unwritten(const struct mqtt_inflight *inflight)
{
    return ((size_t)inflight->unwritten + inflight->queued) * MQTT_BLOCK;
}

void mqtt_inflight_drop(struct mqtt_inflight *inflight)
{
    inflight_leave(inflight, inflight->count - 1);
    inflight->count--;
    if (inflight->window > inflight->count)
        inflight->window = inflight->count;
}

static void inflight_take(struct mqtt_inflight *inflight, uint32_t index)
{
    struct mqtt_message *message = inflight_at(inflight, index);

    inflight_leave(inflight, index);
    message->gone = true;
    /* Numbers of queues recur: an old message may have that of a later one. */
    if (message->queue && message->queue == inflight->queue)
        inflight->unwritten -=
            message->blocks < inflight->unwritten ? message->blocks : inflight->unwritten;
    while (inflight->count > 0 && inflight_at(inflight, 0)->gone) {
        inflight->first = (inflight->first + 1) & (inflight_capacity(inflight) - 1);
        inflight->count--;
        inflight->window -= inflight->window > 0;
    }
    inflight_widen(inflight);
}

bool mqtt_inflight_take(struct mqtt_inflight *inflight, int mid, uint64_t *token)
{
    for (uint32_t i = 0; i < inflight->count; i++) {
        struct mqtt_message *message = inflight_at(inflight, i);

        if (message->mid != mid || message->gone)
            continue;
        *token = message->token;
        inflight_take(inflight, i);
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
        inflight_take(inflight, i);
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
