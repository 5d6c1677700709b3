/* SPDX-License-Identifier: Apache-2.0 */
/* The life of sessions and channels. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "conformance/transport_internal.h"
#include "core/base/clock.h"

static void transport_nothing(struct transport_world *world, const void *data)
{
    (void)world, (void)data;
}

/* More channels on the same instance and loop. */
static void transport_channels(struct transport_world *world, const void *data)
{
    struct iotify_session_events events = {.struct_size = sizeof(events)};
    void *channels[20] = {NULL};
    struct call call;

    (void)data;
    call_init(&call, "conformance");
    for (size_t i = 0; i < 20; i++)
        suite_check(world->suite,
            world->operations->channel_new(world->instance, &call.base, &world->loop.base, &events,
                &channels[i]) == IOTIFY_RESULT_OK,
            "channel_new() failed: %s", call_message(&call, IOTIFY_RESULT_FAILED));
    for (size_t i = 0; i < 20; i++)
        if (channels[i])
            world->operations->channel_free(channels[i]);
    call_clear(&call);
}

static void transport_unused(struct transport_world *world, const void *data)
{
    (void)data;
    transport_make(world, 10, true);
    transport_run(world, 20);
    for (size_t i = 0; i < world->count; i++)
        suite_check(world->suite, !world->sessions[i].connected && !world->sessions[i].closed,
            "a session that was not connected has events");
}

/* What the host does with a session, and what it must hear of it. */
struct transport_life {
    const char *name;
    const char *acts; /* c connect, w wait until connected, d disconnect, x drop, f free, p publish,
                         s wait until settled, e wait until closed, r run for a moment */
    int connected, closed;
};

static const struct transport_life transport_lives[] = {
    {"connect and disconnect", "cwder", 1, 1},
    {"connect and drop", "cwxer", 1, 1},
    {"disconnect while it connects", "cder", -1, 1},
    {"drop while it connects", "cxer", -1, 1},
    {"disconnect twice", "cwdder", 1, 1},
    {"disconnect, then drop", "cwdxer", 1, 1},
    {"drop twice", "cwxxer", 1, 1},
    {"disconnect without a connection", "dr", 0, 0},
    {"drop without a connection", "xr", 0, 0},
    {"disconnect after it has closed", "cwdedr", 1, 1},
    {"drop after it has closed", "cwxexr", 1, 1},
    {"connect twice in a row", "ccwrder", 1, 1},
    {"connect again after it was disconnected", "cwdecwder", 2, 2},
    {"connect again after it was dropped", "cwxecwder", 2, 2},
    {"connect ten times", "cwdecwdecwdecwdecwdecwxecwxecwxecwxecwxer", 10, 10},
    {"publish, settle, disconnect", "cwpsder", 1, 1},
    {"publish, settle, drop", "cwpsxer", 1, 1},
    {"free while it connects", "cf", -1, 0},
    {"free while it is connected", "cwf", 1, 0},
    {"free with messages in flight", "cwpppppf", 1, 0},
    {"free while it disconnects", "cwdf", 1, 0},
    {"free while it is dropped", "cwxf", 1, 0},
    {"free after it has closed", "cwdef", 1, 1},
};

static void transport_act(struct transport_world *world, char act)
{
    struct transport_session *session = &world->sessions[0];

    switch (act) {
    case 'c':
        transport_connect(session);
        break;
    case 'w':
        transport_until(world, transport_all_connected, "the session is connected");
        break;
    case 'd':
        transport_disconnect(session);
        break;
    case 'x':
        transport_drop(session);
        break;
    case 'f':
        transport_free(session);
        break;
    case 'p':
        suite_check(world->suite, transport_publish(session, "x", 1) == IOTIFY_RESULT_OK,
            "session_publish() failed");
        break;
    case 's':
        transport_until(world, transport_all_settled, "the message is settled");
        break;
    case 'e':
        transport_until(world, transport_all_closed, "the session has closed");
        break;
    default:
        transport_run(world, 50);
    }
}

static void transport_live(struct transport_world *world, const void *data)
{
    const struct transport_life *life = data;
    const struct transport_session *session;

    if (!transport_make(world, 1, true))
        return;
    session = &world->sessions[0];
    for (const char *act = life->acts; *act && !world->suite->why; act++)
        transport_act(world, *act);
    /* Events of a freed session would come now. */
    transport_run(world, 50);
    suite_check(world->suite, life->connected < 0 || session->connected == life->connected,
        "%d times connected, not %d", session->connected, life->connected);
    suite_check(world->suite, session->closed == life->closed, "%d times closed, not %d",
        session->closed, life->closed);
    if (session->closed)
        suite_check(world->suite, session->reason == IOTIFY_CLOSED_BY_US,
            "the host closed it, and the reason is %s: %s", transport_reason_name(session->reason),
            session->text);
}

/* ------------------------------------------------------------------ inside of events */

struct transport_reentry {
    const char *name;
    char event, act; /* c connected, a acknowledged, m message, e closed; as above */
};

static const struct transport_reentry transport_reentries[] = {
    {"publish inside of `connected`", 'c', 'p'},
    {"disconnect inside of `connected`", 'c', 'd'},
    {"drop inside of `connected`", 'c', 'x'},
    {"publish inside of `acknowledged`", 'a', 'p'},
    {"disconnect inside of `acknowledged`", 'a', 'd'},
    {"drop inside of `acknowledged`", 'a', 'x'},
    {"publish inside of `message`", 'm', 'p'},
    {"disconnect inside of `message`", 'm', 'd'},
    {"drop inside of `message`", 'm', 'x'},
    {"connect inside of `closed`", 'e', 'c'},
};

static char transport_reentry_act;

static void transport_reenter(struct transport_session *session)
{
    transport_act(session->world, transport_reentry_act);
}

static void transport_reentrant(struct transport_world *world, const void *data)
{
    const struct transport_reentry *reentry = data;
    struct transport_session *session;
    bool ends = reentry->act == 'd' || reentry->act == 'x';

    if (reentry->event == 'm' && !transport_receives(world))
        return;
    if (!transport_make(world, 1, true))
        return;
    session = &world->sessions[0];
    transport_reentry_act = reentry->act;
    if (reentry->event == 'c')
        session->on_connected = transport_reenter;
    else if (reentry->event == 'a')
        session->on_acknowledged = transport_reenter;
    else if (reentry->event == 'm')
        session->on_message = transport_reenter;
    else
        session->on_closed = transport_reenter;
    transport_act(world, 'c');
    if (reentry->event != 'c') {
        transport_act(world, 'w');
        transport_act(world, reentry->event == 'e' ? 'd' : 'p');
    }
    if (ends) {
        transport_act(world, 'e');
    } else {
        if (reentry->event == 'm')
            transport_until(world, transport_has_received, "the session has the message");
        if (reentry->event == 'e')
            transport_act(world, 'r');
        transport_act(world, 'w');
        transport_act(world, 's');
        transport_act(world, 'd');
        transport_until(world, transport_all_closed, "the session has closed");
    }
    suite_check(world->suite, session->connected == (reentry->event == 'e' ? 2 : 1),
        "%d times connected", session->connected);
}

/* ------------------------------------------------------------------ many sessions */

/* More connect to the server itself. */
#define RELAYED_MAX 400

static void transport_many(struct transport_world *world, const void *data)
{
    size_t count = *(const size_t *)data;
    struct rlimit limit;

    if (count > RELAYED_MAX)
        world->connection = world->direct;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < count + 100) {
        suite_skip(world->suite, "this process may not have as many descriptors");
        return;
    }
    if (!transport_open(world, count))
        return;
    for (size_t i = 0; i < count; i++)
        suite_check(world->suite,
            transport_publish(&world->sessions[i], "x", 1) == IOTIFY_RESULT_OK,
            "session_publish() failed");
    transport_until(world, transport_all_settled, "all messages are settled");
    for (size_t i = 0; i < count; i++)
        transport_disconnect(&world->sessions[i]);
    transport_until(world, transport_all_closed, "all sessions have closed");
}

static void transport_checks(struct suite *suite, const void *data)
{
    const struct iotify_transport *operations = &suite->plugin->transport;
    enum iotify_result result = IOTIFY_RESULT_OK;
    struct call call;

    (void)data;
    call_init(&call, "conformance");
    if (operations->check)
        result = operations->check(&call.base,
            suite_bind(suite, suite->plugin->descriptor.settings, NULL),
            suite_bind(suite, operations->connection, "connection"),
            suite_bind(suite, operations->publish, "publish"));
    suite_check(suite, result == IOTIFY_RESULT_OK, "check() says: %s", call_message(&call, result));
    call_clear(&call);
}

void transport_life_cases(struct suite *suite)
{
    static const size_t counts[] = {2, 100, 400, 5000};

    suite_case(suite, "check() accepts the settings", transport_checks, NULL);
    transport_case(suite, "open and close an instance with a channel", transport_nothing, NULL);
    transport_case(suite, "20 more channels", transport_channels, NULL);
    transport_case(suite, "sessions that are not used", transport_unused, NULL);
    for (size_t i = 0; i < sizeof(transport_lives) / sizeof(transport_lives[0]); i++)
        transport_case(suite, transport_lives[i].name, transport_live, &transport_lives[i]);
    for (size_t i = 0; i < sizeof(transport_reentries) / sizeof(transport_reentries[0]); i++)
        transport_case(
            suite, transport_reentries[i].name, transport_reentrant, &transport_reentries[i]);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        transport_case(suite,
            arena_format(&suite->arena, "%zu sessions at the same time", counts[i]), transport_many,
            &counts[i]);
}
