/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of a session that the server has not acknowledged: maps libmosquitto's message ids
 * to the host's tokens. Messages are mostly acknowledged in the order of sending, so this is a ring
 * that is searched from the oldest entry. On the thread of the loop.
 */
#ifndef PLUGINS_TRANSPORT_MQTT_INFLIGHT_H
#define PLUGINS_TRANSPORT_MQTT_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mqtt_message {
    uint64_t token;
    int mid;
    uint32_t size;  /* of the payload, bytes */
    uint32_t queue; /* the queue that it waits in; 0: none */
    bool once;      /* QoS 0: libmosquitto discards it when the connection closes */
    bool gone;      /* acknowledged; the slot is released when it is the oldest */
};

/* All zeros: an empty ring. */
struct mqtt_inflight {
    struct mqtt_message *ring;
    uint32_t first, count, capacity; /* the capacity is a power of two */
    uint32_t queue;                  /* messages with this number, not 0, wait for being written */
    size_t unwritten;                /* their payloads, bytes */
};

/* Free the ring; it is empty and usable again. */
void mqtt_inflight_clear(struct mqtt_inflight *inflight);
/* Add a message as the newest. The result is valid until the next call; NULL without memory. */
struct mqtt_message *mqtt_inflight_add(
    struct mqtt_inflight *inflight, bool once, uint32_t size, uint64_t token);
/*
 * The message, which was added last, is not written yet, unless it is acknowledged by now. Later,
 * everything that waited is written.
 */
void mqtt_inflight_queue(struct mqtt_inflight *inflight, uint64_t token);
void mqtt_inflight_wrote(struct mqtt_inflight *inflight);
/* Remove the newest message. */
void mqtt_inflight_drop(struct mqtt_inflight *inflight);
/* Remove the message with this id and return its token; false when there is none. */
bool mqtt_inflight_take(struct mqtt_inflight *inflight, int mid, uint64_t *token);
/* Remove the oldest message with QoS 0 and return its token; false when there is none. */
bool mqtt_inflight_take_once(struct mqtt_inflight *inflight, uint64_t *token);
/* The number of messages that wait for an acknowledgement. */
uint32_t mqtt_inflight_count(const struct mqtt_inflight *inflight);

#endif
