/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of networks and servers, which the relay makes. */
#include <stdlib.h>
#include <string.h>

#include "conformance/transport_internal.h"
#include "core/base/clock.h"
#include "core/settings/schema.h"

/* A set of reasons. */
#define REASON(name) (1u << IOTIFY_CLOSED_##name)
#define ANY_REASON                                                                                 \
    (REASON(BY_PEER) | REASON(REFUSED) | REASON(TLS) | REASON(PROTOCOL) | REASON(TIMEOUT) |        \
        REASON(UNREACHABLE))

static void transport_expect_reason(
    struct transport_world *world, const struct transport_session *session, unsigned reasons)
{
    suite_check(world->suite, reasons & (1u << session->reason),
        "closed with the reason %s, which does not fit: %s", transport_reason_name(session->reason),
        session->text);
    suite_check(world->suite, *session->text != '\0', "closed without a text");
}

/* Change the connection of a world; the options are its own. */
static void transport_set_number(const struct transport_world *world, enum iotify_role role,
    enum iotify_type type, int64_t value)
{
    struct iotify_setting setting;

    if (schema_find_role(world->operations->connection, role, type, &setting))
        *(int64_t *)(void *)((char *)world->connection + setting.offset) = value;
}

/* ------------------------------------------------------------------ connecting */

struct transport_fault {
    const char *name;
    enum relay_mode mode;
    unsigned reasons;
};

static const struct transport_fault transport_faults[] = {
    {"a server that closes at once", RELAY_CLOSE, ANY_REASON},
    {"a server that resets at once", RELAY_RESET, ANY_REASON},
    {"a server that sends something else", RELAY_GARBAGE, ANY_REASON},
    {"a server that is silent", RELAY_SILENT, ANY_REASON},
};

/*
 * HTTP and its like open a connection and find the fault with the first message; then that one does
 * it.
 */
static void transport_fault(struct transport_world *world, const void *data)
{
    const struct transport_fault *fault = data;
    struct transport_session *session;

    transport_set_number(world, IOTIFY_ROLE_TIMEOUT, IOTIFY_TYPE_DURATION, SECOND / 2);
    relay_set_mode(world->relay, fault->mode);
    if (!transport_make(world, 1, true))
        return;
    session = &world->sessions[0];
    transport_connect(session);
    transport_run(world, 200);
    if (session->open)
        transport_publish(session, "x", 1);
    transport_until(world, transport_all_closed, "the session has closed");
    transport_expect_reason(world, session, fault->reasons);
    /* The next attempt is a new one. */
    relay_set_mode(world->relay, RELAY_PASS);
    transport_connect(session);
    transport_until(world, transport_all_connected, "the session is connected");
    transport_until(world, transport_all_settled, "its message is settled");
}

static void transport_set_host(struct transport_world *world, const char *name)
{
    struct iotify_setting host;

    if (schema_find_role(
            world->operations->connection, IOTIFY_ROLE_HOST, IOTIFY_TYPE_STRING, &host))
        *(const char **)(void *)((char *)world->connection + host.offset) = name;
}

/* None of so many sessions connects. */
static void transport_expect_unreachable(struct transport_world *world, size_t count)
{
    if (!transport_make(world, count, true))
        return;
    for (size_t i = 0; i < world->count; i++)
        transport_connect(&world->sessions[i]);
    transport_until(world, transport_all_closed, "the sessions have closed");
    for (size_t i = 0; i < world->count; i++)
        transport_expect_reason(world, &world->sessions[i], REASON(UNREACHABLE));
}

/* The port of a relay that has ended. */
static void transport_unreachable(struct transport_world *world, const void *data)
{
    struct relay *other = relay_start("127.0.0.1", relay_port(world->relay));
    uint16_t port = other ? relay_port(other) : 1;

    (void)data;
    if (other)
        relay_stop(other);
    transport_set_number(world, IOTIFY_ROLE_PORT, IOTIFY_TYPE_INTEGER, port);
    transport_expect_unreachable(world, 5);
}

static void transport_unknown_host(struct transport_world *world, const void *data)
{
    (void)data;
    transport_set_host(world, "no-such-host.invalid");
    transport_expect_unreachable(world, 2);
}

/* Freed while its name is looked up: its answer must not come. */
static void transport_free_while_resolving(struct transport_world *world, const void *data)
{
    (void)data;
    transport_set_host(world, "localhost");
    if (!transport_make(world, 20, true))
        return;
    for (size_t i = 0; i < world->count; i++)
        transport_connect(&world->sessions[i]);
    for (size_t i = 0; i < world->count; i++)
        transport_free(&world->sessions[i]);
    transport_run(world, 100);
    for (size_t i = 0; i < world->count; i++)
        suite_check(world->suite, !world->sessions[i].connected && !world->sessions[i].closed,
            "a freed session has events");
}

/* ------------------------------------------------------------------ established connections */

static void transport_end_all(struct transport_world *world, char how)
{
    if (how == 'h')
        relay_half_close(world->relay);
    else
        relay_cut(world->relay, how == 'r');
}

/* A transport without a session notices with its next message. */
static void transport_cut(struct transport_world *world, const void *data)
{
    char how = *(const char *)data;
    struct transport_session *session;

    if (!transport_open(world, 1))
        return;
    session = &world->sessions[0];
    transport_publish(session, "x", 1);
    transport_until(world, transport_all_settled, "the message is settled");
    transport_end_all(world, how);
    transport_run(world, 100);
    if (session->open)
        transport_publish(session, "x", 1);
    transport_run(world, 100);
    if (session->closed)
        transport_expect_reason(world, session, ANY_REASON);
    if (session->open)
        transport_drop(session);
    transport_until(world, transport_all_closed, "the session has closed");
    transport_connect(session);
    transport_until(world, transport_all_connected, "the session is connected again");
    transport_publish(session, "x", 1);
    transport_until(world, transport_all_settled, "all messages are settled");
}

static void transport_storm(struct transport_world *world, const void *data)
{
    (void)data;
    if (!transport_open(world, 100))
        return;
    for (int storm = 0; storm < 3; storm++) {
        for (size_t i = 0; i < world->count; i++)
            transport_publish(&world->sessions[i], "x", 1);
        relay_cut(world->relay, storm == 1);
        transport_run(world, 200);
        for (size_t i = 0; i < world->count; i++)
            if (world->sessions[i].open)
                transport_drop(&world->sessions[i]);
        transport_until(world, transport_all_closed, "all sessions have closed");
        for (size_t i = 0; i < world->count; i++)
            transport_connect(&world->sessions[i]);
        if (!transport_until(world, transport_all_connected, "all sessions are connected again"))
            return;
    }
    transport_until(world, transport_all_settled, "all messages are settled");
}

/* ------------------------------------------------------------------ back-pressure */

#define STALLED_SIZE 60000
/* More than the buffers of the system take on the way, and what is written of the last message. */
#define BUFFERED_MAX (8 * 1024 * 1024)

static void transport_stall(struct transport_world *world, const void *data)
{
    char *bytes = memory_new(STALLED_SIZE, 1);
    struct transport_session *session;
    size_t unwritten;
    int64_t began;

    (void)data;
    if (transport_open(world, 1)) {
        session = &world->sessions[0];
        relay_set_mode(world->relay, RELAY_STALL);
        transport_run(world, 50);
        began = clock_now();
        for (int i = 0; i < 200; i++)
            transport_publish(session, bytes, STALLED_SIZE);
        suite_check(world->suite, clock_now() - began < SECOND,
            "session_publish() blocks when the server does not read");
        transport_run(world, 100);
        unwritten = transport_unwritten(session);
        suite_check(world->suite, unwritten > 200 * STALLED_SIZE - BUFFERED_MAX,
            "session_unwritten() is %zu, and about 12 MB wait", unwritten);
        relay_set_mode(world->relay, RELAY_PASS);
        transport_until(world, transport_all_settled, "all messages are settled");
        unwritten = transport_unwritten(session);
        suite_check(
            world->suite, unwritten == 0, "session_unwritten() is %zu at the end", unwritten);
    }
    free(bytes);
}

/* The host leaves although the server does not read. */
static void transport_leave_stalled(struct transport_world *world, const void *data)
{
    char how = *(const char *)data, *bytes = memory_new(STALLED_SIZE, 1);

    transport_set_number(world, IOTIFY_ROLE_TIMEOUT, IOTIFY_TYPE_DURATION, SECOND / 2);
    if (transport_open(world, 1)) {
        relay_set_mode(world->relay, RELAY_STALL);
        transport_run(world, 50);
        for (int i = 0; i < 200; i++)
            transport_publish(&world->sessions[0], bytes, STALLED_SIZE);
        if (how == 'd')
            transport_disconnect(&world->sessions[0]);
        else if (how == 'x')
            transport_drop(&world->sessions[0]);
        else
            transport_free(&world->sessions[0]);
        if (how != 'f')
            transport_until(world, transport_all_closed, "the session has closed");
    }
    free(bytes);
}

void transport_network_cases(struct suite *suite)
{
    static const struct {
        const char *name, how;
    } cuts[] = {{"the server closes", 'c'}, {"the server resets", 'r'},
        {"the server closes one direction", 'h'}},
      stalls[] = {{"disconnect from a server that does not read", 'd'},
          {"drop a server that does not read", 'x'},
          {"free with a server that does not read", 'f'}};

    for (size_t i = 0; i < sizeof(transport_faults) / sizeof(transport_faults[0]); i++)
        transport_network_case(
            suite, transport_faults[i].name, transport_fault, &transport_faults[i]);
    transport_network_case(suite, "no server at the port", transport_unreachable, NULL);
    transport_network_case(suite, "a name that does not exist", transport_unknown_host, NULL);
    transport_network_case(
        suite, "free while the name is looked up", transport_free_while_resolving, NULL);
    for (size_t i = 0; i < 3; i++)
        transport_network_case(suite, cuts[i].name, transport_cut, &cuts[i].how);
    transport_network_case(
        suite, "100 connections end at once, three times", transport_storm, NULL);
    transport_network_case(suite, "a server that stops reading for a while", transport_stall, NULL);
    for (size_t i = 0; i < 3; i++)
        transport_network_case(suite, stalls[i].name, transport_leave_stalled, &stalls[i].how);
}
