/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of a session that the server has not acknowledged: from the library's message ids
 * to the host's tokens. They leave mostly in the order in which they came, so a ring that is
 * searched from its old end.
 */
#ifndef PLUGINS_TRANSPORT_MQTT_INFLIGHT_H
#define PLUGINS_TRANSPORT_MQTT_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mqtt_message {
    uint64_t token;
    int mid;
    bool once; /* QoS 0: the library forgets it when the connection goes */
    bool gone; /* acknowledged; its place is given back when it is the oldest */
};

/* A ring of zeros is empty and ready. */
struct mqtt_inflight {
    struct mqtt_message *ring;
    uint32_t first, count, capacity; /* the capacity is a power of two */
    uint32_t unwritten;              /* at the young end: not all of it has left yet */
};

void mqtt_inflight_clear(struct mqtt_inflight *inflight);
/* Add one at the young end; NULL when there is no memory. Valid until the next call. */
struct mqtt_message *mqtt_inflight_add(struct mqtt_inflight *inflight, bool once, uint64_t token);
/* Take the youngest back. */
void mqtt_inflight_drop(struct mqtt_inflight *inflight);
/* Find the one with this message id and take it out; false when there is none. */
bool mqtt_inflight_take(struct mqtt_inflight *inflight, int mid, uint64_t *token);
/* Take out the oldest with QoS 0; false when there is none left. */
bool mqtt_inflight_take_once(struct mqtt_inflight *inflight, uint64_t *token);
/* How many wait for an acknowledgement. */
uint32_t mqtt_inflight_count(const struct mqtt_inflight *inflight);

#endif
