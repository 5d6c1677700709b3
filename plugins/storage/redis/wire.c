/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/storage/redis/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS INT64_C(1000000000)
#define WORDS_MAX 8
/* After a stop, what is on its way has this long: a record that is lost leaves things behind. */
#define STOP_PATIENCE (3 * NANOSECONDS)
/* How long one wait lasts when the host has no descriptor that reports a stop. */
#define SLICE_MS 200

struct wire {
    const struct redis_options *options;
    int descriptor;
    SSL_CTX *context; /* NULL: without TLS */
    SSL *ssl;
    redisReader *reader;
    int64_t deadline; /* of the current command; it moves on with each byte */
    bool ready;       /* connected, and introduced */
    bool introduces;  /* the command holds a password */
    bool broken;
};

static int64_t wire_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NANOSECONDS + now.tv_nsec;
}

/* ------------------------------------------------------------------ failures */

/* "redis 127.0.0.1:6379", for messages. */
static const char *wire_name(const struct wire *wire, struct iotify_call *call)
{
    const struct redis_options *options = wire->options;
    const char *host = options->socket ? options->socket : options->host;
    size_t size = strlen(host) + 32;
    char *name = call->host->alloc(call, size);

    if (options->socket)
        snprintf(name, size, "redis at %s", host);
    else
        snprintf(name, size, "redis at %s:%d", host, (int)options->port);
    return name;
}

static enum iotify_result wire_break(
    struct wire *wire, struct iotify_call *call, const char *what, const char *why)
{
    wire->broken = true;
    return call->host->fail(call, IOTIFY_RESULT_TRANSIENT, "NoConnection", "%s: %s: %s",
        wire_name(wire, call), what, why);
}

static const char *wire_tls_words(void)
{
    const char *words = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return words ? words : "the server ended the TLS connection";
}

/* The errors of the server that have a name, and what to do about them. */
static const struct {
    const char *name;
    enum iotify_result result;
    const char *advice; /* NULL: the server's own words say it */
} wire_errors[] = {
    {"NOAUTH", IOTIFY_RESULT_DENIED, "it wants a password: set password, and username with ACLs"},
    {"WRONGPASS", IOTIFY_RESULT_DENIED, "it refuses the name or the password"},
    {"NOPERM", IOTIFY_RESULT_DENIED,
        "the user may not do that: allow +@hash +@sortedset +@scripting +get +set on the prefix"},
    {"READONLY", IOTIFY_RESULT_FAILED, "it is a replica: name the primary"},
    {"OOM", IOTIFY_RESULT_FULL, "its memory is used up (maxmemory)"},
    {"MISCONF", IOTIFY_RESULT_FULL, "it cannot write to its disk, and takes no writes"},
    {"MOVED", IOTIFY_RESULT_FAILED,
        "it is one node of a cluster and does not hold this prefix: name the node that does"},
    {"ASK", IOTIFY_RESULT_TRANSIENT, "the cluster moves this prefix to another node"},
    {"CROSSSLOT", IOTIFY_RESULT_FAILED, "a prefix with {} in it is not valid in a cluster"},
    {"CLUSTERDOWN", IOTIFY_RESULT_TRANSIENT, "the cluster is down"},
    {"LOADING", IOTIFY_RESULT_TRANSIENT, "it is loading its data"},
    {"MASTERDOWN", IOTIFY_RESULT_TRANSIENT, "its primary cannot be reached"},
    {"BUSY", IOTIFY_RESULT_TRANSIENT, "another script runs there"},
    {"TRYAGAIN", IOTIFY_RESULT_TRANSIENT, NULL},
    {"NOSCRIPT", IOTIFY_RESULT_NOT_FOUND, NULL},
    {"WRONGTYPE", IOTIFY_RESULT_CONFLICT,
        "another program uses keys of this prefix: choose another one"},
};

static enum iotify_result wire_refuse(struct wire *wire, struct iotify_call *call, const char *text)
{
    size_t length = strcspn(text, " ");

    for (size_t i = 0; i < sizeof(wire_errors) / sizeof(wire_errors[0]); i++)
        if (strncmp(wire_errors[i].name, text, length) == 0 && !wire_errors[i].name[length])
            return call->host->fail(call, wire_errors[i].result, wire_errors[i].name,
                "%s: %s (%.120s)", wire_name(wire, call),
                wire_errors[i].advice ? wire_errors[i].advice : "again later", text);
    /* The server repeats a command that it does not know, with its words. */
    return call->host->fail(call, IOTIFY_RESULT_FAILED, "RedisError", "%s: %.300s",
        wire_name(wire, call), wire->introduces ? "it does not know AUTH or SELECT" : text);
}

/* ------------------------------------------------------------------ bytes */

/* Wait for the descriptor until the deadline or a stop. */
static enum iotify_result wire_wait(struct wire *wire, struct iotify_call *call, short events)
{
    int64_t cancelled = 0;

    for (;;) {
        struct pollfd polled[] = {{.fd = wire->descriptor, .events = events},
            {.fd = call->host->cancel_descriptor(call), .events = POLLIN}};
        bool stopped = call->host->cancelled(call);
        int64_t left;

        if (stopped && !cancelled)
            cancelled = wire_now();
        if (cancelled && wire->deadline > cancelled + STOP_PATIENCE)
            wire->deadline = cancelled + STOP_PATIENCE;
        left = (wire->deadline - wire_now()) / 1000000;
        /* It stays readable. */
        if (stopped)
            polled[1].fd = -1;

        if (stopped && (!wire->ready || left <= 0)) {
            wire->broken = true;
            return call->host->fail(call, IOTIFY_RESULT_CANCELLED, "Cancelled", "interrupted");
        }
        if (left <= 0)
            return wire_break(wire, call, "no answer in time", "see the setting timeout");
        if (polled[1].fd < 0 && left > SLICE_MS)
            left = SLICE_MS;
        if (poll(polled, polled[1].fd < 0 ? 1 : 2, (int)left) > 0 && polled[0].revents)
            return IOTIFY_RESULT_OK;
    }
}

/* After a TLS call that did not succeed: wait for what it needs. */
static enum iotify_result wire_wait_tls(struct wire *wire, struct iotify_call *call, int code)
{
    int needs = SSL_get_error(wire->ssl, code);

    if (needs == SSL_ERROR_WANT_READ)
        return wire_wait(wire, call, POLLIN);
    if (needs == SSL_ERROR_WANT_WRITE)
        return wire_wait(wire, call, POLLOUT);
    if (needs != SSL_ERROR_SSL)
        return wire_break(wire, call, "the connection",
            wire->options->cert ? "closed by the server"
                                : "closed by the server; does it want a client's certificate "
                                  "(cert and key)?");
    /* A certificate does not become valid by waiting. */
    wire->broken = true;
    return call->host->fail(
        call, IOTIFY_RESULT_DENIED, "TlsFailed", "%s: %s", wire_name(wire, call), wire_tls_words());
}

/* One attempt; the number of bytes, 0: the result says why none. */
static size_t wire_try(struct wire *wire, struct iotify_call *call, bool write, char *data,
    size_t size, enum iotify_result *result)
{
    ssize_t moved;

    *result = IOTIFY_RESULT_OK;
    if (size > 1 << 20)
        size = 1 << 20;
    if (wire->ssl) {
        ERR_clear_error();
        moved =
            write ? SSL_write(wire->ssl, data, (int)size) : SSL_read(wire->ssl, data, (int)size);
        if (moved <= 0)
            *result = wire_wait_tls(wire, call, (int)moved);
    } else {
        moved = write ? send(wire->descriptor, data, size, MSG_NOSIGNAL)
                      : recv(wire->descriptor, data, size, 0);
        if (moved == 0 && !write)
            *result = wire_break(wire, call, "the connection", "closed by the server");
        else if (moved < 0 && (errno == EAGAIN || errno == EINTR))
            *result = wire_wait(wire, call, write ? POLLOUT : POLLIN);
        else if (moved < 0)
            *result = wire_break(wire, call, "the connection", strerror(errno));
    }
    if (moved > 0)
        wire->deadline = wire_now() + wire->options->timeout;
    return moved > 0 ? (size_t)moved : 0;
}

static enum iotify_result wire_send(
    struct wire *wire, struct iotify_call *call, char *data, size_t size)
{
    enum iotify_result result = IOTIFY_RESULT_OK;

    for (size_t at = 0; at < size && result == IOTIFY_RESULT_OK;)
        at += wire_try(wire, call, true, data + at, size - at, &result);
    return result;
}

static enum iotify_result wire_receive(
    struct wire *wire, struct iotify_call *call, redisReply **answer)
{
    char bytes[16 * 1024];
    void *found = NULL;
    enum iotify_result result = IOTIFY_RESULT_OK;

    for (;;) {
        size_t size;

        if (redisReaderGetReply(wire->reader, &found) != REDIS_OK)
            return wire_break(wire, call, "the server sent something that is not its protocol",
                wire->reader->errstr);
        if (found)
            break;
        size = wire_try(wire, call, false, bytes, sizeof(bytes), &result);
        if (result != IOTIFY_RESULT_OK)
            return result;
        if (size && redisReaderFeed(wire->reader, bytes, size) != REDIS_OK)
            return wire_break(wire, call, "the answer", "out of memory");
    }
    *answer = found;
    return IOTIFY_RESULT_OK;
}

enum iotify_result redis_wire_ask(struct wire *wire, struct iotify_call *call, int count,
    const char **words, const size_t *sizes, redisReply **answer)
{
    char *command = NULL;
    long long size = redisFormatCommandArgv(&command, count, words, sizes);
    enum iotify_result result;

    *answer = NULL;
    if (size < 0)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    wire->deadline = wire_now() + wire->options->timeout;
    result = wire_send(wire, call, command, (size_t)size);
    redisFreeCommand(command);
    if (result == IOTIFY_RESULT_OK)
        result = wire_receive(wire, call, answer);
    if (result == IOTIFY_RESULT_OK && *answer && (*answer)->type == REDIS_REPLY_ERROR) {
        result = wire_refuse(wire, call, (*answer)->str);
        freeReplyObject(*answer);
        *answer = NULL;
    }
    return result;
}

enum iotify_result redis_wire_ask_text(
    struct wire *wire, struct iotify_call *call, redisReply **answer, ...)
{
    const char *words[WORDS_MAX], *word;
    size_t sizes[WORDS_MAX];
    va_list arguments;
    int count = 0;

    va_start(arguments, answer);
    while (count < WORDS_MAX && (word = va_arg(arguments, const char *))) {
        sizes[count] = strlen(word);
        words[count++] = word;
    }
    va_end(arguments);
    return redis_wire_ask(wire, call, count, words, sizes, answer);
}

/* ------------------------------------------------------------------ connecting */

static enum iotify_result wire_connect_to(struct wire *wire, struct iotify_call *call, int family,
    const struct sockaddr *address, socklen_t size)
{
    int error = 0, on = 1;
    socklen_t error_size = sizeof(error);
    enum iotify_result result = IOTIFY_RESULT_OK;

    wire->descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (wire->descriptor < 0)
        return wire_break(wire, call, "no socket", strerror(errno));
    if (family != AF_UNIX)
        setsockopt(wire->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(wire->descriptor, address, size) != 0) {
        if (errno != EINPROGRESS && errno != EAGAIN)
            error = errno;
        else
            result = wire_wait(wire, call, POLLOUT);
        if (result == IOTIFY_RESULT_OK && !error)
            getsockopt(wire->descriptor, SOL_SOCKET, SO_ERROR, &error, &error_size);
    }
    return error ? wire_break(wire, call, "cannot connect", strerror(error)) : result;
}

static enum iotify_result wire_connect_socket(struct wire *wire, struct iotify_call *call)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(wire->options->socket) >= sizeof(address.sun_path))
        return call->host->fail(
            call, IOTIFY_RESULT_INVALID, "BadSocket", "socket: the path is too long");
    memcpy(address.sun_path, wire->options->socket, strlen(wire->options->socket) + 1);
    return wire_connect_to(wire, call, AF_UNIX, (const struct sockaddr *)&address, sizeof(address));
}

static enum iotify_result wire_connect_host(struct wire *wire, struct iotify_call *call)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    enum iotify_result result = IOTIFY_RESULT_TRANSIENT;
    char port[8];
    int failed;

    snprintf(port, sizeof(port), "%d", (int)wire->options->port);
    failed = getaddrinfo(wire->options->host, port, &hints, &found);
    if (failed)
        return wire_break(wire, call, "cannot find the host", gai_strerror(failed));
    for (const struct addrinfo *each = found; each && result == IOTIFY_RESULT_TRANSIENT;
         each = each->ai_next) {
        if (wire->descriptor >= 0)
            close(wire->descriptor);
        wire->broken = false;
        result = wire_connect_to(wire, call, each->ai_family, each->ai_addr, each->ai_addrlen);
    }
    freeaddrinfo(found);
    return result;
}

static enum iotify_result wire_fail_file(
    struct wire *wire, struct iotify_call *call, const char *setting, const char *file)
{
    (void)wire;
    return call->host->fail(call, IOTIFY_RESULT_INVALID, "BadCertificate", "%s: cannot use %s: %s",
        setting, file, wire_tls_words());
}

static enum iotify_result wire_make_context(struct wire *wire, struct iotify_call *call)
{
    const struct redis_options *options = wire->options;

    wire->context = SSL_CTX_new(TLS_client_method());
    wire->ssl = NULL;
    if (!wire->context)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    SSL_CTX_set_min_proto_version(wire->context, TLS1_2_VERSION);
    SSL_CTX_set_verify(wire->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(
        wire->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!options->ca)
        SSL_CTX_set_default_verify_paths(wire->context);
    else if (SSL_CTX_load_verify_file(wire->context, options->ca) != 1)
        return wire_fail_file(wire, call, "ca", options->ca);
    if (options->cert && SSL_CTX_use_certificate_chain_file(wire->context, options->cert) != 1)
        return wire_fail_file(wire, call, "cert", options->cert);
    if (options->key &&
        SSL_CTX_use_PrivateKey_file(wire->context, options->key, SSL_FILETYPE_PEM) != 1)
        return wire_fail_file(wire, call, "key", options->key);
    return IOTIFY_RESULT_OK;
}

static enum iotify_result wire_start_tls(struct wire *wire, struct iotify_call *call)
{
    const char *host = wire->options->host;
    enum iotify_result result = wire_make_context(wire, call);
    unsigned char address[16];
    X509_VERIFY_PARAM *rules;
    int code;

    if (result != IOTIFY_RESULT_OK)
        return result;
    wire->ssl = SSL_new(wire->context);
    if (!wire->ssl || SSL_set_fd(wire->ssl, wire->descriptor) != 1)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    rules = SSL_get0_param(wire->ssl);
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        X509_VERIFY_PARAM_set1_ip_asc(rules, host);
    else if (SSL_set_tlsext_host_name(wire->ssl, host) == 1)
        X509_VERIFY_PARAM_set1_host(rules, host, 0);
    while (result == IOTIFY_RESULT_OK && (code = SSL_connect(wire->ssl)) != 1)
        result = wire_wait_tls(wire, call, code);
    return result;
}

/* Name, password, and the number of the database. */
static enum iotify_result wire_introduce(struct wire *wire, struct iotify_call *call)
{
    const struct redis_options *options = wire->options;
    enum iotify_result result = IOTIFY_RESULT_OK;
    redisReply *answer = NULL;
    char number[24];

    wire->introduces = true;
    if (options->password && options->username)
        result = redis_wire_ask_text(
            wire, call, &answer, "AUTH", options->username, options->password, NULL);
    else if (options->password)
        result = redis_wire_ask_text(wire, call, &answer, "AUTH", options->password, NULL);
    freeReplyObject(answer);
    if (result != IOTIFY_RESULT_OK || options->database == 0)
        return result;
    snprintf(number, sizeof(number), "%lld", (long long)options->database);
    result = redis_wire_ask_text(wire, call, &answer, "SELECT", number, NULL);
    freeReplyObject(answer);
    return result;
}

enum iotify_result redis_wire_open(
    struct iotify_call *call, const struct redis_options *options, struct wire **out)
{
    struct wire *wire = calloc(1, sizeof(*wire));
    enum iotify_result result;

    if (!wire)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    *wire = (struct wire){.options = options,
        .descriptor = -1,
        .reader = redisReaderCreate(),
        .deadline = wire_now() + options->timeout};
    if (!wire->reader)
        result = call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    else
        result = options->socket ? wire_connect_socket(wire, call) : wire_connect_host(wire, call);
    if (result == IOTIFY_RESULT_OK && options->tls)
        result = wire_start_tls(wire, call);
    if (result == IOTIFY_RESULT_OK)
        result = wire_introduce(wire, call);
    wire->introduces = false;
    wire->ready = result == IOTIFY_RESULT_OK;
    if (result == IOTIFY_RESULT_OK)
        *out = wire;
    else
        redis_wire_close(wire);
    return result;
}

void redis_wire_close(struct wire *wire)
{
    SSL_free(wire->ssl);
    SSL_CTX_free(wire->context);
    if (wire->descriptor >= 0)
        close(wire->descriptor);
    if (wire->reader)
        redisReaderFree(wire->reader);
    free(wire);
}

bool redis_wire_is_broken(const struct wire *wire)
{
    return wire->broken;
}
