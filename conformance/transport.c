/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of iotify/transport.h, with any transport and a server that the user names, through a
 * relay that makes the faults of networks. Each case has a loop, an instance and a channel of its
 * own, and closes all its descriptors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/transport_internal.h"
#include "core/base/activity.h"
#include "core/base/clock.h"
#include "core/loop/loop_checks.h"
#include "core/settings/schema.h"
#include "core/store/guard.h"

#define WAIT (10 * SECOND)
/* More than the strict checks allow: the machine may be busy. */
#define BLOCKED (SECOND / 2)

/* ------------------------------------------------------------------ events */

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

static uint64_t transport_hash(const void *data, size_t size)
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

    if (!suite_check(session->world->suite,
            message && message->topic && (message->payload.data || !message->payload.size),
            "`message` came without a topic or a payload") ||
        !message)
        return;
    session->received++;
    snprintf(session->last_topic, sizeof(session->last_topic), "%s", message->topic);
    session->last_size = message->payload.size;
    session->last_hash = transport_hash(message->payload.data, message->payload.size);
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

static const struct iotify_session_events transport_events = {
    .struct_size = sizeof(transport_events),
    .connected = transport_on_connected,
    .acknowledged = transport_on_acknowledged,
    .message = transport_on_message,
    .closed = transport_on_closed,
    .lost = transport_on_lost,
    .refused = transport_on_refused};

/* ------------------------------------------------------------------ the loop */

static void transport_ignore(void *argument)
{
    (void)argument;
}

static const struct loop_owner transport_owner = {.woken = transport_ignore};

static void transport_on_limit(void *argument)
{
    struct transport_world *world = argument;

    world->timed_out = true;
    loop_stop(&world->loop);
}

static void transport_on_tick(void *argument)
{
    struct transport_world *world = argument;

    if (world->until && world->until(world))
        loop_stop(&world->loop);
    else
        world->loop.base.timer_start(world->tick, MILLISECOND);
}

bool transport_until(struct transport_world *world,
    bool (*condition)(struct transport_world *world), const char *what)
{
    world->until = condition;
    world->timed_out = false;
    world->loop.base.timer_start(world->limit, WAIT);
    world->loop.base.timer_start(world->tick, 0);
    loop_run(&world->loop);
    world->loop.base.timer_stop(world->limit);
    world->loop.base.timer_stop(world->tick);
    return suite_check(world->suite, !world->timed_out, "not within 10 s: %s", what);
}

void transport_run(struct transport_world *world, int milliseconds)
{
    world->until = NULL;
    world->loop.base.timer_start(world->limit, milliseconds * MILLISECOND);
    loop_run(&world->loop);
}

static void transport_on_fault(void *argument, const char *operation, const char *text)
{
    const struct transport_world *world = argument;

    suite_check(world->suite, false, "%s() %s", operation, text);
}

/* A library that serves all sessions of a channel at once may take its time for so many. */
static void transport_on_blocked(void *argument, const char *operation, int64_t nanoseconds)
{
    const struct transport_world *world = argument;

    if (strcmp(operation, SUITE_OPERATION) != 0 && world->count <= 100 && nanoseconds > BLOCKED)
        suite_check(world->suite, false, "%s() blocked its loop for %lld ms", operation,
            (long long)(nanoseconds / MILLISECOND));
}

/* ------------------------------------------------------------------ sessions */

/* The connection settings of one session: with a client id of its own, where there are any. */
static const void *transport_own_connection(struct transport_world *world, size_t index)
{
    const struct iotify_settings *settings = world->operations->connection;
    struct arena *arena = &world->suite->arena;
    struct iotify_setting setting;
    const char *given;
    char *copy;

    if (!schema_find_role(settings, IOTIFY_ROLE_CLIENT_ID, IOTIFY_TYPE_STRING, &setting))
        return world->connection;
    copy = arena_copy(arena, world->connection, settings->options_size);
    given = schema_role_text(settings, IOTIFY_ROLE_CLIENT_ID, copy);
    *(const char **)(void *)(copy + setting.offset) =
        arena_format(arena, "%s%zu", given ? given : "conformance", index);
    return copy;
}

bool transport_make(struct transport_world *world, size_t count, bool subscribed)
{
    bool subscribes = subscribed && *world->topic &&
                      (world->operations->capabilities & IOTIFY_CAPABILITY_SUBSCRIBE);
    struct call call;

    world->sessions = memory_new(count, sizeof(*world->sessions));
    for (size_t i = 0; i < count; i++) {
        struct transport_session *session = &world->sessions[world->count++];
        enum iotify_result result;

        call_init(&call, "conformance");
        call.base.client = (int64_t)i;
        session->world = world;
        session->tokens = memory_new(TOKENS_MAX, 1);
        result = world->operations->session_new(world->channel, &call.base,
            transport_own_connection(world, i), subscribes ? &world->topic : NULL,
            subscribes ? 1 : 0, session, &session->session);
        suite_check(world->suite, result == IOTIFY_RESULT_OK && session->session,
            "session_new() failed: %s", call_message(&call, result));
        call_clear(&call);
        if (world->suite->why)
            return false;
    }
    return true;
}

void transport_connect(struct transport_session *session)
{
    session->inside = true;
    session->world->operations->session_connect(session->session);
    session->inside = false;
}

void transport_disconnect(struct transport_session *session)
{
    session->inside = true;
    session->world->operations->session_disconnect(session->session);
    session->inside = false;
}

void transport_drop(struct transport_session *session)
{
    session->inside = true;
    session->world->operations->session_drop(session->session);
    session->inside = false;
}

void transport_free(struct transport_session *session)
{
    session->inside = true;
    if (session->session)
        session->world->operations->session_free(session->session);
    session->session = NULL;
}

enum iotify_result transport_publish(
    struct transport_session *session, const void *data, size_t size)
{
    struct transport_world *world = session->world;
    bool inside = session->inside;
    enum iotify_result result;
    struct call call;

    if (session->next == TOKENS_MAX)
        return IOTIFY_RESULT_FULL;
    call_init(&call, "conformance");
    session->inside = true;
    result = world->operations->session_publish(session->session, &call.base, world->publish,
        (struct iotify_bytes){data, size}, session->next++);
    session->inside = inside;
    if (result == IOTIFY_RESULT_OK)
        session->accepted++;
    else
        session->next--;
    call_clear(&call);
    return result;
}

bool transport_all_connected(struct transport_world *world)
{
    for (size_t i = 0; i < world->count; i++)
        if (!world->sessions[i].open)
            return false;
    return true;
}

bool transport_all_closed(struct transport_world *world)
{
    for (size_t i = 0; i < world->count; i++)
        if (world->sessions[i].open || !world->sessions[i].closed)
            return false;
    return true;
}

bool transport_all_settled(struct transport_world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        const struct transport_session *session = &world->sessions[i];

        if (session->acknowledged + session->refused + (uint32_t)session->lost != session->accepted)
            return false;
    }
    return true;
}

bool transport_open(struct transport_world *world, size_t count)
{
    /* Each message goes to all subscribers. */
    if (!transport_make(world, count, count < 10))
        return false;
    for (size_t i = 0; i < count; i++)
        transport_connect(&world->sessions[i]);
    if (transport_until(world, transport_all_connected, "all sessions are connected"))
        return true;
    for (size_t i = 0; i < count; i++)
        if (world->sessions[i].closed)
            suite_check(world->suite, false, "%s", world->sessions[i].text);
    return false;
}

/* ------------------------------------------------------------------ a world for each case */

/* The connection settings, with the relay for the server that they name. */
static const void *transport_bind_connection(struct suite *suite,
    const struct iotify_transport *operations, struct relay **relay, const void **direct)
{
    const struct iotify_settings *settings = operations->connection;
    char *options = (char *)suite_bind(suite, settings, "connection");
    struct iotify_setting host, port;

    *direct = options;
    if (!schema_find_role(settings, IOTIFY_ROLE_HOST, IOTIFY_TYPE_STRING, &host) ||
        !schema_find_role(settings, IOTIFY_ROLE_PORT, IOTIFY_TYPE_INTEGER, &port))
        return options;
    if (!*(char **)(void *)(options + host.offset)) {
        fprintf(stderr,
            "iotify-plugin-test: name the server, which the suite uses as any client would: "
            "--set connection.%s=HOST --set connection.%s=PORT\n",
            host.name, port.name);
        activity_exit(2);
    }
    *relay = relay_start(*(char **)(void *)(options + host.offset),
        (uint16_t) * (int64_t *)(void *)(options + port.offset));
    if (!*relay) {
        fprintf(stderr, "iotify-plugin-test: cannot find the server, or relay to it\n");
        activity_exit(2);
    }
    *direct = arena_copy(&suite->arena, options, settings->options_size);
    *(const char **)(void *)(options + host.offset) = "127.0.0.1";
    *(int64_t *)(void *)(options + port.offset) = relay_port(*relay);
    return options;
}

static bool transport_open_world(struct suite *suite, struct transport_world *world)
{
    const char *topic;
    enum iotify_result result;
    struct call call;

    *world = (struct transport_world){
        .suite = suite, .operations = &suite->plugin->transport, .topic = ""};
    world->options = suite_bind(suite, suite->plugin->descriptor.settings, NULL);
    world->connection =
        transport_bind_connection(suite, world->operations, &world->relay, &world->direct);
    world->publish = suite_bind(suite, world->operations->publish, "publish");
    topic = schema_role_text(world->operations->publish, IOTIFY_ROLE_TOPIC, world->publish);
    if (topic)
        world->topic = topic;
    if (!loop_init(&world->loop, &transport_owner, world))
        return suite_check(suite, false, "no loop");
    world->loop.plugin = suite->plugin->name;
    world->checks = loop_checks_begin(&world->loop, transport_on_fault, world);
    activity_time(transport_on_blocked, world);
    world->limit = world->loop.base.timer_new(&world->loop.base, transport_on_limit, world);
    world->tick = world->loop.base.timer_new(&world->loop.base, transport_on_tick, world);
    call_init(&call, "conformance");
    result = world->operations->open(&call.base, world->options, &world->instance);
    suite_check(suite, result == IOTIFY_RESULT_OK && world->instance, "open() failed: %s",
        call_message(&call, result));
    if (!suite->why) {
        result = world->operations->channel_new(
            world->instance, &call.base, &world->loop.base, &transport_events, &world->channel);
        suite_check(suite, result == IOTIFY_RESULT_OK && world->channel, "channel_new() failed: %s",
            call_message(&call, result));
    }
    call_clear(&call);
    return !suite->why;
}

static void transport_close_world(struct transport_world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        transport_free(&world->sessions[i]);
        free(world->sessions[i].tokens);
    }
    loop_run_posts(&world->loop);
    if (world->channel)
        world->operations->channel_free(world->channel);
    if (world->instance)
        world->operations->close(world->instance);
    if (world->checks) {
        world->loop.base.timer_free(world->limit);
        world->loop.base.timer_free(world->tick);
        activity_time(NULL, NULL);
        loop_checks_end(world->checks);
        loop_clear(&world->loop);
    }
    free(world->sessions);
    if (world->relay)
        relay_stop(world->relay);
}

struct transport_step {
    void (*run)(struct transport_world *world, const void *data);
    const void *data;
    bool network;
};

static void transport_run_case(struct suite *suite, const void *data)
{
    const struct transport_step *step = data;
    struct transport_world world;
    int before = suite_descriptors();

    if (transport_open_world(suite, &world)) {
        if (step->network && !world.relay)
            suite_skip(suite, "the transport has no host");
        else
            step->run(&world, step->data);
    }
    transport_close_world(&world);
    suite_check(suite, suite_descriptors() == before, "%d descriptors are open, %d before",
        suite_descriptors(), before);
}

void transport_case(struct suite *suite, const char *name,
    void (*run)(struct transport_world *world, const void *data), const void *data)
{
    const struct transport_step step = {run, data, false};

    suite_case(suite, name, transport_run_case, &step);
}

void transport_network_case(struct suite *suite, const char *name,
    void (*run)(struct transport_world *world, const void *data), const void *data)
{
    const struct transport_step step = {run, data, true};

    suite_case(suite, name, transport_run_case, &step);
}

void transport_suite(struct suite *suite)
{
    transport_life_cases(suite);
    transport_message_cases(suite);
    transport_network_cases(suite);
}
