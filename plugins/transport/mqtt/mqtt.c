/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MQTT 3.1.1 over TCP or TLS with libmosquitto on the host's loop: the plugin and its channels.
 *
 * libmosquitto supports external event loops only in part; connect.c determines the states that it
 * does not report. See docs/transport-mqtt.md.
 */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/transport/mqtt/deferred.h"
#include "plugins/transport/mqtt/session.h"

static enum iotify_result mqtt_channel_new(void *given, struct iotify_call *call,
    const struct iotify_loop *loop, const struct iotify_session_events *events, void **out)
{
    struct mqtt_channel *channel = calloc(1, sizeof(*channel));

    if (!channel)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    channel->instance = given;
    channel->socketpair = call->host->extension(call, IOTIFY_EXTENSION_SOCKETPAIR_1);
    channel->ahead = call->host->extension(call, IOTIFY_EXTENSION_READ_AHEAD_1);
    channel->loop = loop;
    channel->events = events;
    channel->deferred = mqtt_deferred_new(channel);
    if (!channel->deferred) {
        free(channel);
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    }
    *out = channel;
    return IOTIFY_RESULT_OK;
}

static void mqtt_channel_free(void *given)
{
    struct mqtt_channel *channel = given;

    while (channel->contexts) {
        struct mqtt_context *context = channel->contexts;

        channel->contexts = context->next;
        mqtt_tls_free(context->tls);
        free(context->ca);
        free(context->alpn);
        free(context);
    }
    while (channel->hosts) {
        struct mqtt_host *host = channel->hosts;

        channel->hosts = host->next;
        free(host->name);
        free(host);
    }
    mqtt_deferred_free(channel->deferred);
    free(channel);
}

static enum iotify_result mqtt_instance_open(
    struct iotify_call *call, const void *given, void **out)
{
    const struct mqtt_options *options = given;
    struct mqtt_instance *instance = calloc(1, sizeof(*instance));

    if (!instance)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    instance->alpn = options->alpn ? strdup(options->alpn) : NULL;
    mosquitto_lib_init();
    mqtt_tls_init();
    *out = instance;
    return IOTIFY_RESULT_OK;
}

static void mqtt_instance_close(void *given)
{
    struct mqtt_instance *instance = given;

    mosquitto_lib_cleanup();
    free(instance->alpn);
    free(instance);
}

static const char *mqtt_libraries(void)
{
    static char text[64];
    int major, minor, revision;

    mosquitto_lib_version(&major, &minor, &revision);
    snprintf(text, sizeof(text), "libmosquitto %d.%d.%d, %s", major, minor, revision,
        OpenSSL_version(OPENSSL_VERSION));
    return text;
}

static const char *const protocols[] = {"mqtts", NULL};

static const struct iotify_transport operations = {
    IOTIFY_TRANSPORT_SIZES,
    .capabilities = IOTIFY_CAPABILITY_SUBSCRIBE | IOTIFY_CAPABILITY_ACKNOWLEDGE,
    .protocols = protocols,
    .connection = &mqtt_connection_settings,
    .publish = &mqtt_publish_settings,
    .check = mqtt_check,
    .open = mqtt_instance_open,
    .close = mqtt_instance_close,
    .channel_new = mqtt_channel_new,
    .channel_free = mqtt_channel_free,
    .session_new = mqtt_session_new,
    .session_connect = mqtt_session_connect,
    .session_publish = mqtt_session_publish,
    .session_disconnect = mqtt_session_disconnect,
    .session_free = mqtt_session_free,
    .session_drop = mqtt_session_drop,
    .session_unwritten = mqtt_session_unwritten,
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_TRANSPORT, .name = "mqtt", .version = IOTIFY_VERSION,
    .summary = "MQTT 3.1.1 over TCP or TLS, a certificate for each session",
    .settings = &mqtt_option_settings, .operations = &operations, .libraries = mqtt_libraries);
