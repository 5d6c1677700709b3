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
#include "core/base/stop.h"
#include "core/loop/loop_checks.h"
#include "core/settings/schema.h"
#include "core/store/guard.h"

#define WAIT (10 * SECOND)
/* More than the strict checks allow: the machine may be busy. */
#define BLOCKED (SECOND / 2)

/* ------------------------------------------------------------------ the loop */

static void transport_ignore(void *argument)
{
    (void)argument;
}

const char *transport_reason_name(enum iotify_close reason)
{
    static const char *const names[] = {"none", "BY_US", "BY_PEER", "UNREACHABLE", "TLS", "REFUSED",
        "TIMEOUT", "PROTOCOL", "SUBSCRIPTION", "LOCAL", "DENIED"};

    return (size_t)reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "unknown";
}

static const struct loop_owner transport_owner = {.woken = transport_ignore};

static void transport_on_limit(void *argument)
{
    struct transport_world *world = argument;

    world->timed_out = true;
    loop_stop(&world->loop);
}

/* A session that was to connect, and has closed; NULL: none. */
static const struct transport_session *transport_find_closed(const struct transport_world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        const struct transport_session *session = &world->sessions[i];

        if (!session->open && session->closed > session->closed_before &&
            session->reason != IOTIFY_CLOSED_BY_US)
            return session;
    }
    return NULL;
}

static void transport_on_tick(void *argument)
{
    struct transport_world *world = argument;

    world->ended_badly =
        world->until == transport_all_connected ? transport_find_closed(world) : NULL;
    if ((world->until && world->until(world)) || world->ended_badly || stop_requested())
        loop_stop(&world->loop);
    else
        world->loop.base.timer_start(world->tick, MILLISECOND);
}

bool transport_until(struct transport_world *world,
    bool (*condition)(struct transport_world *world), const char *what)
{
    world->until = condition;
    world->timed_out = false;
    world->ended_badly = NULL;
    for (size_t i = 0; i < world->count; i++)
        world->sessions[i].closed_before = world->sessions[i].closed;
    world->loop.base.timer_start(world->limit, WAIT);
    world->loop.base.timer_start(world->tick, 0);
    loop_run(&world->loop);
    world->loop.base.timer_stop(world->limit);
    world->loop.base.timer_stop(world->tick);
    if (world->ended_badly)
        return suite_check(world->suite, false,
            "not true: %s; it has closed, and the reason is %s: %s", what,
            transport_reason_name(world->ended_badly->reason), world->ended_badly->text);
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
        struct activity before;

        call_init(&call, "conformance");
        call.base.client = (int64_t)i;
        session->world = world;
        session->tokens = memory_new(TOKENS_MAX, 1);
        before = transport_enter(world, "session_new");
        result = world->operations->session_new(world->channel, &call.base,
            transport_own_connection(world, i), subscribes ? &world->topic : NULL,
            subscribes ? 1 : 0, session, &session->session);
        activity_end(before);
        suite_check(world->suite, result == IOTIFY_RESULT_OK && session->session,
            "session_new() failed: %s", call_message(&call, result));
        call_clear(&call);
        if (world->suite->why)
            return false;
    }
    return true;
}

struct activity transport_enter(const struct transport_world *world, const char *operation)
{
    return activity_begin(world->suite->plugin->name, operation);
}

static void transport_call(
    struct transport_session *session, const char *operation, void (*function)(void *session))
{
    struct activity before = transport_enter(session->world, operation);

    session->inside = true;
    function(session->session);
    session->inside = false;
    activity_end(before);
}

void transport_connect(struct transport_session *session)
{
    transport_call(session, "session_connect", session->world->operations->session_connect);
}

void transport_disconnect(struct transport_session *session)
{
    transport_call(session, "session_disconnect", session->world->operations->session_disconnect);
}

void transport_drop(struct transport_session *session)
{
    transport_call(session, "session_drop", session->world->operations->session_drop);
}

size_t transport_unwritten(const struct transport_session *session)
{
    struct activity before = transport_enter(session->world, "session_unwritten");
    size_t size = session->world->operations->session_unwritten(session->session);

    activity_end(before);
    return size;
}

void transport_free(struct transport_session *session)
{
    if (session->session)
        transport_call(session, "session_free", session->world->operations->session_free);
    session->inside = true;
    session->session = NULL;
}

enum iotify_result transport_publish(
    struct transport_session *session, const void *data, size_t size)
{
    struct transport_world *world = session->world;
    bool inside = session->inside;
    enum iotify_result result;
    struct activity before;
    struct call call;

    if (session->next == TOKENS_MAX)
        return IOTIFY_RESULT_FULL;
    call_init(&call, "conformance");
    session->inside = true;
    before = transport_enter(world, "session_publish");
    result = world->operations->session_publish(session->session, &call.base, world->publish,
        (struct iotify_bytes){data, size}, session->next++);
    activity_end(before);
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

static void transport_free_channel(const struct transport_world *world)
{
    struct activity before = transport_enter(world, "channel_free");

    world->operations->channel_free(world->channel);
    activity_end(before);
}

static void transport_close_world(struct transport_world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        transport_free(&world->sessions[i]);
        free(world->sessions[i].tokens);
    }
    loop_run_posts(&world->loop);
    if (world->channel)
        transport_free_channel(world);
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

static void transport_connects(struct transport_world *world, const void *data)
{
    (void)data;
    transport_open(world, 1);
}

void transport_suite(struct suite *suite)
{
    transport_case(suite, "a session connects", transport_connects, NULL);
    if (suite->why) {
        printf("Bail out! Without a session nothing can be tested: %s\n", suite->why);
        return;
    }
    transport_life_cases(suite);
    transport_message_cases(suite);
    transport_network_cases(suite);
}
