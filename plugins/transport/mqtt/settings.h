/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of the MQTT transport, and of `connection:` and `publish:` in its templates. Constant
 * tables.
 */
#ifndef PLUGINS_TRANSPORT_MQTT_SETTINGS_H
#define PLUGINS_TRANSPORT_MQTT_SETTINGS_H

#include <iotify/settings.h>

struct mqtt_options {
    const char *alpn;
};

struct mqtt_connection {
    const char *host;
    int64_t port;
    bool shared_client_id;
    bool tls;
    bool verify;
    const char *client_id;
    const char *key;
    const char *cert;
    const char *ca;
    const char *alpn;
    const char *server_name;
    const char *username;
    const char *password;
    int64_t keepalive;
    int64_t timeout;
    bool clean_session;
    const char *will_topic;
    const char *will_payload;
    int64_t will_qos;
    bool will_retain;
};

struct mqtt_publish_settings {
    const char *topic;
    int64_t qos;
    bool retain;
};

extern const struct iotify_settings mqtt_option_settings;
extern const struct iotify_settings mqtt_connection_settings;
extern const struct iotify_settings mqtt_publish_settings;

#endif
