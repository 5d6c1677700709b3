/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transport without a network: sessions connect at once, and messages are acknowledged after a
 * set time. To measure and test what is not the network: scripts, schedules, the core itself.
 */
#include <stdlib.h>
#include <string.h>

#include <iotify/transport.h>

struct null_options {
    int64_t latency;
    double refused;
};

static const struct iotify_setting null_option_items[] = {
    {.name = "latency",
        .type = IOTIFY_TYPE_DURATION,
        .offset = offsetof(struct null_options, latency),
        .value = "0s",
        .max = INT64_C(3600000000000),
        .help = "time until connections and messages are acknowledged"},
    {.name = "refuse",
        .type = IOTIFY_TYPE_SHARE,
        .offset = offsetof(struct null_options, refused),
        .value = "0%",
        .max = 1,
        .help = "share of the messages that are refused"},
};
static const struct iotify_settings null_option_settings =
    IOTIFY_SETTINGS(null_option_items, struct null_options);

/* Settings of other transports, so that their templates run unchanged. */
struct null_connection {
    const char *host, *client_id, *key, *cert, *ca;
    int64_t port;
    bool tls;
};

#define AT(member) offsetof(struct null_connection, member)
static const struct iotify_setting null_connection_items[] = {
    {.name = "host",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = AT(host),
        .help = "not used"},
    {.name = "port",
        .type = IOTIFY_TYPE_INTEGER,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = AT(port),
        .help = "not used"},
    {.name = "tls",
        .type = IOTIFY_TYPE_BOOLEAN,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = AT(tls),
        .help = "not used"},
    {.name = "client_id",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = AT(client_id),
        .help = "evaluated, and not used",
        .role = IOTIFY_ROLE_CLIENT_ID},
    {.name = "key",
        .type = IOTIFY_TYPE_SECRET,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = AT(key),
        .help = "evaluated, and not used"},
    {.name = "cert",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = AT(cert),
        .help = "evaluated, and not used"},
    {.name = "ca",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = AT(ca),
        .help = "evaluated, and not used"},
};
#undef AT
static const struct iotify_settings null_connection_settings =
    IOTIFY_SETTINGS(null_connection_items, struct null_connection);

struct null_publish {
    const char *topic;
    int64_t qos;
    bool retain;
};

static const struct iotify_setting null_publish_items[] = {
    {.name = "topic",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = offsetof(struct null_publish, topic),
        .help = "destination of the messages; evaluated, and not used",
        .role = IOTIFY_ROLE_TOPIC},
    {.name = "qos",
        .type = IOTIFY_TYPE_INTEGER,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = offsetof(struct null_publish, qos),
        .value = "1",
        .max = 1,
        .help = "not used",
        .role = IOTIFY_ROLE_QOS},
    {.name = "retain",
        .type = IOTIFY_TYPE_BOOLEAN,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = offsetof(struct null_publish, retain),
        .value = "false",
        .help = "not used",
        .role = IOTIFY_ROLE_RETAIN},
};
static const struct iotify_settings null_publish_settings =
    IOTIFY_SETTINGS(null_publish_items, struct null_publish);

enum null_event { NULL_CONNECTED, NULL_ACKNOWLEDGED, NULL_REFUSED, NULL_CLOSED };

struct null_session;

struct null_entry {
    struct null_session *session; /* NULL: freed, or the event was taken back */
    enum null_event event;
    uint64_t token;
    int64_t due;
};

/* Events to come, in a ring; they are due in the order in which they were added. */
struct null_channel {
    const struct null_options *options;
    const struct iotify_loop *loop;
    const struct iotify_session_events *events;
    struct iotify_timer *timer;
    struct null_entry *ring;
    size_t first, count, capacity;
    double refusing; /* the part of a message that is to be refused so far */
};

struct null_session {
    struct null_channel *channel;
    void *user;
    bool open, connected; /* connecting or connected; connected */
};

static enum iotify_result null_open(struct iotify_call *call, const void *options, void **instance)
{
    (void)call;
    *instance = (void *)options;
    return IOTIFY_RESULT_OK;
}

static void null_close(void *instance)
{
    (void)instance;
}

/* ------------------------------------------------------------------ events */

static void null_deliver(const struct null_channel *channel, const struct null_entry *entry)
{
    const struct iotify_connect_times times = {
        .struct_size = sizeof(times), .session = channel->options->latency};

    switch (entry->event) {
    case NULL_CONNECTED:
        entry->session->connected = true;
        channel->events->connected(entry->session->user, &times);
        break;
    case NULL_ACKNOWLEDGED:
        channel->events->acknowledged(entry->session->user, entry->token);
        break;
    case NULL_REFUSED:
        channel->events->refused(
            entry->session->user, entry->token, 1, "the setting `refuse` of the transport null");
        break;
    case NULL_CLOSED:
        channel->events->closed(entry->session->user, IOTIFY_CLOSED_BY_US, "disconnected");
        break;
    }
}

/* Those that are added meanwhile have their turn later. */
static void null_on_timer(void *argument)
{
    struct null_channel *channel = argument;
    int64_t now = channel->loop->now(channel->loop);

    for (size_t left = channel->count; left > 0; left--) {
        const struct null_entry entry = channel->ring[channel->first];

        if (entry.due > now)
            break;
        channel->first = (channel->first + 1) % channel->capacity;
        channel->count--;
        if (entry.session)
            null_deliver(channel, &entry);
    }
    if (channel->count)
        channel->loop->timer_start(channel->timer, channel->ring[channel->first].due - now);
}

static bool null_add(struct null_session *session, enum null_event event, uint64_t token)
{
    struct null_channel *channel = session->channel;
    int64_t now = channel->loop->now(channel->loop);

    if (channel->count == channel->capacity) {
        size_t capacity = channel->capacity ? 2 * channel->capacity : 256;
        struct null_entry *ring = calloc(capacity, sizeof(*ring));

        if (!ring)
            return false;
        for (size_t i = 0; i < channel->count; i++)
            ring[i] = channel->ring[(channel->first + i) % channel->capacity];
        free(channel->ring);
        channel->ring = ring;
        channel->first = 0;
        channel->capacity = capacity;
    }
    channel->ring[(channel->first + channel->count) % channel->capacity] =
        (struct null_entry){session, event, token, now + channel->options->latency};
    if (channel->count++ == 0)
        channel->loop->timer_start(channel->timer, channel->options->latency);
    return true;
}

/* Take back all events of a session, or only that it is connected. */
static void null_take_back(const struct null_session *session, bool all)
{
    struct null_channel *channel = session->channel;

    for (size_t i = 0; i < channel->count; i++) {
        struct null_entry *entry = &channel->ring[(channel->first + i) % channel->capacity];

        if (entry->session == session && (all || entry->event == NULL_CONNECTED))
            entry->session = NULL;
    }
}

/* ------------------------------------------------------------------ channels and sessions */

static enum iotify_result null_channel_new(void *instance, struct iotify_call *call,
    const struct iotify_loop *loop, const struct iotify_session_events *events, void **out)
{
    struct null_channel *channel = calloc(1, sizeof(*channel));

    if (!channel)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    channel->options = instance;
    channel->loop = loop;
    channel->events = events;
    channel->timer = loop->timer_new(loop, null_on_timer, channel);
    *out = channel;
    return IOTIFY_RESULT_OK;
}

static void null_channel_free(void *given)
{
    struct null_channel *channel = given;

    channel->loop->timer_free(channel->timer);
    free(channel->ring);
    free(channel);
}

static enum iotify_result null_session_new(void *channel, struct iotify_call *call,
    const void *connection, const char *const *subscriptions, size_t count, void *user, void **out)
{
    struct null_session *session = calloc(1, sizeof(*session));

    (void)connection, (void)subscriptions, (void)count;
    if (!session)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    session->channel = channel;
    session->user = user;
    *out = session;
    return IOTIFY_RESULT_OK;
}

static void null_session_connect(void *given)
{
    struct null_session *session = given;

    if (session->open)
        return;
    session->open = null_add(session, NULL_CONNECTED, 0);
    if (!session->open)
        session->channel->loop->log(
            session->channel->loop, session->user, IOTIFY_LOG_ERROR, "out of memory");
}

static enum iotify_result null_session_publish(void *given, struct iotify_call *call,
    const void *publish, struct iotify_bytes payload, uint64_t token)
{
    struct null_session *session = given;
    struct null_channel *channel = session->channel;
    bool refused;

    (void)publish, (void)payload;
    if (!session->connected)
        return call->host->fail(call, IOTIFY_RESULT_TRANSIENT, "NotConnected", "not connected");
    channel->refusing += channel->options->refused;
    refused = channel->refusing >= 1;
    if (refused)
        channel->refusing -= 1;
    if (null_add(session, refused ? NULL_REFUSED : NULL_ACKNOWLEDGED, token))
        return IOTIFY_RESULT_OK;
    return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
}

/* What is not acknowledged yet is acknowledged before the connection ends. */
static void null_session_end(void *given)
{
    struct null_session *session = given;

    if (!session->open)
        return;
    session->open = session->connected = false;
    null_take_back(session, false);
    null_add(session, NULL_CLOSED, 0);
}

static void null_session_free(void *given)
{
    null_take_back(given, true);
    free(given);
}

static size_t null_session_unwritten(const void *session)
{
    (void)session;
    return 0;
}

static const struct iotify_transport null_operations = {
    IOTIFY_TRANSPORT_SIZES,
    .capabilities = IOTIFY_CAPABILITY_ACKNOWLEDGE,
    .connection = &null_connection_settings,
    .publish = &null_publish_settings,
    .open = null_open,
    .close = null_close,
    .channel_new = null_channel_new,
    .channel_free = null_channel_free,
    .session_new = null_session_new,
    .session_connect = null_session_connect,
    .session_publish = null_session_publish,
    .session_disconnect = null_session_end,
    .session_free = null_session_free,
    .session_drop = null_session_end,
    .session_unwritten = null_session_unwritten,
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_TRANSPORT, .name = "null", .version = IOTIFY_VERSION,
    .summary = "no network: messages are acknowledged at once, or after a set time",
    .settings = &null_option_settings, .operations = &null_operations);
