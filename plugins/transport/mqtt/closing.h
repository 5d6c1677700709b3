/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a connection, and what it says about the likely cause. On the loop's thread. */
#ifndef PLUGINS_TRANSPORT_MQTT_CLOSING_H
#define PLUGINS_TRANSPORT_MQTT_CLOSING_H

#include "plugins/transport/mqtt/session.h"

/* Raise `closed`, unless the session is closed, and `lost` for unwritten messages with QoS 0. */
void mqtt_closed(struct mqtt_session *session, enum iotify_close reason, const char *text);
/*
 * Shut the connection down and raise `closed`. libmosquitto has no function for this; it closes the
 * descriptor with the next connect, or when the session is freed.
 */
void mqtt_cut(struct mqtt_session *session, enum iotify_close reason, const char *text);
/* Raise `closed` after libmosquitto has closed the connection; `code` is what it returned. */
void mqtt_closed_by_library(struct mqtt_session *session, int code);
/* Why the TLS handshake ended. Valid until the session connects again. */
const char *mqtt_handshake_failure(const struct mqtt_session *session);

#endif
