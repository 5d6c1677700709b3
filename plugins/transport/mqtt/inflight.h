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

/* Small, since each session has some. Sizes are in blocks of MQTT_BLOCK bytes, rounded up. */
#define MQTT_BLOCK 64
/* Unacknowledged messages per session; the limit of AWS IoT. libmosquitto keeps the others back. */
#define MQTT_IN_FLIGHT_MAX 100
struct mqtt_message {
    uint64_t token;
    int mid;
    uint16_t blocks; /* of the payload, at most UINT16_MAX */
    uint8_t queue;   /* the queue in which it waits for being written; 0: none */
    bool once : 1;   /* QoS 0: libmosquitto discards it when the connection closes */
    bool gone : 1;   /* acknowledged; the slot is released when it is the oldest */
};

/* All zeros: an empty ring. */
struct mqtt_inflight {
    struct mqtt_message *ring;
    uint32_t first, count;
    uint32_t unwritten; /* blocks of the messages that wait for being written */
    /* libmosquitto has handed out the first `window` messages, `live` of them wait for an answer.
     */
    uint32_t window, live;
    uint32_t queued;       /* blocks of the others */
    uint8_t capacity_bits; /* the capacity is this power of two, when there is a ring */
    uint8_t queue;         /* messages with this number, not 0, wait for being written */
};

/* Free the ring; it is empty and usable again. */
void mqtt_inflight_clear(struct mqtt_inflight *inflight);
/* Add a message as the newest. The result is valid until the next call; NULL without memory. */
struct mqtt_message *mqtt_inflight_add(
    struct mqtt_inflight *inflight, bool once, size_t size, uint64_t token);
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
/* Bytes of the payloads that wait for being written, or for room in the window, rounded up. */
size_t mqtt_inflight_unwritten(const struct mqtt_inflight *inflight);
/* The number of messages that wait for an acknowledgement. */
uint32_t mqtt_inflight_count(const struct mqtt_inflight *inflight);

#endif
