/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions and channels of the MQTT transport. A channel and its sessions are used on the thread of
 * the channel's loop only.
 */
#ifndef PLUGINS_TRANSPORT_MQTT_SESSION_H
#define PLUGINS_TRANSPORT_MQTT_SESSION_H

#include <mosquitto.h>

#include <iotify/extensions.h>
#include <iotify/transport.h>

#include "plugins/transport/mqtt/inflight.h"
#include "plugins/transport/mqtt/settings.h"
#include "plugins/transport/mqtt/tls.h"

#define SECOND INT64_C(1000000000)
struct mqtt_instance {
    char *alpn;
};

/* The name of a host, shared by all sessions of the channel that connect to it. */
struct mqtt_host {
    char *name;
    struct mqtt_host *next;
};

/* One TLS context per combination of `ca` and `verify`; most channels have one. */
struct mqtt_context {
    char *ca;
    char *alpn;
    bool verify;
    struct mqtt_tls *tls;
    struct mqtt_context *next;
};

struct mqtt_deferred;

struct mqtt_channel {
    const struct mqtt_instance *instance;
    const struct iotify_socketpair_1 *socketpair; /* NULL: the host does not have it */
    const struct iotify_read_ahead_1 *ahead;      /* likewise */
    const struct iotify_loop *loop;
    const struct iotify_session_events *events;
    struct mqtt_context *contexts;
    struct mqtt_host *hosts;
    struct mqtt_deferred *deferred;
};

enum mqtt_state { IDLE, RESOLVING, TCP, TLS, SESSION, SUBSCRIBING, READY, LEAVING };

struct mqtt_session {
    struct mqtt_channel *channel;
    void *user;
    struct mosquitto *mosquitto;
    const char *host; /* owned by the channel */
    struct iotify_watch *watch;
    struct iotify_lookup *lookup;   /* NULL: none is under way */
    struct iotify_timer *timer;     /* deadline while connecting, then keep-alive */
    char **filters;                 /* ends with NULL; NULL: none */
    struct mqtt_identity *identity; /* NULL: without TLS */
    char *text;                     /* why it closed, until the event is delivered */
    struct mqtt_inflight inflight;
    int64_t timeout; /* nanoseconds */
    int64_t began;   /* start of the current phase of the connect */
    struct iotify_connect_times times;
    uint16_t port;
    uint16_t keepalive; /* seconds */
    uint16_t filter_count, confirmed;
    uint8_t state;  /* enum mqtt_state */
    uint8_t reason; /* enum iotify_close */
    bool in_call;   /* the host is inside a function of the session: defer events */
};

/* See check() of struct iotify_transport. */
enum iotify_result mqtt_check(
    struct iotify_call *call, const void *options, const void *connection, const void *publish);

/*
 * The session functions of the plugin's table of operations: see struct iotify_transport in
 * iotify/transport.h, member by member.
 */
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
