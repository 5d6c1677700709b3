/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/connection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sandbox/connection_internal.h"

/* ------------------------------------------------------------------ closing */

static void connection_clear_flow(struct connection_flow *flow)
{
    iotify_buffer_clear(&flow->waiting);
    iotify_buffer_clear(&flow->partial);
}

static void connection_on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;

    if (--connection->open_handles > 0)
        return;
    if (connection->https)
        https_leave(connection->common->https, connection->https);
    session_free(connection->session);
    SSL_free(connection->ssl);
    close(connection->client);
    if (connection->peer >= 0)
        close(connection->peer);
    connection_clear_flow(&connection->up);
    connection_clear_flow(&connection->down);
    free(connection);
}

void connection_close(struct connection *connection)
{
    if (connection->closing)
        return;
    connection->closing = true;
    *connection->link = connection->next;
    if (connection->next)
        connection->next->link = connection->link;
    if (connection->session && session_connected(connection->session))
        connection->common->sessions--;
    if (connection->secured && !connection->client_parted)
        SSL_shutdown(connection->ssl);
    ERR_clear_error();
    uv_close((uv_handle_t *)&connection->client_poll, connection_on_closed);
    uv_close((uv_handle_t *)&connection->deadline, connection_on_closed);
    uv_close((uv_handle_t *)&connection->again, connection_on_closed);
    if (connection->peer_watched)
        uv_close((uv_handle_t *)&connection->peer_poll, connection_on_closed);
}

void connection_reset(struct connection *connection)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};

    setsockopt(connection->client, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    connection->secured = false; /* no TLS close_notify */
    connection_close(connection);
}

void connection_on_deadline(uv_timer_t *timer)
{
    connection_close(timer->data);
}

/* ------------------------------------------------------------------ reading */

void connection_work(struct connection *connection);
void connection_on_client(uv_poll_t *poll, int status, int events);
static void connection_on_peer(uv_poll_t *poll, int status, int events);

static void connection_on_again(uv_timer_t *timer)
{
    connection_work(timer->data);
}

static bool connection_may_read(
    const struct connection *connection, const struct connection_flow *flow)
{
    return !connection->ending && !connection->stalled && connection_waiting(flow) < WAITING_MAX &&
           (connection->peer >= 0 || connection_waiting(flow) == 0);
}

/* The client is not read while too many answers to it are unwritten. */
static bool connection_may_read_client(const struct connection *connection)
{
    return !connection->client_ended && connection_waiting(&connection->down) < WAITING_MAX &&
           connection_may_read(connection, &connection->up);
}

/* The client sends nothing more. What it sent before is still processed. */
static void connection_end_of_client(struct connection *connection)
{
    if (connection->protocol == HTTPS && SSL_get_shutdown(connection->ssl) & SSL_RECEIVED_SHUTDOWN)
        connection->client_ended = true;
    else
        connection->client_gone = connection->ending = true;
}

static bool connection_read_client(struct connection *connection)
{
    for (int reads = 0; connection_may_read_client(connection); reads++) {
        int got, result;

        /* Let other connections run. OpenSSL may hold bytes that poll does not report, so a timer
         * continues; a timer of 0 ms would fire before the loop serves the others. */
        if (reads == READS_PER_TURN) {
            if (SSL_has_pending(connection->ssl))
                uv_timer_start(&connection->again, connection_on_again, 1, 0);
            return true;
        }
        got = SSL_read(connection->ssl, connection->common->chunk, CHUNK);
        result = connection_tls_result(connection, got);
        if (result < 0)
            connection_end_of_client(connection);
        if (result <= 0)
            return true;
        if (!connection_take_bytes(connection, connection->common->chunk, (size_t)got, true))
            return false;
    }
    return true;
}

/* False when the connection must be closed now. At the peer's end, waiting bytes are still sent. */
static bool connection_read_peer(struct connection *connection)
{
    while (connection->peer >= 0 && connection_may_read(connection, &connection->down)) {
        ssize_t got = recv(connection->peer, connection->common->chunk, CHUNK, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return true;
        if (got <= 0) {
            connection->peer_gone = connection->ending = true;
            return true;
        }
        if (!connection_take_bytes(connection, connection->common->chunk, (size_t)got, false))
            return false;
        /* A short read: the socket is empty. */
        if (got < CHUNK)
            return true;
    }
    return true;
}

/* Reads and drops what has arrived; true at the end of the stream. */
static bool connection_discard(struct connection *connection, int descriptor)
{
    for (int reads = 0; reads < READS_PER_TURN; reads++) {
        ssize_t got = recv(descriptor, connection->common->chunk, CHUNK, 0);

        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return true;
        if (got < 0 && errno == EAGAIN)
            return false;
    }
    return false;
}

/*
 * Ends the connection to the broker: shuts down the sending side, so that the broker reads all
 * bytes before it closes; drops what it still sends. True when the broker has closed,
 * and always for HTTPS.
 */
static bool connection_part_from_peer(struct connection *connection)
{
    if (connection->protocol == HTTPS || connection->peer < 0 || connection->peer_gone)
        return true;
    if (!connection->peer_parted)
        shutdown(connection->peer, SHUT_WR);
    connection->peer_parted = true;
    connection->peer_gone = connection_discard(connection, connection->peer);
    return connection->peer_gone;
}

/*
 * Ends the connection to the client: sends the end and reads until the client closes, because
 * closing with unread bytes would reset the connection and lose the last bytes sent. True when the
 * client has closed.
 */
static bool connection_part_from_client(struct connection *connection)
{
    if (connection->client_gone)
        return true;
    if (!connection->client_parted) {
        SSL_shutdown(connection->ssl);
        ERR_clear_error();
        shutdown(connection->client, SHUT_WR);
    }
    connection->client_parted = true;
    connection->client_gone = connection_discard(connection, connection->client);
    return connection->client_gone;
}

static void connection_watch(uv_poll_t *poll, int events, uv_poll_cb ready)
{
    if (events)
        uv_poll_start(poll, events, ready);
    else
        uv_poll_stop(poll);
}

static void connection_rearm(struct connection *connection)
{
    bool hears_client = connection_may_read_client(connection) ||
                        (connection->client_parted && !connection->client_gone);
    bool hears_peer = connection_may_read(connection, &connection->down) ||
                      (connection->peer_parted && !connection->peer_gone);
    int client = hears_client ? UV_READABLE : 0, peer = hears_peer ? UV_READABLE : 0;

    if (connection_waiting(&connection->down) || connection->client_wants_write)
        client |= UV_WRITABLE;
    if (connection_waiting(&connection->up))
        peer |= UV_WRITABLE;
    connection_watch(&connection->client_poll, client, connection_on_client);
    if (connection->peer_watched)
        connection_watch(&connection->peer_poll, peer, connection_on_peer);
}

/* ------------------------------------------------------------------ the peer */

/* -1: failed, 0: try again later, 1: connected */
static int connection_reach_broker(struct connection *connection)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool later;

    if (descriptor < 0)
        return -1;
    memcpy(address.sun_path, connection->common->broker, sizeof(connection->common->broker));
    if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0) {
        connection->peer = descriptor;
        return 1;
    }
    later = errno == EAGAIN;
    close(descriptor);
    return later ? 0 : -1;
}

/* Connects to the broker when the first bytes for it wait. False when that fails. */
static bool connection_need_peer(struct connection *connection)
{
    int reached;

    if (connection->peer >= 0 || connection_waiting(&connection->up) == 0)
        return true;
    reached = connection_reach_broker(connection);
    if (reached == 0) {
        uv_timer_start(&connection->again, connection_on_again, RETRY_MS, 0);
        return true;
    }
    if (reached < 0)
        return false;
    if (!connection->lingers)
        uv_timer_stop(&connection->deadline);
    if (uv_poll_init(connection->common->loop, &connection->peer_poll, connection->peer) != 0)
        return false;
    connection->peer_poll.data = connection;
    connection->peer_watched = true;
    connection->open_handles++;
    return true;
}

/* ------------------------------------------------------------------ moving bytes */

/* A stalled connection: only the client's end or the deadline closes it. */
static void connection_stand_still(struct connection *connection)
{
    uv_timer_stop(&connection->again);
    connection_watch(&connection->client_poll, UV_DISCONNECT, connection_on_client);
    if (connection->peer_watched)
        uv_poll_stop(&connection->peer_poll);
}

/* Gives waiting bytes a last deadline. */
static void connection_linger(struct connection *connection)
{
    if (connection->lingers)
        return;
    connection->lingers = true;
    uv_timer_start(&connection->deadline, connection_on_deadline, LINGER_MS, 0);
}

/* HTTPS: after the client's last request, signals the end to the server. */
static void connection_pass_end_on(struct connection *connection)
{
    if (!connection->client_ended || connection->lingers || connection_waiting(&connection->up))
        return;
    shutdown(connection->peer, SHUT_WR);
    connection_linger(connection);
}

/* When all bytes are written, ends both sides. True when both have closed. */
static bool connection_part(struct connection *connection)
{
    bool peer, client;

    if (connection_waiting(&connection->down) || connection_waiting(&connection->up))
        return false;
    peer = connection_part_from_peer(connection);
    client = connection_part_from_client(connection);
    return peer && client;
}

void connection_work(struct connection *connection)
{
    bool good;

    if (connection->stalled)
        return;
    connection->client_wants_write = false;
    good = connection_read_client(connection);
    if (connection->stalled) {
        connection_stand_still(connection);
        return;
    }
    good = good && connection_need_peer(connection) && connection_write_peer(connection) &&
           connection_read_peer(connection) && connection_write_peer(connection);
    if (connection->closing)
        return;
    /* Bytes for the client are written even when the connection is over. */
    good = connection_write_client(connection) && good;
    if (!good || connection->up.waiting.failed || connection->down.waiting.failed ||
        (connection->ending && connection_part(connection))) {
        connection_close(connection);
        return;
    }
    connection_pass_end_on(connection);
    if (connection->ending)
        connection_linger(connection);
    connection_rearm(connection);
}

/* After a poll error, sending is impossible, but the broker's last bytes can still be read. */
static void connection_on_peer(uv_poll_t *poll, int status, int events)
{
    struct connection *connection = poll->data;

    (void)events;
    connection->peer_deaf = connection->peer_deaf || status < 0;
    connection_work(connection);
}

/* ------------------------------------------------------------------ all connections */

void connections_take(struct connections *common, int descriptor, enum connection_protocol protocol)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    int on = 1;

    if (connection)
        connection->ssl = SSL_new(common->context);
    if (!connection || !connection->ssl || SSL_set_fd(connection->ssl, descriptor) != 1 ||
        uv_poll_init(common->loop, &connection->client_poll, descriptor) != 0) {
        if (connection)
            SSL_free(connection->ssl);
        free(connection);
        close(descriptor);
        return;
    }
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connection->common = common;
    connection->protocol = protocol;
    connection->client = descriptor;
    connection->peer = -1;
    iotify_buffer_init(&connection->up.waiting, WAITING_CEILING);
    iotify_buffer_init(&connection->down.waiting, WAITING_CEILING);
    iotify_buffer_init(&connection->up.partial, SESSION_PACKET_MAX + CHUNK);
    iotify_buffer_init(&connection->down.partial, SESSION_DELIVERY_MAX + CHUNK);
    connection->client_poll.data = connection;
    uv_timer_init(common->loop, &connection->deadline);
    uv_timer_init(common->loop, &connection->again);
    connection->deadline.data = connection->again.data = connection;
    connection->open_handles = 3;
    uv_timer_start(&connection->deadline, connection_on_deadline, DEADLINE_MS, 0);
    connection->next = common->first;
    connection->link = &common->first;
    if (connection->next)
        connection->next->link = &connection->next;
    common->first = connection;
    uv_poll_start(&connection->client_poll, UV_READABLE, connection_on_client);
}

static void connection_recheck(struct connection *connection)
{
    if (!connection->session || connection->closing)
        return;
    connection_act_on(connection, session_recheck(connection->session, &connection->down.waiting));
    if (connection->ending && connection->stalled)
        connection_close(connection);
    else if (connection->ending)
        connection_work(connection);
}

void connections_recheck(struct connections *common, const char *certificate)
{
    struct connection *connection = common->first, *next;

    for (; connection; connection = next) {
        next = connection->next;
        if (strcmp(connection->id, certificate) == 0)
            connection_recheck(connection);
    }
}

void connections_close(struct connections *common)
{
    while (common->first)
        connection_close(common->first);
}
