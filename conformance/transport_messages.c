/* SPDX-License-Identifier: Apache-2.0 */
/* Messages, both ways. */
#include <stdlib.h>
#include <string.h>

#include "conformance/transport_internal.h"
#include "core/base/clock.h"

/* All values of a byte. */
static void transport_fill(unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 31 + (i >> 8));
}

static void transport_size(struct transport_world *world, const void *data)
{
    size_t size = *(const size_t *)data;
    unsigned char *bytes = memory_new(size + 1, 1);
    enum iotify_result result;

    transport_fill(bytes, size);
    if (transport_open(world, 1)) {
        result = transport_publish(&world->sessions[0], bytes, size);
        /* The payload is copied. */
        memset(bytes, 0, size);
        suite_check(world->suite, result == IOTIFY_RESULT_OK, "session_publish() returned %s",
            call_result_name(result));
        transport_until(world, transport_all_settled, "the message is settled");
        suite_check(world->suite, world->sessions[0].refused == 0 && world->sessions[0].lost == 0,
            "the message was refused or lost");
    }
    free(bytes);
}

static void transport_burst(struct transport_world *world, const void *data)
{
    int count = *(const int *)data;

    if (!transport_open(world, 1))
        return;
    for (int i = 0; i < count; i++)
        suite_check(world->suite,
            transport_publish(&world->sessions[0], "message", 7) == IOTIFY_RESULT_OK,
            "session_publish() failed at message %d", i);
    transport_until(world, transport_all_settled, "all messages are settled");
    suite_check(world->suite, world->sessions[0].acknowledged == (uint32_t)count,
        "%u of %d messages are acknowledged", world->sessions[0].acknowledged, count);
    suite_check(world->suite, transport_unwritten(&world->sessions[0]) == 0,
        "session_unwritten() is not 0 when all is acknowledged");
}

/* One after the other, each from the event about the one before. */
static int transport_left;

static void transport_publish_next(struct transport_session *session)
{
    if (transport_left-- > 0) {
        session->on_acknowledged = transport_publish_next;
        transport_publish(session, "x", 1);
    }
}

static void transport_in_turn(struct transport_world *world, const void *data)
{
    (void)data;
    if (!transport_open(world, 1))
        return;
    transport_left = 200;
    transport_publish_next(&world->sessions[0]);
    transport_until(world, transport_all_settled, "all messages are settled");
    suite_check(world->suite, world->sessions[0].acknowledged == 200, "%u of 200 are acknowledged",
        world->sessions[0].acknowledged);
}

static void transport_not_connected(struct transport_world *world, const void *data)
{
    enum iotify_result result;

    (void)data;
    if (!transport_make(world, 1, true))
        return;
    result = transport_publish(&world->sessions[0], "x", 1);
    suite_check(world->suite, result == IOTIFY_RESULT_TRANSIENT,
        "session_publish() without a connection returned %s", call_result_name(result));
    transport_run(world, 50);
    suite_check(world->suite, !world->sessions[0].acknowledged && !world->sessions[0].lost,
        "an event follows a message that was not accepted");
}

static void transport_after_close(struct transport_world *world, const void *data)
{
    enum iotify_result result;

    (void)data;
    if (!transport_open(world, 1))
        return;
    transport_disconnect(&world->sessions[0]);
    transport_until(world, transport_all_closed, "the session has closed");
    result = transport_publish(&world->sessions[0], "x", 1);
    suite_check(world->suite, result == IOTIFY_RESULT_TRANSIENT,
        "session_publish() after `closed` returned %s", call_result_name(result));
}

/* Messages without an answer are sent again after the next connect, or are reported as lost. */
static void transport_resent(struct transport_world *world, const void *data)
{
    struct transport_session *session;

    (void)data;
    if (!transport_open(world, 1))
        return;
    session = &world->sessions[0];
    for (int i = 0; i < 20; i++)
        transport_publish(session, "x", 1);
    transport_drop(session);
    transport_until(world, transport_all_closed, "the session has closed");
    transport_connect(session);
    transport_until(world, transport_all_connected, "the session is connected again");
    transport_until(world, transport_all_settled, "all messages are settled");
}

/* ------------------------------------------------------------------ received messages */

bool transport_has_received(struct transport_world *world)
{
    for (size_t i = 0; i < world->count; i++)
        if (!world->sessions[i].received)
            return false;
    return true;
}

bool transport_receives(const struct transport_world *world)
{
    bool subscribes = world->operations->capabilities & IOTIFY_CAPABILITY_SUBSCRIBE;

    if (!subscribes)
        suite_skip(world->suite, "the transport has no subscriptions");
    else if (!*world->topic)
        suite_skip(world->suite, "no topic is set");
    return subscribes && *world->topic;
}

static void transport_receive(struct transport_world *world, const void *data)
{
    size_t size = *(const size_t *)data;
    unsigned char *bytes = memory_new(size + 1, 1);

    transport_fill(bytes, size);
    if (transport_receives(world) && transport_open(world, 3)) {
        transport_publish(&world->sessions[0], bytes, size);
        transport_until(world, transport_has_received, "each session has the message");
        for (size_t i = 0; i < world->count; i++)
            suite_check(world->suite,
                world->sessions[i].last_hash == transport_hash(bytes, size) &&
                    strcmp(world->sessions[i].last_topic, world->topic) == 0,
                "%zu bytes came under the topic \"%s\", which are others, or is another",
                world->sessions[i].last_size, world->sessions[i].last_topic);
    }
    free(bytes);
}

/* Subscriptions are made again with each connection. */
static void transport_receive_again(struct transport_world *world, const void *data)
{
    struct transport_session *session;

    (void)data;
    if (!transport_receives(world) || !transport_open(world, 1))
        return;
    session = &world->sessions[0];
    transport_drop(session);
    transport_until(world, transport_all_closed, "the session has closed");
    transport_connect(session);
    transport_until(world, transport_all_connected, "the session is connected again");
    transport_publish(session, "again", 5);
    transport_until(world, transport_has_received, "the session has the message");
}

static void transport_answer(struct transport_world *world, const void *data)
{
    (void)data;
    if (!(world->operations->capabilities & IOTIFY_CAPABILITY_ANSWER)) {
        suite_skip(world->suite, "the transport has no answers");
        return;
    }
    if (!transport_open(world, 1))
        return;
    transport_publish(&world->sessions[0], "x", 1);
    transport_until(world, transport_all_settled, "the message is settled");
    suite_check(world->suite, world->sessions[0].received == 1,
        "%d answers came before the message was settled", world->sessions[0].received);
}

void transport_message_cases(struct suite *suite)
{
    static const size_t sizes[] = {0, 1, 127, 128, 1000, 16383, 16384, 65535, 131072};
    static const size_t received[] = {0, 1, 5000, 100000};
    static const int bursts[] = {10, 100, 500, 2000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        transport_case(suite, arena_format(&suite->arena, "a payload of %zu bytes", sizes[i]),
            transport_size, &sizes[i]);
    for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++)
        transport_case(suite, arena_format(&suite->arena, "%d messages at once", bursts[i]),
            transport_burst, &bursts[i]);
    transport_case(suite, "200 messages in turn", transport_in_turn, NULL);
    transport_case(suite, "publish before the session is connected", transport_not_connected, NULL);
    transport_case(suite, "publish after the session has closed", transport_after_close, NULL);
    transport_case(suite, "messages in flight when the connection ends", transport_resent, NULL);
    for (size_t i = 0; i < sizeof(received) / sizeof(received[0]); i++)
        transport_case(suite,
            arena_format(&suite->arena, "three subscribers and %zu bytes", received[i]),
            transport_receive, &received[i]);
    transport_case(suite, "subscriptions after a new connection", transport_receive_again, NULL);
    transport_case(suite, "an answer comes before its message is settled", transport_answer, NULL);
}
