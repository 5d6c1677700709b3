/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that costs almost nothing, to measure the cost of clients: MQTT 3.1.1 on loopback, one
 * thread, every packet is answered at once and nothing is stored.
 *
 *     bench-sink [--echo] PORT [CERTIFICATE KEY]
 *
 * Port 0 lets the system choose; a line on stdout has the port. With a certificate it uses TLS,
 * asks for a client certificate and accepts any. --echo sends every message back to its sender, at
 * QoS 0. SIGTERM, SIGINT or half an hour end it; then it prints its counters and its own CPU time
 * as JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    SECONDS_MAX = 1800,
    FILES_MAX = 65536,
    READ_SIZE = 65536,
    PAYLOAD_MAX = 256 * 1024,
    REMAINING_MAX = 2 + 65535 + 2 + PAYLOAD_MAX,
    INPUT_MAX = 5 + REMAINING_MAX + READ_SIZE,
};

struct connection {
    SSL *tls;
    int socket;
    bool blocked; /* waits until the socket is writable */
    uint8_t *partial, *unsent;
    size_t partial_size, unsent_size;
};

/* One read and its answers, which are at most twice as long as the packets. */
static uint8_t input[INPUT_MAX], answers[2 * INPUT_MAX];
static size_t answers_size;

static struct connection all[FILES_MAX]; /* indexed by socket */
static SSL_CTX *context;
static int epoll;
static bool echo;
static unsigned long connections, publishes;
static volatile sig_atomic_t stopped;

static void fail(const char *what)
{
    fprintf(stderr, "bench-sink: %s\n", what);
    exit(1);
}

static void answer(const void *data, size_t size)
{
    memcpy(answers + answers_size, data, size);
    answers_size += size;
}

/* Append a fixed header; `remaining` is at most the length of a packet that was accepted. */
static void answer_header(uint8_t type, size_t remaining)
{
    answers[answers_size++] = type;
    do {
        answers[answers_size++] = (uint8_t)(remaining % 128 | (remaining > 127 ? 0x80 : 0));
        remaining /= 128;
    } while (remaining);
}

static bool publish(unsigned flags, const uint8_t *body, size_t size)
{
    unsigned qos = flags >> 1 & 3;
    size_t topic = size < 2 ? 0 : 2 + ((size_t)body[0] << 8 | body[1]), head = topic + 2 * qos;

    if (size < 2 || qos > 1 || size < head || size - head > PAYLOAD_MAX)
        return false;
    publishes++;
    if (qos) {
        answer_header(0x40, 2);
        answer(body + topic, 2);
    }
    if (echo) {
        answer_header(0x30, topic + size - head);
        answer(body, topic);
        answer(body + head, size - head);
    }
    return true;
}

static bool subscribe(const uint8_t *body, size_t size)
{
    size_t filters = 0, at = 2;

    while (at + 2 < size) {
        at += 2 + ((size_t)body[at] << 8 | body[at + 1]) + 1;
        filters++;
    }
    if (at != size || filters == 0)
        return false;
    answer_header(0x90, 2 + filters);
    answer(body, 2);
    memset(answers + answers_size, 1, filters);
    answers_size += filters;
    return true;
}

/* False: close the connection. */
static bool handle(uint8_t type, const uint8_t *body, size_t size)
{
    switch (type >> 4) {
    case 1:
        if (size < 10 || memcmp(body, "\0\4MQTT\4", 7) != 0)
            return false;
        answer("\x20\x02\x00\x00", 4);
        return true;
    case 3:
        return publish(type & 15, body, size);
    case 8:
        return subscribe(body, size);
    case 12:
        answer("\xd0\x00", 2);
        return true;
    default:
        return type >> 4 == 4;
    }
}

/* The size of the fixed header; 0: incomplete, -1: the packet is too large. */
static int header(const uint8_t *data, size_t size, size_t *remaining)
{
    *remaining = 0;
    for (int i = 1; i < 5 && (size_t)i < size; i++) {
        *remaining |= (size_t)(data[i] & 127) << 7 * (i - 1);
        if (data[i] < 128)
            return *remaining > REMAINING_MAX ? -1 : i + 1;
    }
    return size < 5 ? 0 : -1;
}

static uint8_t *copy(const uint8_t *data, size_t size)
{
    uint8_t *made = malloc(size);

    if (!made)
        abort();
    memcpy(made, data, size);
    return made;
}

/* Answer all complete packets of the input, and keep the rest. False: close the connection. */
static bool parse(struct connection *connection, size_t size)
{
    size_t at = 0, remaining;
    int head;

    while ((head = header(input + at, size - at, &remaining)) > 0) {
        if (size - at < (size_t)head + remaining)
            break;
        if (!handle(input[at], input + at + head, remaining))
            return false;
        at += (size_t)head + remaining;
    }
    free(connection->partial);
    connection->partial_size = size - at;
    connection->partial = at < size ? copy(input + at, size - at) : NULL;
    return head >= 0;
}

/* Did the call fail only because the socket is not ready? */
static bool early(const struct connection *connection, ssize_t result)
{
    int error = connection->tls ? SSL_get_error(connection->tls, (int)result) : 0;

    return connection->tls ? error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE
                           : result < 0 && (errno == EAGAIN || errno == EINTR);
}

static void block(struct connection *connection, bool blocked)
{
    struct epoll_event event = {.events = blocked ? EPOLLOUT : EPOLLIN, .data.ptr = connection};

    connection->blocked = blocked;
    epoll_ctl(epoll, EPOLL_CTL_MOD, connection->socket, &event);
}

/* The number of bytes sent; -1: the connection has ended. */
static ssize_t put(struct connection *connection, const uint8_t *data, size_t size)
{
    size_t sent = 0;

    while (sent < size) {
        ssize_t now = connection->tls
                          ? SSL_write(connection->tls, data + sent, (int)(size - sent))
                          : send(connection->socket, data + sent, size - sent, MSG_NOSIGNAL);

        if (now <= 0)
            return early(connection, now) ? (ssize_t)sent : -1;
        sent += (size_t)now;
    }
    return (ssize_t)sent;
}

/* Send the answers; a client that does not accept them is not read until it does. */
static bool put_answers(struct connection *connection)
{
    ssize_t sent = put(connection, answers, answers_size);

    if (sent < 0 || (size_t)sent == answers_size)
        return sent >= 0;
    connection->unsent_size = answers_size - (size_t)sent;
    connection->unsent = copy(answers + sent, connection->unsent_size);
    block(connection, true);
    return true;
}

static bool unblock(struct connection *connection)
{
    answers_size = 0;
    if (connection->unsent)
        answer(connection->unsent, connection->unsent_size);
    free(connection->unsent);
    connection->unsent = NULL;
    block(connection, false);
    return put_answers(connection);
}

/* The size of the input, with what was kept; 0: nothing new, -1: the connection has ended. */
static ssize_t take(struct connection *connection)
{
    uint8_t *at = input + connection->partial_size;
    ssize_t got = connection->tls ? SSL_read(connection->tls, at, READ_SIZE)
                                  : recv(connection->socket, at, READ_SIZE, 0);

    if (got <= 0) {
        if (!early(connection, got))
            return -1;
        if (connection->tls && SSL_want_write(connection->tls))
            block(connection, true);
        return 0;
    }
    if (connection->partial_size)
        memcpy(input, connection->partial, connection->partial_size);
    return got + (ssize_t)connection->partial_size;
}

/* False: the connection has ended. */
static bool serve(struct connection *connection)
{
    if (connection->blocked && !unblock(connection))
        return false;
    while (!connection->blocked) {
        ssize_t size = take(connection);
        bool open;

        if (size <= 0)
            return size == 0;
        answers_size = 0;
        open = parse(connection, (size_t)size);
        if (!put_answers(connection) || !open)
            return false;
        /* TLS may have buffered data, for which epoll reports nothing. */
        if (!connection->tls || !SSL_has_pending(connection->tls))
            break;
    }
    return true;
}

static void close_connection(struct connection *connection)
{
    SSL_free(connection->tls);
    ERR_clear_error();
    close(connection->socket);
    free(connection->partial);
    free(connection->unsent);
}

static void take_in(int socket_)
{
    struct connection *connection = &all[socket_];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

    *connection = (struct connection){.socket = socket_};
    if (context) {
        connection->tls = SSL_new(context);
        if (!connection->tls || SSL_set_fd(connection->tls, socket_) != 1)
            abort();
        SSL_set_accept_state(connection->tls);
    }
    epoll_ctl(epoll, EPOLL_CTL_ADD, socket_, &event);
    connections++;
}

static void accept_all(int listener)
{
    int socket_;

    while ((socket_ = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0 &&
           socket_ < FILES_MAX)
        take_in(socket_);
    if (socket_ >= 0 || errno == EMFILE || errno == ENFILE)
        fail("cannot hold one more connection");
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* connections inherit it */
    if (listener < 0 || bind(listener, (const struct sockaddr *)&address, size) != 0 ||
        listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        perror("bench-sink");
        exit(1);
    }
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

/* Replaces the verification of a client's chain; the handshake's signature is still checked. */
static int accept_any(X509_STORE_CTX *store, void *data)
{
    (void)store;
    (void)data;
    return 1;
}

static void make_context(const char *certificate, const char *key)
{
    context = SSL_CTX_new(TLS_server_method());
    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_set_session_id_context(context, (const uint8_t *)"sink", 4) != 1) {
        ERR_print_errors_fp(stderr);
        fail("cannot use this certificate and key");
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(context, accept_any, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* Sessions are resumed by tickets; the server caches none. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_read_ahead(context, 1);
}

static void stop(int signal_)
{
    (void)signal_;
    stopped = 1;
}

/* Block signals, so that they arrive only in epoll_pwait(). */
static void prepare(void)
{
    const struct sigaction action = {.sa_handler = stop};
    struct rlimit limit;
    sigset_t every;

    sigfillset(&every);
    sigprocmask(SIG_BLOCK, &every, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    alarm(SECONDS_MAX);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void report(void)
{
    struct timespec cpu;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    printf("{\"connections\": %lu, \"publishes\": %lu, \"cpu_seconds\": %.6f}\n", connections,
        publishes, (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
}

int main(int count, char **arguments)
{
    struct epoll_event events[EVENTS];
    sigset_t mask;
    int listener;

    prepare();
    sigemptyset(&mask);
    echo = count > 1 && strcmp(arguments[1], "--echo") == 0;
    count -= echo;
    arguments += echo;
    if (count != 2 && count != 4)
        fail("takes [--echo] PORT [CERTIFICATE KEY]");
    if (count == 4)
        make_context(arguments[2], arguments[3]);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    listener = listen_on(atoi(arguments[1]));
    while (!stopped) {
        int ready = epoll_pwait(epoll, events, EVENTS, -1, &mask);

        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;

            if (!connection)
                accept_all(listener);
            else if (!serve(connection))
                close_connection(connection);
        }
    }
    report();
    return 0;
}
