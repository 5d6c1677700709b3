#include "sandbox/front.h"

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

#define BACKLOG 1024
#define CHUNK 16384
#define HANDSHAKE_MS 20000

/* Bytes read on one side that the other has not taken yet. */
struct pipe_buffer {
    unsigned char bytes[CHUNK];
    size_t start, end;
};

struct connection {
    struct front *front;
    SSL *ssl;
    int client, broker; /* descriptors; broker is -1 until the handshake is done */
    uv_poll_t client_poll, broker_poll;
    uv_timer_t deadline;
    int open_handles;
    bool established, closing, client_wants_write;
    struct pipe_buffer up, down; /* to the broker, to the client */
    struct connection *next, **link;
};

struct front {
    uv_loop_t *loop;
    SSL_CTX *context;
    struct state *state;
    char broker[108];
    int descriptor;
    uv_poll_t poll;
    uint16_t port;
    struct connection *connections;
};

/* ------------------------------------------------------------------ closing */

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;

    if (--connection->open_handles > 0)
        return;
    SSL_free(connection->ssl);
    close(connection->client);
    if (connection->broker >= 0)
        close(connection->broker);
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
    if (connection->established)
        SSL_shutdown(connection->ssl);
    ERR_clear_error();
    uv_close((uv_handle_t *)&connection->client_poll, on_closed);
    uv_close((uv_handle_t *)&connection->deadline, on_closed);
    if (connection->broker >= 0)
        uv_close((uv_handle_t *)&connection->broker_poll, on_closed);
}

static void on_deadline(uv_timer_t *timer)
{
    close_connection(timer->data);
}

/* ------------------------------------------------------------------ moving bytes */

static bool is_empty(const struct pipe_buffer *buffer)
{
    return buffer->start == buffer->end;
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

static int read_client(struct connection *connection)
{
    int got = SSL_read(connection->ssl, connection->up.bytes, CHUNK);
    int result = tls_result(connection, got);

    connection->up.start = 0;
    connection->up.end = result > 0 ? (size_t)got : 0;
    return result;
}

static int write_client(struct connection *connection)
{
    struct pipe_buffer *down = &connection->down;
    int done =
        SSL_write(connection->ssl, down->bytes + down->start, (int)(down->end - down->start));
    int result = tls_result(connection, done);

    if (result > 0)
        down->start += (size_t)done;
    return result;
}

static int system_result(ssize_t result)
{
    if (result > 0)
        return 1;
    return result < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static int read_broker(struct connection *connection)
{
    ssize_t got = recv(connection->broker, connection->down.bytes, CHUNK, 0);

    connection->down.start = 0;
    connection->down.end = got > 0 ? (size_t)got : 0;
    return system_result(got);
}

static int write_broker(struct connection *connection)
{
    struct pipe_buffer *up = &connection->up;
    ssize_t done =
        send(connection->broker, up->bytes + up->start, up->end - up->start, MSG_NOSIGNAL);

    if (done > 0)
        up->start += (size_t)done;
    return system_result(done);
}

/* Move what can be moved in one direction; false when the connection is over. */
static bool pump(struct connection *connection, struct pipe_buffer *buffer,
    int (*read_some)(struct connection *), int (*write_some)(struct connection *))
{
    for (;;) {
        int result;

        if (is_empty(buffer)) {
            result = read_some(connection);
            if (result <= 0)
                return result == 0;
        }
        result = write_some(connection);
        if (result <= 0)
            return result == 0;
    }
}

static void on_client(uv_poll_t *poll, int status, int events);
static void on_broker(uv_poll_t *poll, int status, int events);

static void rearm(struct connection *connection)
{
    int client = is_empty(&connection->up) ? UV_READABLE : 0;
    int broker = is_empty(&connection->down) ? UV_READABLE : 0;

    if (!is_empty(&connection->down) || connection->client_wants_write)
        client |= UV_WRITABLE;
    if (!is_empty(&connection->up))
        broker |= UV_WRITABLE;
    uv_poll_start(&connection->client_poll, client, on_client);
    uv_poll_start(&connection->broker_poll, broker, on_broker);
}

static void move(struct connection *connection)
{
    connection->client_wants_write = false;
    if (pump(connection, &connection->up, read_client, write_broker) &&
        pump(connection, &connection->down, read_broker, write_client))
        rearm(connection);
    else
        close_connection(connection);
}

static void on_broker(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    move(poll->data);
}

/* ------------------------------------------------------------------ handshake */

static bool is_let_in(const struct connection *connection)
{
    X509 *certificate = SSL_get0_peer_certificate(connection->ssl);
    char id[65];

    if (!certificate || !SSL_get_servername(connection->ssl, TLSEXT_NAMETYPE_host_name))
        return false;
    authority_fingerprint(certificate, id);
    return state_certificate_active(connection->front->state, id);
}

static bool connect_broker(struct connection *connection)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, connection->front->broker, sizeof(connection->front->broker));
    connection->broker = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection->broker < 0)
        return false;
    if (connect(connection->broker, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        uv_poll_init(connection->front->loop, &connection->broker_poll, connection->broker) != 0) {
        close(connection->broker);
        connection->broker = -1;
        return false;
    }
    connection->broker_poll.data = connection;
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
    if (result < 0 || !is_let_in(connection) || !connect_broker(connection)) {
        close_connection(connection);
        return;
    }
    connection->established = true;
    uv_timer_stop(&connection->deadline);
    move(connection);
}

static void on_client(uv_poll_t *poll, int status, int events)
{
    struct connection *connection = poll->data;

    (void)events;
    if (status < 0)
        close_connection(connection);
    else if (connection->established)
        move(connection);
    else
        handshake(connection);
}

/* ------------------------------------------------------------------ the listener */

static void take_client(struct front *front, int descriptor)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    int on = 1;

    if (connection)
        connection->ssl = SSL_new(front->context);
    if (!connection || !connection->ssl || SSL_set_fd(connection->ssl, descriptor) != 1 ||
        uv_poll_init(front->loop, &connection->client_poll, descriptor) != 0) {
        if (connection)
            SSL_free(connection->ssl);
        free(connection);
        close(descriptor);
        return;
    }
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    connection->front = front;
    connection->client = descriptor;
    connection->broker = -1;
    connection->client_poll.data = connection;
    uv_timer_init(front->loop, &connection->deadline);
    connection->deadline.data = connection;
    connection->open_handles = 2;
    uv_timer_start(&connection->deadline, on_deadline, HANDSHAKE_MS, 0);
    connection->next = front->connections;
    connection->link = &front->connections;
    if (connection->next)
        connection->next->link = &connection->next;
    front->connections = connection;
    uv_poll_start(&connection->client_poll, UV_READABLE, on_client);
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
    struct front *front = poll->data;
    int descriptor;

    (void)status;
    (void)events;
    while ((descriptor = accept4(front->descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        take_client(front, descriptor);
}

/* Every certificate is taken here; whether it is a registered one is decided behind it. */
static int accept_any(X509_STORE_CTX *store, void *argument)
{
    (void)store;
    (void)argument;
    return 1;
}

static SSL_CTX *make_context(const struct authority *authority)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (!context)
        return NULL;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(context, accept_any, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    if (!authority_use(authority, context)) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

static bool listen_on(struct front *front, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int on = 1;

    front->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (front->descriptor < 0)
        return false;
    setsockopt(front->descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(front->descriptor, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(front->descriptor, BACKLOG) != 0 ||
        getsockname(front->descriptor, (struct sockaddr *)&address, &size) != 0)
        return false;
    front->port = ntohs(address.sin_port);
    return true;
}

struct front *front_open(uv_loop_t *loop, uint16_t port, struct state *state,
    const struct authority *authority, const char *broker)
{
    struct front *front = calloc(1, sizeof(*front));

    if (!front)
        return NULL;
    front->loop = loop;
    front->state = state;
    front->descriptor = -1;
    memcpy(front->broker, broker, strlen(broker) + 1);
    front->context = make_context(authority);
    if (!front->context || !listen_on(front, port)) {
        fprintf(stderr,
            "iotify-sandbox: cannot listen on 127.0.0.1 port %d: %s; try --mqtt-port 0\n", port,
            strerror(errno));
        front_free(front);
        return NULL;
    }
    uv_poll_init(loop, &front->poll, front->descriptor);
    front->poll.data = front;
    uv_poll_start(&front->poll, UV_READABLE, on_listener);
    return front;
}

uint16_t front_port(const struct front *front)
{
    return front->port;
}

void front_close(struct front *front)
{
    while (front->connections)
        close_connection(front->connections);
    uv_close((uv_handle_t *)&front->poll, NULL);
}

void front_free(struct front *front)
{
    if (!front)
        return;
    if (front->descriptor >= 0)
        close(front->descriptor);
    SSL_CTX_free(front->context);
    free(front);
}
