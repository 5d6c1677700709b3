/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transport plugin: messages are lines on a TCP connection. `server.py` is a server for it. What
 * a session sends, and the server answers:
 *
 *     HELLO client topic…       OK             or  NO reason
 *     SEND number topic text    ACK number     or  NO number reason
 *
 * and what the server sends for the topics of a session's subscriptions:
 *
 *     MESSAGE topic text
 *
 * A line feed and a backslash of a payload are sent as \n and \\. The source is valid C11 and
 * C++20, with the functions of POSIX.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iotify/buffer.h>
#include <iotify/transport.h>

/* ------------------------------------------------------------------ settings */

struct example_connection {
    const char *host, *client_id;
    int64_t port, timeout;
};

static const struct iotify_setting example_connection_items[] = {
    {.name = "host",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_REQUIRED | IOTIFY_FLAG_EXPRESSION,
        .offset = offsetof(struct example_connection, host),
        .help = "name or address of the server",
        .role = IOTIFY_ROLE_HOST},
    {.name = "port",
        .type = IOTIFY_TYPE_INTEGER,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = offsetof(struct example_connection, port),
        .value = "7000",
        .min = 1,
        .max = 65535,
        .help = "port of the server",
        .role = IOTIFY_ROLE_PORT},
    {.name = "client_id",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = offsetof(struct example_connection, client_id),
        .value = "device_{{client()}}",
        .help = "name of the device at the server",
        .role = IOTIFY_ROLE_CLIENT_ID},
    {.name = "timeout",
        .type = IOTIFY_TYPE_DURATION,
        .offset = offsetof(struct example_connection, timeout),
        .value = "10s",
        .min = INT64_C(1000000),
        .max = INT64_C(3600000000000),
        .help = "longest time to connect",
        .role = IOTIFY_ROLE_TIMEOUT},
};
static const struct iotify_settings example_connection_settings =
    IOTIFY_SETTINGS(example_connection_items, struct example_connection);

struct example_publish {
    const char *topic;
};

static const struct iotify_setting example_publish_items[] = {
    {.name = "topic",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_REQUIRED | IOTIFY_FLAG_EXPRESSION,
        .offset = offsetof(struct example_publish, topic),
        .help = "destination of the messages, without spaces",
        .role = IOTIFY_ROLE_TOPIC},
};
static const struct iotify_settings example_publish_settings =
    IOTIFY_SETTINGS(example_publish_items, struct example_publish);

/* ------------------------------------------------------------------ sessions */

struct example_channel {
    const struct iotify_loop *loop;
    const struct iotify_session_events *events;
};

/* A message that the server has not answered; it is sent again after a new connection. */
struct example_message {
    struct example_message *next;
    uint64_t token;
    size_t payload_size, line_size;
    char *line;
};

enum example_state {
    EXAMPLE_CLOSED,
    EXAMPLE_RESOLVING,
    EXAMPLE_CONNECTING, /* TCP */
    EXAMPLE_GREETING,   /* HELLO is sent */
    EXAMPLE_OPEN,
    EXAMPLE_ENDING /* the host has ended it; `closed` follows in the next turn of the loop */
};

struct example_session {
    struct example_channel *channel;
    void *user;
    char *host;
    struct iotify_buffer greeting; /* HELLO, with the subscriptions */
    int64_t port, timeout;
    enum example_state state;
    int descriptor; /* -1: none */
    struct iotify_watch *watch;
    struct iotify_lookup *lookup;
    struct iotify_timer *timer; /* the timeout, or the event `closed` */
    int64_t began, tcp;
    struct example_message *first, *last; /* in the order of their tokens */
    struct example_message *writing;      /* the first that is not written completely */
    size_t written;                       /* of the line of `writing` */
    size_t unwritten;                     /* payloads from `writing` on */
    struct iotify_buffer line;            /* what has come of the server's line */
};

/* Longer lines are no messages of a server that can be trusted. */
#define EXAMPLE_LINE_MAX (4 * 1024 * 1024)
#define EXAMPLE_PAYLOAD_MAX (2 * 1024 * 1024 - 70000)
#define EXAMPLE_GREETING_MAX 8000

/* Give up what belongs to one connection; the messages wait for the next. */
static void example_end_connection(struct example_session *session)
{
    const struct iotify_loop *loop = session->channel->loop;

    loop->timer_stop(session->timer);
    if (session->lookup)
        loop->resolve_cancel(session->lookup);
    if (session->watch)
        loop->unwatch(session->watch);
    if (session->descriptor >= 0)
        close(session->descriptor);
    session->lookup = NULL;
    session->watch = NULL;
    session->descriptor = -1;
    session->written = session->unwritten = 0;
    iotify_buffer_clear(&session->line);
    session->writing = session->first;
    for (struct example_message *each = session->first; each; each = each->next)
        session->unwritten += each->payload_size;
}

/* From the loop only: the host may do anything in the event but free the session. */
static void example_closed(
    struct example_session *session, enum iotify_close reason, const char *text)
{
    example_end_connection(session);
    session->state = EXAMPLE_CLOSED;
    session->channel->events->closed(session->user, reason, text);
}

static void example_failed(struct example_session *session, enum iotify_close reason, int error)
{
    char text[400];

    snprintf(
        text, sizeof(text), "%s port %d: %s", session->host, (int)session->port, strerror(error));
    example_closed(session, reason, text);
}

static void example_on_timer(void *argument)
{
    struct example_session *session = (struct example_session *)argument;

    if (session->state == EXAMPLE_ENDING)
        example_closed(session, IOTIFY_CLOSED_BY_US, "disconnected");
    else
        example_closed(session, IOTIFY_CLOSED_TIMEOUT, "the server has not answered in time");
}

/* ------------------------------------------------------------------ reading */

/* Remove the message that an answer names; NULL: there is none. */
static struct example_message *example_take(struct example_session *session, uint64_t token)
{
    struct example_message *before = NULL, *message = session->first;

    for (; message && message != session->writing && message->token != token;
         message = message->next)
        before = message;
    if (!message || message == session->writing)
        return NULL;
    if (before)
        before->next = message->next;
    else
        session->first = message->next;
    if (session->last == message)
        session->last = before;
    return message;
}

static void example_free_message(struct example_message *message)
{
    free(message->line);
    free(message);
}

/* The server's answer to HELLO. */
static void example_on_greeting(struct example_session *session, const char *line)
{
    struct iotify_connect_times times;
    int64_t now = session->channel->loop->now(session->channel->loop);

    if (strcmp(line, "OK") != 0) {
        example_closed(session,
            strncmp(line, "NO ", 3) == 0 ? IOTIFY_CLOSED_REFUSED : IOTIFY_CLOSED_PROTOCOL,
            strncmp(line, "NO ", 3) == 0 ? line + 3 : "the server's answer is no greeting");
        return;
    }
    memset(&times, 0, sizeof(times));
    times.struct_size = sizeof(times);
    times.tcp = session->tcp;
    times.session = now - session->began - session->tcp;
    for (struct example_message *each = session->first; each; each = each->next)
        times.resent++;
    session->channel->loop->timer_stop(session->timer);
    session->state = EXAMPLE_OPEN;
    if (session->writing)
        session->channel->loop->rewatch(
            session->watch, IOTIFY_EVENT_READABLE | IOTIFY_EVENT_WRITABLE);
    session->channel->events->connected(session->user, &times);
}

/* The server's answer to a message: ACK number, or NO number reason. */
static void example_on_answer(struct example_session *session, const char *line)
{
    const struct iotify_session_events *events = session->channel->events;
    bool taken = strncmp(line, "ACK ", 4) == 0;
    const char *number = taken ? line + 4 : strncmp(line, "NO ", 3) == 0 ? line + 3 : "";
    struct example_message *message = NULL;
    uint64_t token = 0;
    char *end = NULL;

    if (*number >= '0' && *number <= '9') {
        token = strtoull(number, &end, 10);
        if (*end == '\0' || (!taken && *end == ' '))
            message = example_take(session, token);
    }
    if (!message) {
        example_closed(session, IOTIFY_CLOSED_PROTOCOL, "the server's answer fits no message");
        return;
    }
    example_free_message(message);
    if (taken)
        events->acknowledged(session->user, token);
    else
        events->refused(session->user, token, 0, *end == ' ' ? end + 1 : "refused");
}

/* MESSAGE topic text; the text is put back in place, and may contain NUL. */
static void example_on_message(struct example_session *session, char *line, size_t size)
{
    char *topic = line + strlen("MESSAGE "), *end = line + size;
    char *from = (char *)memchr(topic, ' ', (size_t)(end - topic)), *to;
    struct iotify_message message;

    if (!from) {
        example_closed(session, IOTIFY_CLOSED_PROTOCOL, "the server's message has no topic");
        return;
    }
    *from++ = '\0';
    memset(&message, 0, sizeof(message));
    message.struct_size = sizeof(message);
    message.topic = topic;
    message.payload.data = to = from;
    for (; from < end; from++)
        if (*from != '\\' || from + 1 == end)
            *to++ = *from;
        else
            *to++ = *++from == 'n' ? '\n' : *from;
    message.payload.size = (size_t)(to - (const char *)message.payload.data);
    session->channel->events->message(session->user, &message);
}

/* The line is taken out of the session: the host may end that in the event. */
static void example_on_line(struct example_session *session)
{
    struct iotify_buffer line = session->line;

    iotify_buffer_init(&session->line, EXAMPLE_LINE_MAX);
    if (session->state == EXAMPLE_GREETING)
        example_on_greeting(session, iotify_buffer_text(&line));
    else if (line.data && strncmp(line.data, "MESSAGE ", 8) == 0)
        example_on_message(session, line.data, line.size);
    else
        example_on_answer(session, iotify_buffer_text(&line));
    iotify_buffer_clear(&line);
}

static void example_on_bytes(struct example_session *session, const char *bytes, size_t size)
{
    while (size && (session->state == EXAMPLE_GREETING || session->state == EXAMPLE_OPEN)) {
        const char *end = (const char *)memchr(bytes, '\n', size);
        size_t some = end ? (size_t)(end - bytes) : size;

        if (!iotify_buffer_append(&session->line, bytes, some)) {
            example_closed(session, IOTIFY_CLOSED_PROTOCOL, "the server's line is too long");
            return;
        }
        if (end)
            example_on_line(session);
        some += end != NULL;
        bytes += some;
        size -= some;
    }
}

static void example_read(struct example_session *session)
{
    char bytes[4096];
    ssize_t size = recv(session->descriptor, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (size > 0)
        example_on_bytes(session, bytes, (size_t)size);
    else if (size == 0)
        example_closed(session, IOTIFY_CLOSED_BY_PEER, "the server has closed the connection");
    else if (errno != EAGAIN && errno != EINTR)
        example_failed(session, IOTIFY_CLOSED_BY_PEER, errno);
}

/* ------------------------------------------------------------------ writing */

static void example_write(struct example_session *session)
{
    while (session->writing) {
        struct example_message *message = session->writing;
        ssize_t size = send(session->descriptor, message->line + session->written,
            message->line_size - session->written, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        if (size < 0) {
            example_failed(session, IOTIFY_CLOSED_BY_PEER, errno);
            return;
        }
        session->written += (size_t)size;
        if (session->written == message->line_size) {
            session->unwritten -= message->payload_size;
            session->writing = message->next;
            session->written = 0;
        }
    }
    session->channel->loop->rewatch(session->watch, IOTIFY_EVENT_READABLE);
}

/* The greeting is short: the empty buffer of a new connection always takes it. */
static void example_greet(struct example_session *session)
{
    const struct iotify_buffer *line = &session->greeting;
    ssize_t size;
    int64_t now = session->channel->loop->now(session->channel->loop);

    session->tcp = now - session->began;
    session->state = EXAMPLE_GREETING;
    size = send(session->descriptor, line->data, line->size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size != (ssize_t)line->size)
        example_failed(session, IOTIFY_CLOSED_BY_PEER, size < 0 ? errno : EMSGSIZE);
    else
        session->channel->loop->rewatch(session->watch, IOTIFY_EVENT_READABLE);
}

static void example_on_ready(void *argument, int events)
{
    struct example_session *session = (struct example_session *)argument;
    int error = 0;
    socklen_t size = sizeof(error);

    if (session->state == EXAMPLE_CONNECTING) {
        getsockopt(session->descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error)
            example_failed(session, IOTIFY_CLOSED_UNREACHABLE, error);
        else
            example_greet(session);
        return;
    }
    if (session->state == EXAMPLE_OPEN && (events & IOTIFY_EVENT_WRITABLE))
        example_write(session);
    if (session->descriptor >= 0 && (events & (IOTIFY_EVENT_READABLE | IOTIFY_EVENT_ERROR)))
        example_read(session);
}

/* ------------------------------------------------------------------ connecting */

/* `address` is numeric, so that getaddrinfo() asks no server. */
static int example_open_socket(const char *address, int port, int *error)
{
    struct addrinfo hints, *found = NULL;
    char number[16];
    int on = 1, descriptor;

    memset(&hints, 0, sizeof(hints));
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    snprintf(number, sizeof(number), "%d", port);
    if (getaddrinfo(address, number, &hints, &found) != 0) {
        *error = EINVAL;
        return -1;
    }
    descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *error = descriptor < 0 ? errno : 0;
    if (descriptor >= 0) {
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (connect(descriptor, found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS)
            *error = errno;
    }
    freeaddrinfo(found);
    return descriptor;
}

static void example_on_resolved(void *argument, const char *address, const char *error)
{
    struct example_session *session = (struct example_session *)argument;
    int failed;

    session->lookup = NULL;
    if (!address) {
        example_closed(session, IOTIFY_CLOSED_UNREACHABLE, error);
        return;
    }
    session->state = EXAMPLE_CONNECTING;
    session->descriptor = example_open_socket(address, (int)session->port, &failed);
    if (session->descriptor < 0 || failed) {
        /* No descriptor or no port is left. */
        bool local = session->descriptor < 0 || failed == EADDRNOTAVAIL;

        example_failed(session, local ? IOTIFY_CLOSED_LOCAL : IOTIFY_CLOSED_UNREACHABLE, failed);
        return;
    }
    session->watch = session->channel->loop->watch(session->channel->loop, session->descriptor,
        IOTIFY_EVENT_WRITABLE, example_on_ready, session);
    if (!session->watch)
        example_failed(session, IOTIFY_CLOSED_LOCAL, EMFILE);
}

static void example_session_connect(void *given)
{
    struct example_session *session = (struct example_session *)given;
    const struct iotify_loop *loop = session->channel->loop;

    if (session->state != EXAMPLE_CLOSED)
        return;
    session->state = EXAMPLE_RESOLVING;
    session->began = loop->now(loop);
    loop->timer_start(session->timer, session->timeout);
    session->lookup = loop->resolve(loop, session->host, example_on_resolved, session);
}

/* The farewell of the protocol is the end of the connection. */
static void example_session_end(void *given)
{
    struct example_session *session = (struct example_session *)given;

    if (session->state == EXAMPLE_CLOSED || session->state == EXAMPLE_ENDING)
        return;
    example_end_connection(session);
    session->state = EXAMPLE_ENDING;
    session->channel->loop->timer_start(session->timer, 0);
}

/* ------------------------------------------------------------------ messages */

/* The line of a message, with a size; NULL without memory. */
static char *example_line(
    const char *topic, struct iotify_bytes payload, uint64_t token, size_t *size)
{
    const char *bytes = (const char *)payload.data;
    size_t room = strlen(topic) + 2 * payload.size + 40;
    char *line = (char *)malloc(room), *smaller;

    if (!line)
        return NULL;
    *size = (size_t)snprintf(line, room, "SEND %llu %s ", (unsigned long long)token, topic);
    for (size_t i = 0; i < payload.size; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\\')
            line[(*size)++] = '\\';
        line[(*size)++] = bytes[i] == '\n' ? 'n' : bytes[i];
    }
    line[(*size)++] = '\n';
    smaller = (char *)realloc(line, *size);
    return smaller ? smaller : line;
}

static enum iotify_result example_session_publish(void *given, struct iotify_call *call,
    const void *options, struct iotify_bytes payload, uint64_t token)
{
    struct example_session *session = (struct example_session *)given;
    const struct example_publish *publish = (const struct example_publish *)options;
    struct example_message *message;

    if (!*publish->topic || strpbrk(publish->topic, " \n"))
        return call->host->fail(call, IOTIFY_RESULT_INVALID, "InvalidTopic",
            "the topic \"%s\" is empty, or contains a space", publish->topic);
    /* As a line, with each byte escaped, it must be one that comes back, too. */
    if (payload.size > EXAMPLE_PAYLOAD_MAX)
        return call->host->fail(call, IOTIFY_RESULT_INVALID, "PayloadTooLarge",
            "the payload has %zu bytes, and at most %d are possible", payload.size,
            EXAMPLE_PAYLOAD_MAX);
    if (session->state != EXAMPLE_OPEN)
        return call->host->fail(call, IOTIFY_RESULT_TRANSIENT, "NotConnected", "not connected");
    message = (struct example_message *)calloc(1, sizeof(*message));
    if (message)
        message->line = example_line(publish->topic, payload, token, &message->line_size);
    if (!message || !message->line) {
        free(message);
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    }
    message->token = token;
    message->payload_size = payload.size;
    if (session->last)
        session->last->next = message;
    else
        session->first = message;
    session->last = message;
    session->unwritten += payload.size;
    if (!session->writing) {
        session->writing = message;
        session->channel->loop->rewatch(
            session->watch, IOTIFY_EVENT_READABLE | IOTIFY_EVENT_WRITABLE);
    }
    return IOTIFY_RESULT_OK;
}

static size_t example_session_unwritten(const void *given)
{
    const struct example_session *session = (const struct example_session *)given;

    return session->unwritten;
}

/* ------------------------------------------------------------------ creating and freeing */

static void example_session_free(void *given)
{
    struct example_session *session = (struct example_session *)given;

    example_end_connection(session);
    while (session->first) {
        struct example_message *next = session->first->next;

        example_free_message(session->first);
        session->first = next;
    }
    session->channel->loop->timer_free(session->timer);
    iotify_buffer_clear(&session->greeting);
    free(session->host);
    free(session);
}

static enum iotify_result example_session_new(void *given, struct iotify_call *call,
    const void *options, const char *const *subscriptions, size_t count, void *user, void **out)
{
    struct example_channel *channel = (struct example_channel *)given;
    const struct example_connection *connection = (const struct example_connection *)options;
    struct example_session *session;

    if (!*connection->client_id || strpbrk(connection->client_id, " \n"))
        return call->host->fail_setting(call, "connection.client_id",
            "\"%s\" is empty, or contains a space", connection->client_id);
    for (size_t i = 0; i < count; i++)
        if (strpbrk(subscriptions[i], " \n"))
            return call->host->fail(call, IOTIFY_RESULT_INVALID, "InvalidTopic",
                "the topic \"%s\" contains a space", subscriptions[i]);
    session = (struct example_session *)calloc(1, sizeof(*session));
    if (!session)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    session->channel = channel;
    session->user = user;
    session->descriptor = -1;
    session->port = connection->port;
    session->timeout = connection->timeout;
    session->host = strdup(connection->host);
    iotify_buffer_init(&session->line, EXAMPLE_LINE_MAX);
    iotify_buffer_init(&session->greeting, EXAMPLE_GREETING_MAX);
    iotify_buffer_format(&session->greeting, "HELLO %s", connection->client_id);
    for (size_t i = 0; i < count; i++)
        iotify_buffer_format(&session->greeting, " %s", subscriptions[i]);
    iotify_buffer_char(&session->greeting, '\n');
    session->timer = channel->loop->timer_new(channel->loop, example_on_timer, session);
    if (!session->host || session->greeting.failed) {
        example_session_free(session);
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory",
            "out of memory, or more than %d bytes of subscriptions", EXAMPLE_GREETING_MAX);
    }
    *out = session;
    return IOTIFY_RESULT_OK;
}

static enum iotify_result example_channel_new(void *instance, struct iotify_call *call,
    const struct iotify_loop *loop, const struct iotify_session_events *events, void **out)
{
    struct example_channel *channel = (struct example_channel *)malloc(sizeof(*channel));

    (void)instance;
    if (!channel)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    channel->loop = loop;
    channel->events = events;
    *out = channel;
    return IOTIFY_RESULT_OK;
}

static void example_channel_free(void *channel)
{
    free(channel);
}

/* There is nothing that the sessions of a step share; the host wants a pointer that is not NULL. */
static enum iotify_result example_open(
    struct iotify_call *call, const void *options, void **instance)
{
    static char nothing;

    (void)call, (void)options;
    *instance = &nothing;
    return IOTIFY_RESULT_OK;
}

static void example_close(void *instance)
{
    (void)instance;
}

/* ------------------------------------------------------------------ the plugin */

static const struct iotify_transport example_operations = {
    IOTIFY_TRANSPORT_SIZES,
    .capabilities = IOTIFY_CAPABILITY_SUBSCRIBE | IOTIFY_CAPABILITY_ACKNOWLEDGE,
    .connection = &example_connection_settings,
    .publish = &example_publish_settings,
    .open = example_open,
    .close = example_close,
    .channel_new = example_channel_new,
    .channel_free = example_channel_free,
    .session_new = example_session_new,
    .session_connect = example_session_connect,
    .session_publish = example_session_publish,
    .session_disconnect = example_session_end,
    .session_free = example_session_free,
    .session_drop = example_session_end,
    .session_unwritten = example_session_unwritten,
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_TRANSPORT, .name = "example", .version = "1.0",
    .summary = "messages as lines on a TCP connection", .settings = IOTIFY_NO_SETTINGS,
    .operations = &example_operations);
