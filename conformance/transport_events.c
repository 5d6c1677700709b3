/* SPDX-License-Identifier: Apache-2.0 */
/* What a transport reports, and what is wrong with it. */
#include <stdio.h>
#include <string.h>

#include "conformance/transport_internal.h"

static struct transport_session *transport_session_of(void *user, const char *event)
{
    struct transport_session *session = user;

    suite_check(session->world->suite, !session->inside,
        "the event `%s` came while the host was inside a function of the session", event);
    return session;
}

static void transport_on_connected(void *user, const struct iotify_connect_times *times)
{
    struct transport_session *session = transport_session_of(user, "connected");
    void (*then)(struct transport_session * session) = session->on_connected;

    suite_check(session->world->suite, !session->open, "a session is connected twice");
    suite_check(session->world->suite,
        times && times->struct_size >= sizeof(uint32_t) && times->tcp >= 0 && times->tls >= 0 &&
            times->session >= 0,
        "`connected` came with times that are not valid");
    session->open = true;
    session->connected++;
    session->on_connected = NULL;
    if (then)
        then(session);
}

/* Each token is settled once. */
static void transport_settle(struct transport_session *session, uint64_t token, uint32_t *count)
{
    if (!suite_check(session->world->suite, token < session->next, "an event names token %llu",
            (unsigned long long)token))
        return;
    (*count)++;
    suite_check(session->world->suite, ++session->tokens[token] == 1, "token %llu is settled twice",
        (unsigned long long)token);
}

static void transport_on_acknowledged(void *user, uint64_t token)
{
    struct transport_session *session = transport_session_of(user, "acknowledged");
    void (*then)(struct transport_session * session) = session->on_acknowledged;

    suite_check(session->world->suite, session->open, "`acknowledged` came without a connection");
    transport_settle(session, token, &session->acknowledged);
    session->on_acknowledged = NULL;
    if (then)
        then(session);
}

static void transport_on_refused(void *user, uint64_t token, int32_t code, const char *text)
{
    struct transport_session *session = transport_session_of(user, "refused");

    (void)code;
    suite_check(session->world->suite, text && *text, "`refused` came without a text");
    transport_settle(session, token, &session->refused);
}

static void transport_on_lost(void *user, uint64_t token)
{
    struct transport_session *session = transport_session_of(user, "lost");
    uint32_t count = 0;

    transport_settle(session, token, &count);
    session->lost += (int)count;
}

uint64_t transport_hash(const void *data, size_t size)
{
    const unsigned char *at = data;
    uint64_t hash = size;

    for (size_t i = 0; at && i < size; i++)
        hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    return hash;
}

static void transport_on_message(void *user, const struct iotify_message *message)
{
    struct transport_session *session = transport_session_of(user, "message");
    void (*then)(struct transport_session * session) = session->on_message;
    struct suite *suite = session->world->suite;

    if (!message || message->struct_size < sizeof(*message)) {
        suite_check(suite, false,
            "`message` came without a message, or with a struct_size that is too small");
        return;
    }
    if (!suite_check(suite, message->topic && (message->payload.data || !message->payload.size),
            "`message` came without a topic or a payload") ||
        !suite_check(suite,
            !message->property_count ||
                (message->properties && message->property_size >= sizeof(struct iotify_property)),
            "`message` came with properties that are not valid"))
        return;
    session->received++;
    snprintf(session->last_topic, sizeof(session->last_topic), "%s", message->topic);
    session->last_size = message->payload.size;
    session->last_hash = transport_hash(message->payload.data, message->payload.size);
    session->on_message = NULL;
    if (then)
        then(session);
}

static void transport_on_closed(void *user, enum iotify_close reason, const char *text)
{
    struct transport_session *session = transport_session_of(user, "closed");
    void (*then)(struct transport_session * session) = session->on_closed;

    suite_check(session->world->suite,
        reason >= IOTIFY_CLOSED_BY_US && reason <= IOTIFY_CLOSED_DENIED && text,
        "`closed` came with the reason %d%s", (int)reason, text ? "" : " and no text");
    session->open = false;
    session->closed++;
    session->reason = reason;
    snprintf(session->text, sizeof(session->text), "%s", text ? text : "");
    session->on_closed = NULL;
    if (then)
        then(session);
}

const struct iotify_session_events transport_events = {.struct_size = sizeof(transport_events),
    .connected = transport_on_connected,
    .acknowledged = transport_on_acknowledged,
    .message = transport_on_message,
    .closed = transport_on_closed,
    .lost = transport_on_lost,
    .refused = transport_on_refused};
