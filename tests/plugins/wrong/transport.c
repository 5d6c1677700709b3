/* SPDX-License-Identifier: Apache-2.0 */
/* A transport without a network that breaks the rule of the contract which its setting `does`
 * names. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <iotify/transport.h>

#include "ends.h"

static const char *const names[] = {"nothing", "open-null", "open-zero", "open-unknown",
    "open-later", "channel-null", "channel-zero", "channel-unknown", "channel-later",
    "session-null", "session-zero", "session-unknown", "session-later", "publish-zero",
    "publish-unknown", "publish-later", "connected-null", "connected-negative", "closed-reason",
    "closed-negative", "closed-null", "message-null", "message-small", "message-no-topic",
    "message-no-payload", "message-no-properties", "message-property-null", "connected-small",
    "refused-null", "throttled-once", "check-zero", "check-unknown", "check-later", "connect-never",
    "close-never",
    /* Found with strict checks only. */
    "strict-event-thread", "strict-timer-thread", "strict-inside", "strict-twice",
    "strict-unpublished", "strict-connected-twice", "strict-connected-closed",
    "strict-closed-twice", "strict-message-closed", "strict-user", "strict-timer-left",
    "strict-timer-freed", "strict-watch-left", "strict-watch-freed", "strict-descriptor-closed",
    "strict-lookup-done", "strict-lookup-left", "strict-waits", "strict-computes", NULL};

struct options {
    int does;
};

static const struct iotify_setting items[] = {{.name = "does",
    .type = IOTIFY_TYPE_CHOICE,
    .offset = offsetof(struct options, does),
    .value = "nothing",
    IOTIFY_CHOICES(names),
    .help = "what is wrong"}};
static const struct iotify_settings settings = IOTIFY_SETTINGS(items, struct options);

struct text {
    const char *text;
    int64_t timeout;
};

static const struct iotify_setting connection_items[] = {
    {.name = "client_id",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = offsetof(struct text, text),
        .help = "a name",
        .role = IOTIFY_ROLE_CLIENT_ID},
    {.name = "timeout",
        .type = IOTIFY_TYPE_DURATION,
        .offset = offsetof(struct text, timeout),
        .value = "100ms",
        .help = "for connecting and closing",
        .role = IOTIFY_ROLE_TIMEOUT},
};
static const struct iotify_settings connection = IOTIFY_SETTINGS(connection_items, struct text);
static const struct iotify_setting publish_items[] = {{.name = "topic",
    .type = IOTIFY_TYPE_STRING,
    .offset = offsetof(struct text, text),
    .help = "where to",
    .role = IOTIFY_ROLE_TOPIC}};
static const struct iotify_settings publish = IOTIFY_SETTINGS(publish_items, struct text);

struct channel {
    const char *does;
    const struct iotify_loop *loop;
    const struct iotify_session_events *events;
};

struct session {
    const struct channel *channel;
    void *user;
    struct iotify_timer *timer;
    uint64_t next, acknowledged; /* tokens */
    bool connecting, connected, closing, throttled, strict;
    struct iotify_lookup *lookup;
};

static void wrong_on_timer(void *argument);

static bool wrong_is(const char *does, const char *name)
{
    return strcmp(does, name) == 0;
}

/* ------------------------------------------------------------------ what strict checks find */

static void *strict_thread(void *argument)
{
    struct session *session = argument;

    if (wrong_is(session->channel->does, "strict-timer-thread"))
        session->channel->loop->timer_start(session->timer, 1);
    else
        session->channel->events->acknowledged(session->user, 0);
    return NULL;
}

static void strict_run_thread(struct session *session)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, strict_thread, session) == 0)
        pthread_join(thread, NULL);
}

static void strict_on_ready(void *argument, int events)
{
    (void)argument, (void)events;
}

static void strict_watch(const struct iotify_loop *loop, const char *does)
{
    int ends_of_pipe[2], again[2];
    struct iotify_watch *watch;

    if (pipe(ends_of_pipe) != 0)
        return;
    watch = loop->watch(loop, ends_of_pipe[0], IOTIFY_EVENT_READABLE, strict_on_ready, NULL);
    if (wrong_is(does, "strict-watch-freed")) {
        loop->unwatch(watch);
        loop->unwatch(watch);
    }
    if (wrong_is(does, "strict-watch-left"))
        return;
    close(ends_of_pipe[0]);
    close(ends_of_pipe[1]);
    if (!wrong_is(does, "strict-descriptor-closed") || pipe(again) != 0)
        return;
    watch = loop->watch(loop, again[0], IOTIFY_EVENT_READABLE, strict_on_ready, NULL);
    loop->unwatch(watch);
    close(again[0]);
    close(again[1]);
}

static void strict_on_resolved(void *argument, const char *address, const char *error)
{
    const struct session *session = argument;

    (void)address, (void)error;
    if (wrong_is(session->channel->does, "strict-lookup-done"))
        session->channel->loop->resolve_cancel(session->lookup);
}

static void strict_block(bool waits)
{
    const struct timespec pause = {.tv_nsec = 150000000};
    struct timespec now;
    clock_t until = clock() + CLOCKS_PER_SEC * 3 / 20;

    if (waits)
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    while (!waits && clock() < until)
        clock_gettime(CLOCK_MONOTONIC, &now);
}

/* In the first callback after a message was published. */
static void strict_do(struct session *session)
{
    const char *does = session->channel->does;
    const struct iotify_loop *loop = session->channel->loop;
    const struct iotify_session_events *events = session->channel->events;
    const struct iotify_connect_times times = {.struct_size = sizeof(times)};
    struct iotify_timer *timer;

    if (wrong_is(does, "strict-event-thread") || wrong_is(does, "strict-timer-thread"))
        strict_run_thread(session);
    else if (wrong_is(does, "strict-twice"))
        events->acknowledged(session->user, session->acknowledged - 1);
    else if (wrong_is(does, "strict-unpublished"))
        events->refused(session->user, 12345, 1, "no");
    else if (wrong_is(does, "strict-connected-twice"))
        events->connected(session->user, &times);
    else if (wrong_is(does, "strict-user"))
        events->acknowledged((char *)session->user + 1, 0);
    else if (strncmp(does, "strict-watch", 12) == 0 || wrong_is(does, "strict-descriptor-closed"))
        strict_watch(loop, does);
    else if (wrong_is(does, "strict-lookup-done"))
        session->lookup = loop->resolve(loop, "localhost", strict_on_resolved, session);
    else if (wrong_is(does, "strict-waits") || wrong_is(does, "strict-computes"))
        strict_block(wrong_is(does, "strict-waits"));
    else if (wrong_is(does, "strict-timer-left") || wrong_is(does, "strict-timer-freed")) {
        timer = loop->timer_new(loop, wrong_on_timer, session);
        if (wrong_is(does, "strict-timer-left"))
            return;
        loop->timer_free(timer);
        loop->timer_start(timer, 1);
    }
}

/* "publish-zero" of `publish` is 0. */
static enum iotify_result wrong_answer(const char *does, const char *operation)
{
    size_t length = strlen(operation);

    if (strncmp(does, operation, length) != 0 || does[length] != '-')
        return IOTIFY_RESULT_OK;
    does += length + 1;
    return wrong_is(does, "zero")      ? (enum iotify_result)0
           : wrong_is(does, "unknown") ? (enum iotify_result)99
           : wrong_is(does, "later")   ? IOTIFY_RESULT_LATER
                                       : IOTIFY_RESULT_OK;
}

static enum iotify_result wrong_open(struct iotify_call *call, const void *given, void **instance)
{
    static const char *does;

    ends("open");
    (void)call;
    does = names[((const struct options *)given)->does];
    *instance = wrong_is(does, "open-null") ? NULL : &does;
    return wrong_answer(does, "open");
}

static enum iotify_result wrong_check(struct iotify_call *call, const void *options,
    const void *connection_options, const void *publish_options)
{
    ends("check");
    (void)call, (void)connection_options, (void)publish_options;
    return wrong_answer(names[((const struct options *)options)->does], "check");
}

static void wrong_close(void *instance)
{
    ends("close");
    (void)instance;
}

static enum iotify_result wrong_channel_new(void *instance, struct iotify_call *call,
    const struct iotify_loop *loop, const struct iotify_session_events *events, void **out)
{
    const char *does = *(const char **)instance;
    enum iotify_result result = wrong_answer(does, "channel");
    struct channel *channel;

    ends("channel_new");
    (void)call;
    if (result != IOTIFY_RESULT_OK || wrong_is(does, "channel-null"))
        return result;
    channel = calloc(1, sizeof(*channel));
    if (!channel)
        return IOTIFY_RESULT_FULL;
    *channel = (struct channel){does, loop, events};
    *out = channel;
    return IOTIFY_RESULT_OK;
}

static void wrong_channel_free(void *given)
{
    struct channel *channel = given;

    ends("channel_free");
    if (wrong_is(channel->does, "strict-lookup-left"))
        channel->loop->resolve(channel->loop, "localhost", strict_on_resolved, NULL);
    free(channel);
}

static void wrong_connected(struct session *session)
{
    const struct channel *channel = session->channel;
    struct iotify_connect_times times = {.struct_size = sizeof(times), .tcp = 1, .session = 1};

    session->connecting = false;
    session->connected = true;
    if (wrong_is(channel->does, "connected-negative"))
        times.session = -5;
    if (wrong_is(channel->does, "connected-small"))
        times.struct_size = 8;
    channel->events->connected(
        session->user, wrong_is(channel->does, "connected-null") ? NULL : &times);
}

static void wrong_closed(struct session *session)
{
    const struct channel *channel = session->channel;
    const struct iotify_connect_times times = {.struct_size = sizeof(times)};
    const struct iotify_message message = {.struct_size = sizeof(message), .topic = "t"};

    session->closing = session->connected = session->connecting = false;
    channel->events->closed(session->user,
        wrong_is(channel->does, "closed-reason")     ? (enum iotify_close)99
        : wrong_is(channel->does, "closed-negative") ? (enum iotify_close) - 3
                                                     : IOTIFY_CLOSED_BY_US,
        wrong_is(channel->does, "closed-null") ? NULL : "closed");
    if (wrong_is(channel->does, "strict-closed-twice"))
        channel->events->closed(session->user, IOTIFY_CLOSED_BY_US, "closed");
    if (wrong_is(channel->does, "strict-message-closed"))
        channel->events->message(session->user, &message);
    if (wrong_is(channel->does, "strict-connected-closed"))
        channel->events->connected(session->user, &times);
}

static void wrong_message(
    const struct session *session, const char *topic, struct iotify_bytes payload)
{
    const char *does = session->channel->does;
    const struct iotify_property property = {"name", NULL};
    struct iotify_message message = {
        .struct_size = sizeof(message), .topic = topic, .payload = payload};

    if (wrong_is(does, "message-small"))
        message.struct_size = 8;
    message.property_count = wrong_is(does, "message-no-properties") ? 3 : 0;
    if (wrong_is(does, "message-property-null")) {
        message.properties = &property;
        message.property_count = 1;
        message.property_size = sizeof(property);
    }
    session->channel->events->message(
        session->user, wrong_is(does, "message-null") ? NULL : &message);
}

static void wrong_posted(void *argument)
{
    (void)argument;
    ends("posted");
}

static void wrong_on_timer(void *argument)
{
    struct session *session = argument;
    const struct channel *channel = session->channel;

    ends("timer");
    if (session->closing) {
        if (!wrong_is(channel->does, "close-never"))
            wrong_closed(session);
        return;
    }
    if (session->connecting && wrong_is(channel->does, "connect-never"))
        return;
    if (session->connecting)
        wrong_connected(session);
    channel->loop->post(channel->loop, wrong_posted, NULL);
    if (session->connected && strncmp(channel->does, "message-", 8) == 0 &&
        !wrong_is(channel->does, "message-no-topic") &&
        !wrong_is(channel->does, "message-no-payload"))
        wrong_message(session, "t", (struct iotify_bytes){"x", 1});
    if (session->connected && wrong_is(channel->does, "message-no-topic"))
        wrong_message(session, NULL, (struct iotify_bytes){"x", 1});
    if (session->connected && wrong_is(channel->does, "message-no-payload"))
        wrong_message(session, "t", (struct iotify_bytes){NULL, 10});
    while (session->connected && session->acknowledged < session->next)
        if (wrong_is(channel->does, "refused-null"))
            channel->events->refused(session->user, session->acknowledged++, 500, NULL);
        else
            channel->events->acknowledged(session->user, session->acknowledged++);
    if (session->connected && session->next && !session->strict) {
        session->strict = true;
        strict_do(session);
    }
}

static enum iotify_result wrong_session_new(void *given, struct iotify_call *call,
    const void *options, const char *const *subscriptions, size_t count, void *user, void **out)
{
    const struct channel *channel = given;
    enum iotify_result result = wrong_answer(channel->does, "session");
    struct session *session;

    ends("session_new");
    (void)call, (void)options, (void)subscriptions, (void)count;
    if (result != IOTIFY_RESULT_OK || wrong_is(channel->does, "session-null"))
        return result;
    session = calloc(1, sizeof(*session));
    if (!session)
        return IOTIFY_RESULT_FULL;
    *session = (struct session){.channel = channel, .user = user};
    session->timer = channel->loop->timer_new(channel->loop, wrong_on_timer, session);
    *out = session;
    return IOTIFY_RESULT_OK;
}

static void wrong_session_connect(void *given)
{
    struct session *session = given;

    ends("session_connect");
    session->connecting = true;
    session->channel->loop->log(
        session->channel->loop, session->user, IOTIFY_LOG_DEBUG, "a session begins");
    session->channel->loop->timer_start(session->timer, 0);
}

static enum iotify_result wrong_session_publish(void *given, struct iotify_call *call,
    const void *options, struct iotify_bytes payload, uint64_t token)
{
    struct session *session = given;

    ends("session_publish");
    (void)options, (void)payload;
    if (wrong_is(session->channel->does, "throttled-once") && !session->throttled) {
        session->throttled = true;
        call->host->retry_after(call, 50000000);
        return call->host->fail(call, IOTIFY_RESULT_THROTTLED, "Throttled", "a moment");
    }
    if (wrong_is(session->channel->does, "strict-inside"))
        session->channel->events->acknowledged(session->user, token);
    session->next = token + 1;
    session->channel->loop->timer_start(session->timer, 0);
    return wrong_answer(session->channel->does, "publish");
}

static void wrong_session_end(void *given)
{
    struct session *session = given;

    ends("session_disconnect");
    session->closing = true;
    session->channel->loop->timer_start(session->timer, 0);
}

static void wrong_session_free(void *given)
{
    struct session *session = given;

    ends("session_free");
    session->channel->loop->timer_free(session->timer);
    free(session);
}

static size_t wrong_session_unwritten(const void *session)
{
    ends("session_unwritten");
    (void)session;
    return 0;
}

static const struct iotify_transport operations = {
    IOTIFY_TRANSPORT_SIZES,
    .capabilities = IOTIFY_CAPABILITY_SUBSCRIBE | IOTIFY_CAPABILITY_ACKNOWLEDGE,
    .connection = &connection,
    .publish = &publish,
    .check = wrong_check,
    .open = wrong_open,
    .close = wrong_close,
    .channel_new = wrong_channel_new,
    .channel_free = wrong_channel_free,
    .session_new = wrong_session_new,
    .session_connect = wrong_session_connect,
    .session_publish = wrong_session_publish,
    .session_disconnect = wrong_session_end,
    .session_free = wrong_session_free,
    .session_drop = wrong_session_end,
    .session_unwritten = wrong_session_unwritten,
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_TRANSPORT, .name = "wrong-transport", .version = "1",
    .summary = "breaks a rule of the contract", .settings = &settings, .operations = &operations);
