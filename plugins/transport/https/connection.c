/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection of a session. HTTP has no sessions: what a device has is a connection of its own,
 * which is made when it connects, is kept between its messages, and is made anew by libcurl when
 * the server has closed it. TLS follows with the first message.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugins/transport/https/https.h"

static int64_t connection_now(const struct https_session *session)
{
    return session->channel->loop->now(session->channel->loop);
}

void https_forget(struct https_session *session)
{
    const struct iotify_loop *loop = session->channel->loop;

    if (session->lookup)
        loop->resolve_cancel(session->lookup);
    session->lookup = NULL;
    if (session->watch)
        loop->unwatch(session->watch);
    session->watch = NULL;
    if (session->descriptor >= 0)
        close(session->descriptor);
    session->descriptor = -1;
    loop->timer_stop(session->timer);
}

void https_session_end(struct https_session *session, enum iotify_close reason, const char *text)
{
    if (session->state == HTTPS_IDLE)
        return;
    https_stop(session);
    https_forget(session);
    https_end_connection(session);
    session->state = HTTPS_IDLE;
    session->pending = HTTPS_NOTHING;
    session->channel->events->closed(session->user, reason, text);
}

/* ------------------------------------------------------------------ connecting */

static void connection_fail(
    struct https_session *session, enum iotify_close reason, const char *why)
{
    char text[300];

    snprintf(
        text, sizeof(text), "cannot connect to %s port %d: %s", session->host, session->port, why);
    https_session_end(session, reason, text);
}

static void connection_on_tcp(void *argument, int events)
{
    struct https_session *session = argument;
    struct iotify_connect_times times = {.struct_size = sizeof(times)};
    int error = 0;
    socklen_t size = sizeof(error);

    (void)events;
    getsockopt(session->descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        connection_fail(session, IOTIFY_CLOSED_UNREACHABLE, strerror(error));
        return;
    }
    session->channel->loop->unwatch(session->watch);
    session->watch = NULL;
    session->channel->loop->timer_stop(session->timer);
    session->state = HTTPS_OPEN;
    times.tcp = connection_now(session) - session->began;
    for (const struct https_entry *each = session->first; each; each = each->next)
        times.resent++;
    session->channel->events->connected(session->user, &times);
    if (session->state == HTTPS_OPEN)
        https_start(session);
}

/* Later connections, which libcurl makes by itself, go to the same address. */
static bool connection_note_address(struct https_session *session, const char *address)
{
    char text[600];

    curl_slist_free_all(session->connect_to);
    snprintf(text, sizeof(text), strchr(address, ':') ? "%s:%d:[%s]:%d" : "%s:%d:%s:%d",
        session->host, session->port, address, session->port);
    session->connect_to = curl_slist_append(NULL, text);
    curl_easy_setopt(session->easy, CURLOPT_CONNECT_TO, session->connect_to);
    return session->connect_to != NULL;
}

static bool connection_is_local(int error)
{
    return error == EMFILE || error == ENFILE || error == EADDRNOTAVAIL || error == ENOBUFS ||
           error == ENOMEM;
}

static void connection_start_tcp(struct https_session *session, const char *address)
{
    const struct iotify_loop *loop = session->channel->loop;
    const struct addrinfo hints = {
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[8];
    int on = 1, error = 0;

    snprintf(port, sizeof(port), "%d", session->port);
    if (getaddrinfo(address, port, &hints, &found) != 0 || !found ||
        !connection_note_address(session, address)) {
        connection_fail(session, IOTIFY_CLOSED_UNREACHABLE, "the address is not valid");
        return;
    }
    session->descriptor =
        socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (session->descriptor >= 0) {
        setsockopt(session->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (connect(session->descriptor, found->ai_addr, found->ai_addrlen) != 0 &&
            errno != EINPROGRESS)
            error = errno;
    } else {
        error = errno;
    }
    freeaddrinfo(found);
    session->state = HTTPS_CONNECTING;
    if (!error)
        session->watch = loop->watch(
            loop, session->descriptor, IOTIFY_EVENT_WRITABLE, connection_on_tcp, session);
    if (!session->watch)
        connection_fail(session,
            connection_is_local(error) ? IOTIFY_CLOSED_LOCAL : IOTIFY_CLOSED_UNREACHABLE,
            error ? strerror(error) : "cannot watch the connection");
}

static void connection_on_resolved(void *argument, const char *address, const char *error)
{
    struct https_session *session = argument;

    session->lookup = NULL;
    if (address)
        connection_start_tcp(session, address);
    else
        connection_fail(session, IOTIFY_CLOSED_UNREACHABLE, error);
}

void https_session_connect(void *given)
{
    struct https_session *session = given;
    const struct iotify_loop *loop = session->channel->loop;

    if (session->state != HTTPS_IDLE)
        return;
    if (!https_begin_connection(session)) {
        session->state = HTTPS_RESOLVING;
        https_break(session);
        return;
    }
    session->state = HTTPS_RESOLVING;
    session->began = connection_now(session);
    loop->timer_start(session->timer, session->timeout);
    session->lookup = loop->resolve(loop, session->host, connection_on_resolved, session);
}

/* The host is inside of a call: the event comes in the next turn. */
void https_session_disconnect(void *given)
{
    struct https_session *session = given;

    if (session->state == HTTPS_IDLE)
        return;
    https_stop(session);
    https_forget(session);
    https_end_connection(session);
    session->pending = HTTPS_CLOSED;
    session->channel->loop->timer_start(session->timer, 0);
}
