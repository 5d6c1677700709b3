/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions and channels of the MQTT transport, and the functions on them. A channel and its
 * sessions are used on the thread of the channel's loop only.
 */
#ifndef PLUGINS_TRANSPORT_MQTT_SESSION_H
#define PLUGINS_TRANSPORT_MQTT_SESSION_H

#include <mosquitto.h>

#include <iotify/transport.h>

#include "plugins/transport/mqtt/inflight.h"
#include "plugins/transport/mqtt/settings.h"
#include "plugins/transport/mqtt/tls.h"

#define SECOND INT64_C(1000000000)
/* Unacknowledged messages per session; the limit of AWS IoT. */
#define MQTT_IN_FLIGHT_MAX 100
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
    bool verify;
    struct mqtt_tls *tls;
    struct mqtt_context *next;
};

struct mqtt_deferred;

struct mqtt_channel {
    const struct mqtt_instance *instance;
    const struct iotify_host *host;
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
    bool resolving; /* a name lookup still refers to this session */
    bool freed;     /* freed by the host during the lookup; the answer frees the memory */
};

/* ------------------------------------------------------------------ deferred.c */

enum mqtt_event { ACKNOWLEDGED, LOST, CLOSED };

/* Queue of events that occur while the host is inside a call. NULL without memory. */
struct mqtt_deferred *mqtt_deferred_new(const struct mqtt_channel *channel);
void mqtt_deferred_free(struct mqtt_deferred *deferred);
/* Deliver an event to the host now, or from the loop when the host is inside a call. */
void mqtt_raise(struct mqtt_session *session, enum mqtt_event event, uint64_t token);
/* Drop all deferred events of a session that is about to be freed. */
void mqtt_deferred_forget(struct mqtt_session *session);

/* ------------------------------------------------------------------ connect.c */

/* Resolve the host and connect. Ends in READY, or with an event `closed`. */
void mqtt_connect_start(struct mqtt_session *session);
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
/*
 * Shut the connection down and raise `closed`. libmosquitto has no function for this; it closes the
 * descriptor with the next connect, or when the session is freed.
 */
void mqtt_cut(struct mqtt_session *session, enum iotify_close reason, const char *text);

#endif
