/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/transport/mqtt/closing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "plugins/transport/mqtt/connect.h"
#include "plugins/transport/mqtt/deferred.h"

static void closing_unwatch(struct mqtt_session *session)
{
    if (session->watch)
        session->channel->loop->unwatch(session->watch);
    session->watch = NULL;
}

void mqtt_closed(struct mqtt_session *session, enum iotify_close reason, const char *text)
{
    uint64_t token;

    if (session->state == IDLE)
        return;
    /* The resumed TLS session may be the cause. */
    if (reason == IOTIFY_CLOSED_TLS && session->identity)
        mqtt_identity_forget_session(session->identity);
    session->state = IDLE;
    closing_unwatch(session);
    mqtt_connect_cancel(session);
    session->channel->loop->timer_stop(session->timer);
    session->reason = (uint8_t)reason;
    free(session->text);
    session->text = strdup(text);
    /* libmosquitto has discarded queued messages with QoS 0 that were not written. */
    while (mqtt_inflight_take_once(&session->inflight, &token))
        mqtt_raise(session, LOST, token);
    mqtt_raise(session, CLOSED, 0);
}

void mqtt_cut(struct mqtt_session *session, enum iotify_close reason, const char *text)
{
    int descriptor = mosquitto_socket(session->mosquitto);

    closing_unwatch(session);
    if (descriptor >= 0)
        shutdown(descriptor, SHUT_RDWR);
    mqtt_closed(session, reason, text);
}

const char *mqtt_handshake_failure(const struct mqtt_session *session)
{
    return session->identity && session->identity->failure
               ? session->identity->failure
               : "the server ended the TLS handshake; is this its TLS port (if not, set tls: "
                 "false), and does it accept the certificate?";
}

/* The server closed the connection, or sent something else than MQTT. */
static const char *closing_cause(const struct mqtt_session *session, enum iotify_close reason)
{
    bool tls = session->identity != NULL;

    if (reason == IOTIFY_CLOSED_PROTOCOL)
        return tls ? "the server sent something that is not MQTT"
                   : "the server sent something that is not MQTT; is this a TLS port (tls: true)?";
    if (reason == IOTIFY_CLOSED_REFUSED)
        return tls ? "the server closed the connection instead of answering CONNECT; is the "
                     "certificate registered and active, and does its policy allow this client id?"
                   : "the server closed the connection instead of answering CONNECT; is this a TLS "
                     "port (tls: true), and does the server allow this client id?";
    return session->inflight.count
               ? "the server closed the connection while a message was in flight; does it allow "
                 "the topic? It may also have been stopped, or another client has the same client "
                 "id"
               : "the server closed the connection; it was stopped, or another client has the same "
                 "client id";
}

void mqtt_closed_by_library(struct mqtt_session *session, int code)
{
    enum iotify_close reason = IOTIFY_CLOSED_BY_PEER;

    if (session->state == LEAVING) {
        mqtt_closed(session, IOTIFY_CLOSED_BY_US, "disconnected");
    } else if (session->identity && session->identity->failure) {
        mqtt_closed(session, IOTIFY_CLOSED_TLS, session->identity->failure);
    } else if (code == MOSQ_ERR_KEEPALIVE) {
        mqtt_closed(session, IOTIFY_CLOSED_TIMEOUT, "the server did not answer a ping");
    } else if (code != MOSQ_ERR_PROTOCOL && code != MOSQ_ERR_MALFORMED_PACKET &&
               (session->state == TLS || code == MOSQ_ERR_TLS)) {
        /* libmosquitto may see the end of the handshake first. */
        mqtt_closed(session, IOTIFY_CLOSED_TLS,
            session->state == TLS ? mqtt_handshake_failure(session) : "the TLS connection failed");
    } else {
        if (code == MOSQ_ERR_PROTOCOL || code == MOSQ_ERR_MALFORMED_PACKET)
            reason = IOTIFY_CLOSED_PROTOCOL;
        else if (session->state == SESSION)
            reason = IOTIFY_CLOSED_REFUSED;
        mqtt_closed(session, reason, closing_cause(session, reason));
    }
}
