#include "sandbox/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sandbox/ca.h"

#define CHUNK CONNECTION_CHUNK
/* What waits to be written on one side before the other is not read any more. */
#define WAITING_MAX (256 * 1024)
#define WAITING_CEILING (4 * 1024 * 1024)
/* From the connection to a session that the broker has. */
#define DEADLINE_MS 30000
/* The broker takes a hundred connections at a time. */
#define RETRY_MS 3
#define LINGER_MS 2000
/* How long a stalled connection is kept. */
#define STALL_MS 300000
/* After so many reads of one connection the others have their turn. */
#define READS_A_TURN 4

/* What was read from one side and not written to the other yet. */
struct flow {
    struct iotify_buffer waiting;
    size_t written;
    struct iotify_buffer partial; /* a packet that has not come whole */
};

struct connection {
    struct connections *common;
    enum protocol protocol;
    SSL *ssl;
    int client, peer; /* descriptors; peer, the broker or HTTP server, is -1 until it is needed */
    uv_poll_t client_poll, peer_poll;
    uv_timer_t deadline, again; /* until its end; until the next try or turn */
    int open_handles;
    bool secured, closing, stalled, client_wants_write, peer_watched;
    bool ending;       /* nothing is read any more; what waits is still written */
    bool client_ended; /* HTTPS: it asks for nothing more, and waits for its answer */
    bool client_gone, client_parted, peer_deaf, peer_parted, peer_gone, lingers;
    char id[65]; /* of the certificate */
    struct session *session;
    struct https_client *https;
    struct flow up, down; /* to the peer, to the client */
    struct connection *next, **link;
};

/* ------------------------------------------------------------------ closing */

static void clear_flow(struct flow *flow)
{
    iotify_buffer_clear(&flow->waiting);
    iotify_buffer_clear(&flow->partial);
}

static void on_closed(uv_handle_t *handle)
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
    clear_flow(&connection->up);
    clear_flow(&connection->down);
    free(connection);
}

static void close_connection(struct connection *connection)
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
    uv_close((uv_handle_t *)&connection->client_poll, on_closed);
    uv_close((uv_handle_t *)&connection->deadline, on_closed);
    uv_close((uv_handle_t *)&connection->again, on_closed);
    if (connection->peer_watched)
        uv_close((uv_handle_t *)&connection->peer_poll, on_closed);
}

/* The client sees a reset in place of an end. */
static void reset_connection(struct connection *connection)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};

    setsockopt(connection->client, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    connection->secured = false; /* no farewell */
    close_connection(connection);
}

static void on_deadline(uv_timer_t *timer)
{
    close_connection(timer->data);
}

/* ------------------------------------------------------------------ writing */

static size_t waiting(const struct flow *flow)
{
    return flow->waiting.size - flow->written;
}

static void empty(struct flow *flow)
{
    iotify_buffer_clear(&flow->waiting);
    flow->written = 0;
}

/* So that a flow that never runs dry does not grow by all that ever went through it. */
static void compact(struct flow *flow)
{
    if (flow->written < CHUNK)
        return;
    flow->waiting.size -= flow->written;
    memmove(flow->waiting.data, flow->waiting.data + flow->written, flow->waiting.size);
    flow->written = 0;
}

/* 1: something moved, 0: not now, -1: over */
static int tls_result(struct connection *connection, int result)
{
    int error;

    if (result > 0)
        return 1;
    error = SSL_get_error(connection->ssl, result);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_WRITE)
        connection->client_wants_write = true;
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* False when the connection is over. */
static bool write_client(struct connection *connection)
{
    struct flow *flow = &connection->down;

    if (connection->client_gone || connection->client_parted) {
        empty(flow);
        return true;
    }
    while (waiting(flow)) {
        size_t size = waiting(flow) < CHUNK ? waiting(flow) : CHUNK;
        int done = SSL_write(connection->ssl, flow->waiting.data + flow->written, (int)size);
        int result = tls_result(connection, done);

        if (result <= 0) {
            compact(flow);
            return result == 0;
        }
        flow->written += (size_t)done;
    }
    empty(flow);
    return true;
}

static bool write_peer(struct connection *connection)
{
    struct flow *flow = &connection->up;

    if (connection->peer < 0)
        return true;
    while (waiting(flow) && !connection->peer_deaf) {
        ssize_t done =
            send(connection->peer, flow->waiting.data + flow->written, waiting(flow), MSG_NOSIGNAL);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno == EAGAIN) {
            compact(flow);
            return true;
        }
        /* It hears nothing more, but what it has said is still to be read. */
        if (done < 0)
            connection->peer_deaf = true;
        else
            flow->written += (size_t)done;
    }
    empty(flow);
    return true;
}

/* ------------------------------------------------------------------ packets */

static bool act_on(struct connection *connection, enum session_next next)
{
    switch (next) {
    case SESSION_GOES_ON:
        return true;
    case SESSION_ENDS:
        connection->ending = true;
        return true;
    case SESSION_STALLS:
        connection->stalled = true;
        uv_timer_start(&connection->deadline, on_deadline, STALL_MS, 0);
        return true;
    case SESSION_RESETS:
        reset_connection(connection);
        return false;
    case SESSION_CUT:
        break;
    }
    return false;
}

static bool take_packet(
    struct connection *connection, const struct mqtt_packet *packet, bool from_client)
{
    struct session *session = connection->session;
    bool before = session_connected(session);
    enum session_next next = from_client ? session_from_client(session, packet,
                                               &connection->up.waiting, &connection->down.waiting)
                                         : session_from_broker(session, packet,
                                               &connection->up.waiting, &connection->down.waiting);

    if (!before && session_connected(session))
        connection->common->sessions++;
    return act_on(connection, next);
}

/* All whole packets in the bytes; `used` is where the first one that is not whole begins. */
static bool take_packets(
    struct connection *connection, const uint8_t *data, size_t size, bool from_client, size_t *used)
{
    *used = 0;
    while (!connection->ending && !connection->stalled) {
        struct mqtt_packet packet;

        /* What does not begin as MQTT does will never become whole. */
        if (from_client && *used < size && !session_connected(connection->session) &&
            data[*used] != MQTT_CONNECT << 4)
            return act_on(connection,
                session_bad_packet(connection->session, false, &connection->down.waiting));
        switch (mqtt_find(data + *used, size - *used,
            from_client ? SESSION_PACKET_MAX : SESSION_DELIVERY_MAX, &packet)) {
        case MQTT_PACKET:
            *used += packet.size;
            if (!take_packet(connection, &packet, from_client))
                return false;
            break;
        case MQTT_INCOMPLETE:
            return true;
        case MQTT_TOO_LARGE:
            return act_on(connection,
                session_bad_packet(connection->session, true, &connection->down.waiting));
        case MQTT_GARBAGE:
            return act_on(connection,
                session_bad_packet(connection->session, false, &connection->down.waiting));
        }
    }
    return true;
}

/* Bytes of one side: packets at once where they are whole, the rest is kept. */
static bool take_bytes(
    struct connection *connection, const uint8_t *data, size_t size, bool from_client)
{
    struct flow *flow = from_client ? &connection->up : &connection->down;
    struct iotify_buffer *partial = &flow->partial;
    size_t used;

    if (connection->protocol == HTTPS)
        return iotify_buffer_append(&flow->waiting, data, size);
    if (partial->size == 0) {
        if (!take_packets(connection, data, size, from_client, &used))
            return false;
        return used == size || iotify_buffer_append(partial, data + used, size - used);
    }
    if (!iotify_buffer_append(partial, data, size) ||
        !take_packets(
            connection, (const uint8_t *)partial->data, partial->size, from_client, &used))
        return false;
    if (used == partial->size) {
        iotify_buffer_clear(partial);
    } else {
        memmove(partial->data, partial->data + used, partial->size - used);
        partial->size -= used;
    }
    return true;
}

/* ------------------------------------------------------------------ reading */

static void work(struct connection *connection);
static void on_client(uv_poll_t *poll, int status, int events);
static void on_peer(uv_poll_t *poll, int status, int events);

static void on_again(uv_timer_t *timer)
{
    work(timer->data);
}

static bool may_read(const struct connection *connection, const struct flow *flow)
{
    return !connection->ending && !connection->stalled && waiting(flow) < WAITING_MAX &&
           (connection->peer >= 0 || waiting(flow) == 0);
}

/* A client that reads no answers gets no more of them. */
static bool may_read_client(const struct connection *connection)
{
    return !connection->client_ended && waiting(&connection->down) < WAITING_MAX &&
           may_read(connection, &connection->up);
}

/* Nothing more comes from the client. What came before is still its due. */
static void end_of_client(struct connection *connection)
{
    if (connection->protocol == HTTPS && SSL_get_shutdown(connection->ssl) & SSL_RECEIVED_SHUTDOWN)
        connection->client_ended = true;
    else
        connection->client_gone = connection->ending = true;
}

static bool read_client(struct connection *connection)
{
    for (int reads = 0; may_read_client(connection); reads++) {
        int got, result;

        /* Others wait too. TLS may hold bytes that no poll tells of; a timer of 0 would fire again
         * before the loop looks at anybody else. */
        if (reads == READS_A_TURN) {
            if (SSL_has_pending(connection->ssl))
                uv_timer_start(&connection->again, on_again, 1, 0);
            return true;
        }
        got = SSL_read(connection->ssl, connection->common->chunk, CHUNK);
        result = tls_result(connection, got);
        if (result < 0)
            end_of_client(connection);
        if (result <= 0)
            return true;
        if (!take_bytes(connection, connection->common->chunk, (size_t)got, true))
            return false;
    }
    return true;
}

/* False when it is over; what the broker had to say before is still delivered. */
static bool read_peer(struct connection *connection)
{
    while (connection->peer >= 0 && may_read(connection, &connection->down)) {
        ssize_t got = recv(connection->peer, connection->common->chunk, CHUNK, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return true;
        if (got <= 0) {
            connection->peer_gone = connection->ending = true;
            return true;
        }
        if (!take_bytes(connection, connection->common->chunk, (size_t)got, false))
            return false;
        /* One chunk at a time: others wait too. */
        if (got < CHUNK)
            return true;
    }
    return true;
}

/* Reads what is there for nobody; true at the end of it. */
static bool discard(struct connection *connection, int descriptor)
{
    for (int reads = 0; reads < READS_A_TURN; reads++) {
        ssize_t got = recv(descriptor, connection->common->chunk, CHUNK, 0);

        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return true;
        if (got < 0 && errno == EAGAIN)
            return false;
    }
    return false;
}

/*
 * The end towards the broker: no more bytes come, but it reads all that it was sent before it
 * hangs up. What it still says is for nobody. True when there is nothing to wait for.
 */
static bool part_from_peer(struct connection *connection)
{
    if (connection->protocol == HTTPS || connection->peer < 0 || connection->peer_gone)
        return true;
    if (!connection->peer_parted)
        shutdown(connection->peer, SHUT_WR);
    connection->peer_parted = true;
    connection->peer_gone = discard(connection, connection->peer);
    return connection->peer_gone;
}

/*
 * The end towards the client: it is told, and what it still sends is read until it has heard, since
 * closing over unread bytes would take back what it was told last. True when it has.
 */
static bool part_from_client(struct connection *connection)
{
    if (connection->client_gone)
        return true;
    if (!connection->client_parted) {
        SSL_shutdown(connection->ssl);
        ERR_clear_error();
        shutdown(connection->client, SHUT_WR);
    }
    connection->client_parted = true;
    connection->client_gone = discard(connection, connection->client);
    return connection->client_gone;
}

static void watch(uv_poll_t *poll, int events, uv_poll_cb ready)
{
    if (events)
        uv_poll_start(poll, events, ready);
    else
        uv_poll_stop(poll);
}

static void rearm(struct connection *connection)
{
    bool hears_client =
        may_read_client(connection) || (connection->client_parted && !connection->client_gone);
    bool hears_peer = may_read(connection, &connection->down) ||
                      (connection->peer_parted && !connection->peer_gone);
    int client = hears_client ? UV_READABLE : 0, peer = hears_peer ? UV_READABLE : 0;

    if (waiting(&connection->down) || connection->client_wants_write)
        client |= UV_WRITABLE;
    if (waiting(&connection->up))
        peer |= UV_WRITABLE;
    watch(&connection->client_poll, client, on_client);
    if (connection->peer_watched)
        watch(&connection->peer_poll, peer, on_peer);
}

/* ------------------------------------------------------------------ the peer */

/* -1: impossible, 0: later, 1: connected */
static int reach_broker(struct connection *connection)
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

/* With the first bytes for it. False when there is none to be had. */
static bool need_peer(struct connection *connection)
{
    int reached;

    if (connection->peer >= 0 || waiting(&connection->up) == 0)
        return true;
    reached = reach_broker(connection);
    if (reached == 0) {
        uv_timer_start(&connection->again, on_again, RETRY_MS, 0);
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

/* From here on only the client's end is waited for. */
static void stand_still(struct connection *connection)
{
    uv_timer_stop(&connection->again);
    watch(&connection->client_poll, UV_DISCONNECT, on_client);
    if (connection->peer_watched)
        uv_poll_stop(&connection->peer_poll);
}

/* A last while for what is under way. */
static void linger(struct connection *connection)
{
    if (connection->lingers)
        return;
    connection->lingers = true;
    uv_timer_start(&connection->deadline, on_deadline, LINGER_MS, 0);
}

/* HTTPS: the request is whole and the client waits; the server has to know that no other comes. */
static void pass_end_on(struct connection *connection)
{
    if (!connection->client_ended || connection->lingers || waiting(&connection->up))
        return;
    shutdown(connection->peer, SHUT_WR);
    linger(connection);
}

/* Both sides have what is theirs, and are told; true when that is done. */
static bool part(struct connection *connection)
{
    bool peer, client;

    if (waiting(&connection->down) || waiting(&connection->up))
        return false;
    peer = part_from_peer(connection);
    client = part_from_client(connection);
    return peer && client;
}

/* Everything that can be done now. */
static void work(struct connection *connection)
{
    bool good;

    if (connection->stalled)
        return;
    connection->client_wants_write = false;
    good = read_client(connection);
    if (connection->stalled) {
        stand_still(connection);
        return;
    }
    good = good && need_peer(connection) && write_peer(connection) && read_peer(connection) &&
           write_peer(connection);
    if (connection->closing)
        return;
    /* What the client is owed goes out even when the connection is over. */
    good = write_client(connection) && good;
    if (!good || connection->up.waiting.failed || connection->down.waiting.failed ||
        (connection->ending && part(connection))) {
        close_connection(connection);
        return;
    }
    pass_end_on(connection);
    if (connection->ending)
        linger(connection);
    rearm(connection);
}

/* An error is one of sending: what was said before it can still be read, and then the end. */
static void on_peer(uv_poll_t *poll, int status, int events)
{
    struct connection *connection = poll->data;

    (void)events;
    connection->peer_deaf = connection->peer_deaf || status < 0;
    work(connection);
}

/* ------------------------------------------------------------------ handshake */

static void peer_address(const struct connection *connection, char *text, size_t size)
{
    struct sockaddr_in address = {0};
    socklen_t length = sizeof(address);

    if (getpeername(connection->client, (struct sockaddr *)&address, &length) != 0 ||
        !inet_ntop(AF_INET, &address.sin_addr, text, (socklen_t)size))
        snprintf(text, size, "127.0.0.1");
}

static bool is_valid_now(const X509 *certificate)
{
    return X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

/* A client that shows no certificate, or one that has expired, is none of ours. */
static bool take_in(struct connection *connection)
{
    const X509 *certificate = SSL_get0_peer_certificate(connection->ssl);
    const unsigned char *protocol = NULL;
    unsigned length = 0;
    char address[64];

    if (!certificate || !is_valid_now(certificate))
        return false;
    SSL_get0_alpn_selected(connection->ssl, &protocol, &length);
    if (length == 14 && memcmp(protocol, "x-amzn-http-ca", 14) == 0)
        connection->protocol = HTTPS;
    if (length == 14 && memcmp(protocol, "x-amzn-mqtt-ca", 14) == 0)
        connection->protocol = MQTT;
    authority_fingerprint(certificate, connection->id);
    peer_address(connection, address, sizeof(address));
    if (connection->protocol == MQTT) {
        connection->session =
            session_new(connection->common->world, certificate, connection->id, address);
        return true;
    }
    connection->peer = https_accept(
        connection->common->https, certificate, connection->id, address, &connection->https);
    if (connection->peer < 0 ||
        uv_poll_init(connection->common->loop, &connection->peer_poll, connection->peer) != 0)
        return false;
    connection->peer_poll.data = connection;
    connection->peer_watched = true;
    connection->open_handles++;
    return true;
}

static void handshake(struct connection *connection)
{
    int result;

    connection->client_wants_write = false;
    result = tls_result(connection, SSL_accept(connection->ssl));
    if (result == 0) {
        uv_poll_start(&connection->client_poll,
            connection->client_wants_write ? UV_WRITABLE : UV_READABLE, on_client);
        return;
    }
    if (result < 0 || !take_in(connection)) {
        close_connection(connection);
        return;
    }
    connection->secured = true;
    if (connection->protocol == HTTPS)
        uv_timer_stop(&connection->deadline);
    work(connection);
}

static void on_client(uv_poll_t *poll, int status, int events)
{
    struct connection *connection = poll->data;

    (void)events;
    if (connection->stalled || (status < 0 && !connection->secured))
        close_connection(connection);
    else if (connection->secured)
        work(connection);
    else
        handshake(connection);
}

/* ------------------------------------------------------------------ all of them */

void connections_take(struct connections *common, int descriptor, enum protocol protocol)
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
    uv_timer_start(&connection->deadline, on_deadline, DEADLINE_MS, 0);
    connection->next = common->first;
    connection->link = &common->first;
    if (connection->next)
        connection->next->link = &connection->next;
    common->first = connection;
    uv_poll_start(&connection->client_poll, UV_READABLE, on_client);
}

static void look_again(struct connection *connection)
{
    if (!connection->session || connection->closing)
        return;
    act_on(connection, session_look_again(connection->session, &connection->down.waiting));
    if (connection->ending && connection->stalled)
        close_connection(connection);
    else if (connection->ending)
        work(connection);
}

void connections_look_again(struct connections *common, const char *certificate)
{
    struct connection *connection = common->first, *next;

    for (; connection; connection = next) {
        next = connection->next;
        if (strcmp(connection->id, certificate) == 0)
            look_again(connection);
    }
}

void connections_close(struct connections *common)
{
    while (common->first)
        close_connection(common->first);
}
