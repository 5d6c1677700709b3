/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that occur while the host is inside a call: they are delivered from the loop. On the
 * loop's thread.
 */
#ifndef PLUGINS_TRANSPORT_MQTT_DEFERRED_H
#define PLUGINS_TRANSPORT_MQTT_DEFERRED_H

#include "plugins/transport/mqtt/session.h"

enum mqtt_event { ACKNOWLEDGED, LOST, CLOSED };

/* Queue of events that occur while the host is inside a call. NULL without memory. */
struct mqtt_deferred *mqtt_deferred_new(const struct mqtt_channel *channel);
void mqtt_deferred_free(struct mqtt_deferred *deferred);
/* Deliver an event to the host now, or from the loop when the host is inside a call. */
void mqtt_raise(struct mqtt_session *session, enum mqtt_event event, uint64_t token);
/* Drop all deferred events of a session that is about to be freed. */
void mqtt_deferred_forget(struct mqtt_session *session);

#endif
