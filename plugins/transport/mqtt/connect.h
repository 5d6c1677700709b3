/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a connection: resolve, connect, keep alive, close. On the loop's thread. */
#ifndef PLUGINS_TRANSPORT_MQTT_CONNECT_H
#define PLUGINS_TRANSPORT_MQTT_CONNECT_H

#include "plugins/transport/mqtt/session.h"

/* Resolve the host and connect. Ends in READY, or with an event `closed`. */
void mqtt_connect_start(struct mqtt_session *session);
/* Give up the name lookup, if one is under way. */
void mqtt_connect_cancel(struct mqtt_session *session);
/* Callback of the session's timer. */
void mqtt_connect_timer(void *session);
/* Register the callbacks of connect.c with libmosquitto. */
void mqtt_connect_callbacks(struct mosquitto *mosquitto);
/* Watch the descriptor for what libmosquitto needs next. */
void mqtt_rearm(struct mqtt_session *session);
/*
 * After a call into libmosquitto that returned `code`: true while the session has a connection.
 * Raises `closed` when libmosquitto has closed it.
 */
bool mqtt_alive(struct mqtt_session *session, int code);

#endif
