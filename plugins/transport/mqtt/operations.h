/* SPDX-License-Identifier: Apache-2.0 */
/* The session functions of the plugin's table of operations; see iotify/transport.h. */
#ifndef PLUGINS_TRANSPORT_MQTT_OPERATIONS_H
#define PLUGINS_TRANSPORT_MQTT_OPERATIONS_H

#include "plugins/transport/mqtt/session.h"

enum iotify_result mqtt_session_new(void *channel, struct iotify_call *call, const void *connection,
    const char *const *subscriptions, size_t subscription_count, void *user, void **session);
void mqtt_session_connect(void *session);
enum iotify_result mqtt_session_publish(void *session, struct iotify_call *call,
    const void *publish, struct iotify_bytes payload, uint64_t token);
void mqtt_session_disconnect(void *session);
void mqtt_session_drop(void *session);
size_t mqtt_session_unwritten(const void *session);
void mqtt_session_free(void *session);

#endif
