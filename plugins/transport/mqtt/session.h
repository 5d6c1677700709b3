/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the MQTT transport that share its sessions. One engine has one thread, and so have
 * all its sessions.
 */
#ifndef PLUGINS_TRANSPORT_MQTT_SESSION_H
#define PLUGINS_TRANSPORT_MQTT_SESSION_H

#include <mosquitto.h>

#include <iotify/transport.h>

#include "plugins/transport/mqtt/inflight.h"
#include "plugins/transport/mqtt/settings.h"
#include "plugins/transport/mqtt/tls.h"

#define SECOND INT64_C(1000000000)
/* Unacknowledged messages under way to one server, as AWS IoT allows. */
#define MQTT_IN_FLIGHT_MAX 100
struct mqtt_instance {
    char *alpn;
};

/* A host that sessions connect to: there are few, and sessions many. */
struct mqtt_host {
    char *name;
    struct mqtt_host *next;
};

/* Contexts differ by their roots; nearly always there is one. */
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
    const char *host; /* the engine's */
    struct iotify_watch *watch;
    struct iotify_timer *timer;     /* deadline while connecting, then keep-alive */
    char **filters;                 /* ends with NULL; NULL: none */
    struct mqtt_identity *identity; /* NULL: plain */
    char *text;                     /* why it closed, until the host knows */
    struct mqtt_inflight inflight;
    int64_t timeout;
    int64_t began; /* the present part of the connect */
    struct iotify_connect_times times;
    uint16_t port;
    uint16_t keepalive; /* seconds */
    uint16_t filter_count, confirmed;
    uint8_t state;  /* enum mqtt_state */
    uint8_t reason; /* enum iotify_close */
    bool in_call;   /* inside a call of the host: events have to wait */
    bool resolving; /* the host's resolver still holds this session */
    bool freed;     /* by the host, while the resolver held it */
};

/* ------------------------------------------------------------------ deferred.c */

enum mqtt_event { ACKNOWLEDGED, LOST, CLOSED };

/* Events that arise inside a call of the host and have to wait for the loop. */
struct mqtt_deferred *mqtt_deferred_new(const struct mqtt_channel *channel);
void mqtt_deferred_free(struct mqtt_deferred *deferred);
/* Tell the host now, or later where it is inside a call. */
void mqtt_raise(struct mqtt_session *session, enum mqtt_event event, uint64_t token);
/* The session is about to go: nothing more is told of it. */
void mqtt_deferred_forget(struct mqtt_session *session);

/* ------------------------------------------------------------------ connect.c */

/* Begin: look the host up, connect, and go on to READY, or to an event `closed`. */
void mqtt_connect_start(struct mqtt_session *session);
/* The session's timer fired. */
void mqtt_connect_timer(void *session);
/* Let libmosquitto call this part. */
void mqtt_connect_callbacks(struct mosquitto *mosquitto);
/* Watch what the library has to do next. */
void mqtt_rearm(struct mqtt_session *session);
/* After a call into the library: is the connection still there? Tells the host when it is not. */
bool mqtt_alive(struct mqtt_session *session, int code);
/*
 * End a connection that libmosquitto would keep: it has no call for that. The descriptor goes
 * with the next connect or with the session.
 */
void mqtt_cut(struct mqtt_session *session, enum iotify_close reason, const char *text);

#endif
