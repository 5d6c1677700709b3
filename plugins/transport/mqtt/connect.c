/* SPDX-License-Identifier: Apache-2.0 */
/* The state machine of a session, from name lookup to close, on top of libmosquitto. */
#include "plugins/transport/mqtt/connect.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/transport/mqtt/closing.h"
#include "plugins/transport/mqtt/deferred.h"

/* AWS IoT accepts this many topic filters in one SUBSCRIBE. */
#define FILTERS_MAX 8

static const char *const state_words[] = {[IDLE] = "",
    [RESOLVING] = "looking up the name",
    [TCP] = "connecting",
    [TLS] = "in the TLS handshake",
    [SESSION] = "waiting for CONNACK",
    [SUBSCRIBING] = "waiting for SUBACK; the server ignores the subscription",
    [READY] = "",
    [LEAVING] = "disconnecting"};

/* ------------------------------------------------------------------ the descriptor */

void mqtt_rearm(struct mqtt_session *session)
{
    int events = IOTIFY_EVENT_READABLE;

    if (!session->watch)
        return;
    /* During the handshake libmosquitto always reports pending writes, but has none. */
    if (!mosquitto_want_write(session->mosquitto))
        mqtt_inflight_wrote(&session->inflight);
    else if (session->state > TLS)
        events |= IOTIFY_EVENT_WRITABLE;
    session->channel->loop->rewatch(session->watch, events);
}

static int64_t connect_now(const struct mqtt_session *session)
{
    return session->channel->loop->now(session->channel->loop);
}

/* End the current phase of the connect at `moment`; its duration in nanoseconds. */
static int64_t connect_lap(struct mqtt_session *session, int64_t moment)
{
    int64_t passed = moment - session->began;

    session->began = moment;
    return passed;
}

bool mqtt_alive(struct mqtt_session *session, int code)
{
    /* The host may have started a new connect inside the event `closed`. */
    if (session->state == IDLE || session->state == RESOLVING)
        return false;
    if (mosquitto_socket(session->mosquitto) < 0) {
        mqtt_closed_by_library(session, code);
        return false;
    }
    return true;
}

static void connect_enter_session(struct mqtt_session *session)
{
    session->state = SESSION;
    if (session->identity) {
        session->times.resumed = session->identity->resumed;
        mqtt_tls_settle(mosquitto_ssl_get(session->mosquitto), session->identity);
    }
    /* libmosquitto queued CONNECT when it created the socket. */
    if (mqtt_alive(session, mosquitto_loop_write(session->mosquitto, 1)))
        mqtt_rearm(session);
}

/* True at the end of the stream, which libmosquitto does not report during a handshake. */
static bool connect_ended(int descriptor)
{
    char byte;

    return recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void connect_on_handshake(struct mqtt_session *session, int events)
{
    int code = mosquitto_loop_read(session->mosquitto, 1);

    if (!mqtt_alive(session, code))
        return;
    if (session->state > TLS) {
        mqtt_rearm(session);
    } else if (session->identity->handshaken) {
        session->times.tls = connect_lap(session, session->identity->ended);
        connect_enter_session(session);
    } else if (code != MOSQ_ERR_SUCCESS || (events & IOTIFY_EVENT_ERROR) ||
               connect_ended(mosquitto_socket(session->mosquitto))) {
        mqtt_cut(session, IOTIFY_CLOSED_TLS, mqtt_handshake_failure(session));
    } else {
        mqtt_rearm(session);
    }
}

/* True when data was sent on the connection before it failed. */
static bool connect_was_connected(int descriptor)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    return getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
           info.tcpi_data_segs_out > 0;
}

static void connect_on_tcp(struct mqtt_session *session)
{
    int error = 0;
    socklen_t size = sizeof(error);
    char text[200];

    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof(peer);
    int descriptor = mosquitto_socket(session->mosquitto);

    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
    /* The handshake that libmosquitto starts early may have consumed the error of the socket. */
    if (!error && getpeername(descriptor, (struct sockaddr *)&peer, &peer_size) != 0)
        error = ECONNREFUSED;
    if (error && session->identity && (error == ECONNRESET || connect_was_connected(descriptor))) {
        mqtt_cut(session, IOTIFY_CLOSED_TLS, mqtt_handshake_failure(session));
        return;
    }
    if (error) {
        snprintf(text, sizeof(text), "cannot connect to %s port %d: %s%s", session->host,
            session->port, strerror(error),
            error == ECONNRESET ? "; is this a TLS port (tls: true)?" : "");
        mqtt_cut(session, IOTIFY_CLOSED_UNREACHABLE, text);
        return;
    }
    /* On a fast network the handshake ends before the first event on the socket. */
    if (session->identity && session->identity->handshaken) {
        session->times.tcp = connect_lap(session, session->identity->started);
        session->times.tls = connect_lap(session, session->identity->ended);
        connect_enter_session(session);
        return;
    }
    session->times.tcp = connect_lap(session, connect_now(session));
    if (session->identity) {
        session->state = TLS;
        connect_on_handshake(session, 0);
    } else {
        connect_enter_session(session);
    }
}

struct connect_reading {
    struct mqtt_session *session;
    int code;
};

/* Read what is available; 0 when more may follow, for struct iotify_read_ahead_1. */
static int connect_read_once(void *argument)
{
    struct connect_reading *reading = argument;
    struct mqtt_session *session = reading->session;
    int rounds = 0;
    SSL *ssl;

    do {
        errno = 0;
        reading->code = mosquitto_loop_read(session->mosquitto, 1);
        if (reading->code != MOSQ_ERR_SUCCESS || session->state == IDLE ||
            mosquitto_socket(session->mosquitto) < 0)
            return -1;
        /* The loop does not see bytes that TLS has already decrypted. */
        ssl = session->identity ? mosquitto_ssl_get(session->mosquitto) : NULL;
    } while (ssl && SSL_pending(ssl) > 0 && ++rounds < 1000);
    return 0;
}

static int connect_read_all(struct mqtt_session *session)
{
    struct connect_reading reading = {session, MOSQ_ERR_SUCCESS};

    if (session->channel->ahead)
        session->channel->ahead->with(
            mosquitto_socket(session->mosquitto), connect_read_once, &reading);
    else
        connect_read_once(&reading);
    return reading.code;
}

static void connect_on_ready(void *argument, int events)
{
    struct mqtt_session *session = argument;
    int code = MOSQ_ERR_SUCCESS;

    if (session->state == TCP) {
        connect_on_tcp(session);
        return;
    }
    if (session->state == TLS) {
        connect_on_handshake(session, events);
        return;
    }
    if (events & (IOTIFY_EVENT_READABLE | IOTIFY_EVENT_ERROR))
        code = connect_read_all(session);
    if (!mqtt_alive(session, code))
        return;
    if (events & IOTIFY_EVENT_WRITABLE)
        code = mosquitto_loop_write(session->mosquitto, 1);
    if (mqtt_alive(session, code))
        mqtt_rearm(session);
}

/* ------------------------------------------------------------------ timers */

void mqtt_connect_timer(void *argument)
{
    struct mqtt_session *session = argument;
    const struct iotify_loop *loop = session->channel->loop;
    char text[120];

    if (session->state == READY) {
        if (mqtt_alive(session, mosquitto_loop_misc(session->mosquitto))) {
            mqtt_rearm(session);
            loop->timer_start(session->timer, session->keepalive * SECOND / 4);
        }
        return;
    }
    snprintf(text, sizeof(text), "no answer in %.3g s while %s",
        (double)session->timeout / (double)SECOND, state_words[session->state]);
    mqtt_cut(session,
        session->state == LEAVING       ? IOTIFY_CLOSED_BY_US
        : session->state == SUBSCRIBING ? IOTIFY_CLOSED_SUBSCRIPTION
                                        : IOTIFY_CLOSED_TIMEOUT,
        text);
}

/* ------------------------------------------------------------------ callbacks of the library */

static void connect_become_ready(struct mqtt_session *session)
{
    session->state = READY;
    session->times.session = connect_lap(session, connect_now(session));
    /* libmosquitto had not sent the messages above the limit, so they are not sent again. */
    session->times.resent = mqtt_inflight_count(&session->inflight);
    if (session->times.resent > MQTT_IN_FLIGHT_MAX)
        session->times.resent = MQTT_IN_FLIGHT_MAX;
    if (session->identity)
        mqtt_tls_settle(mosquitto_ssl_get(session->mosquitto), session->identity);
    session->channel->loop->timer_start(session->timer, session->keepalive * SECOND / 4);
    session->channel->events->connected(session->user, &session->times);
}

static bool connect_subscribe_next(struct mqtt_session *session)
{
    size_t left = session->filter_count - session->confirmed;
    int count = left > FILTERS_MAX ? FILTERS_MAX : (int)left;

    return mosquitto_subscribe_multiple(session->mosquitto, NULL, count,
               session->filters + session->confirmed, 1, 0, NULL) == MOSQ_ERR_SUCCESS;
}

static void connect_on(struct mosquitto *mosquitto, void *argument, int code)
{
    struct mqtt_session *session = argument;
    char text[160];

    (void)mosquitto;
    /* The end of the handshake and the answer to CONNECT may arrive in one read. */
    if (session->state == TLS && session->identity->handshaken) {
        session->times.tls = connect_lap(session, session->identity->ended);
        session->times.resumed = session->identity->resumed;
        session->state = SESSION;
    }
    if (session->state != SESSION)
        return;
    if (code != 0) {
        snprintf(text, sizeof(text), "%s", mosquitto_connack_string(code));
        /* Only an unavailable server (3) may accept the next attempt. */
        mqtt_cut(session, code == 3 ? IOTIFY_CLOSED_REFUSED : IOTIFY_CLOSED_DENIED, text);
    } else if (session->filter_count == 0) {
        connect_become_ready(session);
    } else {
        session->state = SUBSCRIBING;
        session->confirmed = 0;
        if (!connect_subscribe_next(session))
            mqtt_cut(
                session, IOTIFY_CLOSED_PROTOCOL, "cannot subscribe: a topic filter is not valid");
    }
}

static void connect_on_subscribe(
    struct mosquitto *mosquitto, void *argument, int mid, int count, const int *granted)
{
    struct mqtt_session *session = argument;
    char text[240];

    (void)mosquitto;
    (void)mid;
    if (session->state != SUBSCRIBING)
        return;
    for (int i = 0; i < count && session->confirmed < session->filter_count; i++) {
        if (granted[i] > 2) {
            snprintf(text, sizeof(text), "the server refused the subscription to %.180s",
                session->filters[session->confirmed]);
            mqtt_cut(session, IOTIFY_CLOSED_SUBSCRIPTION, text);
            return;
        }
        session->confirmed++;
    }
    if (session->confirmed == session->filter_count)
        connect_become_ready(session);
    else if (!connect_subscribe_next(session))
        mqtt_cut(session, IOTIFY_CLOSED_PROTOCOL, "cannot subscribe: a topic filter is not valid");
}

static void connect_on_publish(struct mosquitto *mosquitto, void *argument, int mid)
{
    struct mqtt_session *session = argument;
    uint64_t token;

    (void)mosquitto;
    if (mqtt_inflight_take(&session->inflight, mid, &token))
        mqtt_raise(session, ACKNOWLEDGED, token);
}

static void connect_on_message(
    struct mosquitto *mosquitto, void *argument, const struct mosquitto_message *message)
{
    struct mqtt_session *session = argument;

    (void)mosquitto;
    session->channel->events->message(
        session->user, &(struct iotify_message){.struct_size = sizeof(struct iotify_message),
                           .topic = message->topic,
                           .payload = {message->payload, (size_t)message->payloadlen}});
}

static void connect_on_disconnect(struct mosquitto *mosquitto, void *argument, int code)
{
    (void)mosquitto;
    mqtt_closed_by_library(argument, code);
}

void mqtt_connect_callbacks(struct mosquitto *mosquitto)
{
    mosquitto_connect_callback_set(mosquitto, connect_on);
    mosquitto_subscribe_callback_set(mosquitto, connect_on_subscribe);
    mosquitto_publish_callback_set(mosquitto, connect_on_publish);
    mosquitto_message_callback_set(mosquitto, connect_on_message);
    mosquitto_disconnect_callback_set(mosquitto, connect_on_disconnect);
}

/* ------------------------------------------------------------------ connecting */

/* True when this host has no descriptor, port or memory left for a connection. */
static bool connect_is_local(int error)
{
    return error == EMFILE || error == ENFILE || error == EADDRNOTAVAIL || error == ENOBUFS ||
           error == ENOMEM;
}

static void connect_start_tcp(struct mqtt_session *session, const char *address)
{
    const struct iotify_loop *loop = session->channel->loop;
    char text[200];
    int code;

    session->state = TCP;
    if (session->identity) {
        mqtt_identity_begin(session->identity);
        mqtt_tls_begin(session->identity->tls, session->identity);
    }
    code = mosquitto_connect_async(session->mosquitto, address, session->port, session->keepalive);
    if (session->identity)
        mqtt_tls_begin(session->identity->tls, NULL);
    /* libmosquitto starts the handshake in that call; on a fast network it may fail there. */
    if (code == MOSQ_ERR_TLS) {
        mqtt_closed(session, IOTIFY_CLOSED_TLS, mqtt_handshake_failure(session));
        return;
    }
    if (code > 0 || mosquitto_socket(session->mosquitto) < 0) {
        bool full = code == MOSQ_ERR_ERRNO && connect_is_local(errno);

        snprintf(text, sizeof(text), "cannot connect to %s port %d: %s", session->host,
            session->port, code == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(code));
        mqtt_closed(session, full ? IOTIFY_CLOSED_LOCAL : IOTIFY_CLOSED_UNREACHABLE, text);
        return;
    }
    session->watch = loop->watch(loop, mosquitto_socket(session->mosquitto), IOTIFY_EVENT_WRITABLE,
        connect_on_ready, session);
    if (!session->watch)
        mqtt_cut(session, IOTIFY_CLOSED_UNREACHABLE, "cannot watch the connection");
}

static void connect_on_resolved(void *argument, const char *address, const char *error)
{
    struct mqtt_session *session = argument;
    char text[200];

    session->lookup = NULL;
    if (session->state != RESOLVING)
        return;
    if (address) {
        connect_start_tcp(session, address);
        return;
    }
    snprintf(text, sizeof(text), "cannot find the host %s: %s", session->host, error);
    mqtt_closed(session, IOTIFY_CLOSED_UNREACHABLE, text);
}

void mqtt_connect_start(struct mqtt_session *session)
{
    const struct iotify_loop *loop = session->channel->loop;

    if (session->state != IDLE)
        return;
    session->state = RESOLVING;
    session->began = connect_now(session);
    session->times = (struct iotify_connect_times){.struct_size = sizeof(session->times)};
    loop->timer_start(session->timer, session->timeout);
    session->lookup = loop->resolve(loop, session->host, connect_on_resolved, session);
}

void mqtt_connect_cancel(struct mqtt_session *session)
{
    if (session->lookup)
        session->channel->loop->resolve_cancel(session->lookup);
    session->lookup = NULL;
}
