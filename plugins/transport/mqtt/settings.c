#include "plugins/transport/mqtt/settings.h"

#define SECOND INT64_C(1000000000)

static const struct iotify_setting option_items[] = {
    {"alpn", IOTIFY_STRING, 0, offsetof(struct mqtt_options, alpn), NULL, 0, 0, NULL,
        "protocol name to offer in TLS, for AWS on port 443: x-amzn-mqtt-ca"},
};
const struct iotify_settings mqtt_option_settings =
    IOTIFY_SETTINGS(option_items, struct mqtt_options);

#define AT(member) offsetof(struct mqtt_connection, member)
static const struct iotify_setting connection_items[] = {
    {"host", IOTIFY_STRING, IOTIFY_EXPRESSION, AT(host), NULL, 0, 0, NULL,
        "name or address of the broker; default: the connector's endpoint for devices"},
    {"port", IOTIFY_INTEGER, IOTIFY_EXPRESSION, AT(port), "8883", 1, 65535, NULL,
        "TCP port of the broker"},
    {"tls", IOTIFY_BOOLEAN, IOTIFY_EXPRESSION, AT(tls), "true", 0, 0, NULL,
        "false for a plain broker"},
    {"verify", IOTIFY_BOOLEAN, IOTIFY_EXPRESSION, AT(verify), "true", 0, 0, NULL,
        "check the broker's certificate and name"},
    {"client_id", IOTIFY_STRING, IOTIFY_EXPRESSION | IOTIFY_REQUIRED, AT(client_id), NULL, 0, 0,
        NULL, "the client identifier; AWS IoT wants the thing's name"},
    {"key", IOTIFY_SECRET, IOTIFY_EXPRESSION, AT(key), NULL, 0, 0, NULL,
        "the client's private key, PEM"},
    {"cert", IOTIFY_STRING, IOTIFY_EXPRESSION, AT(cert), NULL, 0, 0, NULL,
        "the client's certificate, PEM; a chain may follow it"},
    {"ca", IOTIFY_STRING, IOTIFY_EXPRESSION | IOTIFY_PATH, AT(ca), NULL, 0, 0, NULL,
        "root certificates to trust, PEM or a file; default: the system's store"},
    {"server_name", IOTIFY_STRING, IOTIFY_EXPRESSION, AT(server_name), NULL, 0, 0, NULL,
        "name to ask for (SNI) and to find in the broker's certificate; default: host"},
    {"username", IOTIFY_STRING, IOTIFY_EXPRESSION, AT(username), NULL, 0, 0, NULL, "user name"},
    {"password", IOTIFY_SECRET, IOTIFY_EXPRESSION, AT(password), NULL, 0, 0, NULL, "password"},
    {"keepalive", IOTIFY_DURATION, IOTIFY_EXPRESSION, AT(keepalive), "60s", 5 * SECOND,
        65535 * SECOND, NULL, "longest silence before a ping; AWS IoT: 30s to 1200s"},
    {"timeout", IOTIFY_DURATION, IOTIFY_EXPRESSION, AT(timeout), "30s", SECOND / 10, 3600 * SECOND,
        NULL, "longest time for connecting, until the subscriptions are confirmed"},
    {"clean_session", IOTIFY_BOOLEAN, IOTIFY_EXPRESSION, AT(clean_session), "true", 0, 0, NULL,
        "false: the broker keeps the session"},
    {"will.topic", IOTIFY_STRING, IOTIFY_EXPRESSION, AT(will_topic), NULL, 0, 0, NULL,
        "topic of the last will; default: no will"},
    {"will.payload", IOTIFY_STRING, IOTIFY_EXPRESSION, AT(will_payload), NULL, 0, 0, NULL,
        "payload of the last will"},
    {"will.qos", IOTIFY_INTEGER, IOTIFY_EXPRESSION, AT(will_qos), "0", 0, 1, NULL,
        "quality of service of the last will, 0 or 1"},
    {"will.retain", IOTIFY_BOOLEAN, IOTIFY_EXPRESSION, AT(will_retain), "false", 0, 0, NULL,
        "retain the last will"},
};
#undef AT
const struct iotify_settings mqtt_connection_settings =
    IOTIFY_SETTINGS(connection_items, struct mqtt_connection);

static const struct iotify_setting publish_items[] = {
    {"topic", IOTIFY_STRING, IOTIFY_EXPRESSION, offsetof(struct mqtt_publish, topic), NULL, 0, 0,
        NULL, "topic of the messages"},
    {"qos", IOTIFY_INTEGER, IOTIFY_EXPRESSION, offsetof(struct mqtt_publish, qos), "1", 0, 1, NULL,
        "quality of service, 0 or 1"},
    {"retain", IOTIFY_BOOLEAN, IOTIFY_EXPRESSION, offsetof(struct mqtt_publish, retain), "false", 0,
        0, NULL, "retain the messages"},
};
const struct iotify_settings mqtt_publish_settings =
    IOTIFY_SETTINGS(publish_items, struct mqtt_publish);
