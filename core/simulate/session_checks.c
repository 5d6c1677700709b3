/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/session_checks.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/activity.h"
#include "core/base/arena.h"
#include "core/base/strict.h"
#include "core/loop/loop_checks.h"
#include "core/simulate/session_events.h"
#include "core/simulate/simulate_loop_internal.h"

enum session_checks_state {
    CHECKS_CLOSED,
    CHECKS_CONNECTING,
    CHECKS_OPEN,
    CHECKS_ENDING /* the host has ended it; `closed` is to come */
};

/* One session, by the index of its device. */
struct session_check {
    enum session_checks_state state;
    uint64_t *tokens; /* accepted and not settled, in ascending order */
    size_t count, capacity;
};

struct session_checks {
    struct loop_checks *loop;
    struct session_check *sessions;
    size_t count;
};

/* The loop of this thread. */
static _Thread_local struct simulate_loop *checks_loop;

static void session_checks_on_fault(void *argument, const char *operation, const char *text)
{
    session_events_fault(argument, operation, "%s", text);
}

static void session_checks_on_blocked(void *argument, const char *operation, int64_t nanoseconds)
{
    session_events_fault(argument, operation, "blocked its loop for %lld ms",
        (long long)(nanoseconds / MILLISECOND));
}

void session_checks_begin(struct simulate_loop *loop)
{
    if (!strict_wanted())
        return;
    loop->checks = memory_new(1, sizeof(*loop->checks));
    *loop->checks =
        (struct session_checks){loop_checks_begin(&loop->events, session_checks_on_fault, loop),
            memory_new(loop->count, sizeof(struct session_check)), loop->count};
    checks_loop = loop;
    activity_time(session_checks_on_blocked, loop);
}

void session_checks_end(struct simulate_loop *loop)
{
    if (!loop->checks)
        return;
    activity_time(NULL, NULL);
    loop_checks_end(loop->checks->loop);
    for (size_t i = 0; i < loop->checks->count; i++)
        free(loop->checks->sessions[i].tokens);
    free(loop->checks->sessions);
    free(loop->checks);
    loop->checks = NULL;
    checks_loop = NULL;
}

static struct session_check *session_checks_of(const struct device *device)
{
    const struct simulate_loop *loop = device->loop;

    return &loop->checks->sessions[device - loop->devices];
}

/* ------------------------------------------------------------------ what the host does */

void session_checks_made(const struct device *device)
{
    struct session_check *check = session_checks_of(device);

    check->state = CHECKS_CLOSED;
    check->count = 0;
}

void session_checks_connect(const struct device *device)
{
    struct session_check *check = session_checks_of(device);

    if (check->state == CHECKS_CLOSED)
        check->state = CHECKS_CONNECTING;
}

void session_checks_end_session(const struct device *device)
{
    struct session_check *check = session_checks_of(device);

    if (check->state != CHECKS_CLOSED)
        check->state = CHECKS_ENDING;
}

void session_checks_published(const struct device *device, uint64_t token)
{
    struct session_check *check = session_checks_of(device);

    if (check->count == check->capacity) {
        size_t capacity = check->capacity ? 2 * check->capacity : 8;
        uint64_t *larger = memory_new(capacity, sizeof(*larger));

        if (check->count)
            memcpy(larger, check->tokens, check->count * sizeof(*larger));
        free(check->tokens);
        check->tokens = larger;
        check->capacity = capacity;
    }
    check->tokens[check->count++] = token;
}

/* ------------------------------------------------------------------ events */

/* Are we in a callback of the loop, where events belong? */
static bool session_checks_is_callback(const char *operation)
{
    static const char *const callbacks[] = {"ready", "timer", "posted", "resolved"};

    for (size_t i = 0; operation && i < sizeof(callbacks) / sizeof(callbacks[0]); i++)
        if (strcmp(operation, callbacks[i]) == 0)
            return true;
    return false;
}

/* The session of an event that may come now; NULL after a fault: the event is not handled. */
static struct session_check *session_checks_event(void *user, const char *event)
{
    const char *operation = atomic_load(&activity_here.operation);
    const struct device *device = user;
    struct simulate_loop *loop = checks_loop;
    uintptr_t offset;

    if (!loop) {
        session_events_fault(device->loop, event, "came on a foreign thread");
        return NULL;
    }
    offset = (uintptr_t)user - (uintptr_t)loop->devices;
    if (offset >= loop->count * sizeof(*device) || offset % sizeof(*device) != 0) {
        session_events_fault(
            loop, event, "came with a `user` that is of no session of the channel");
        return NULL;
    }
    if (!session_checks_is_callback(operation)) {
        session_events_fault(
            loop, event, "came inside of %s()", operation ? operation : "the host's own code");
        return NULL;
    }
    return session_checks_of(device);
}

/* The session of an event that needs a connection. */
static struct session_check *session_checks_open(void *user, const char *event)
{
    struct session_check *check = session_checks_event(user, event);

    if (!check || check->state == CHECKS_OPEN || check->state == CHECKS_ENDING)
        return check;
    session_events_fault(checks_loop, event, "came for a session that is not connected");
    return NULL;
}

/* Each token is settled once. */
static bool session_checks_settle(void *user, uint64_t token, const char *event)
{
    struct session_check *check = session_checks_open(user, event);
    size_t i;

    if (!check)
        return false;
    for (i = 0; i < check->count && check->tokens[i] < token;)
        i++;
    if (i == check->count || check->tokens[i] != token) {
        session_events_fault(checks_loop, event,
            "came for token %llu, which is settled already, or was never published",
            (unsigned long long)token);
        return false;
    }
    check->count--;
    memmove(&check->tokens[i], &check->tokens[i + 1], (check->count - i) * sizeof(token));
    return true;
}

static void session_checks_on_connected(void *user, const struct iotify_connect_times *times)
{
    struct session_check *check = session_checks_event(user, "connected");

    if (!check)
        return;
    if (check->state == CHECKS_CLOSED || check->state == CHECKS_OPEN) {
        session_events_fault(checks_loop, "connected", "came for a session that %s",
            check->state == CHECKS_OPEN ? "is connected already" : "does not connect");
        return;
    }
    if (check->state == CHECKS_CONNECTING)
        check->state = CHECKS_OPEN;
    session_events.connected(user, times);
}

static void session_checks_on_acknowledged(void *user, uint64_t token)
{
    if (session_checks_settle(user, token, "acknowledged"))
        session_events.acknowledged(user, token);
}

static void session_checks_on_lost(void *user, uint64_t token)
{
    if (session_checks_settle(user, token, "lost"))
        session_events.lost(user, token);
}

static void session_checks_on_refused(void *user, uint64_t token, int32_t code, const char *text)
{
    if (session_checks_settle(user, token, "refused"))
        session_events.refused(user, token, code, text);
}

static void session_checks_on_message(void *user, const struct iotify_message *message)
{
    if (session_checks_open(user, "message"))
        session_events.message(user, message);
}

static void session_checks_on_closed(void *user, enum iotify_close reason, const char *text)
{
    struct session_check *check = session_checks_event(user, "closed");

    if (!check)
        return;
    if (check->state == CHECKS_CLOSED) {
        session_events_fault(checks_loop, "closed", "came for a session that is closed");
        return;
    }
    check->state = CHECKS_CLOSED;
    session_events.closed(user, reason, text);
}

const struct iotify_session_events session_checks_events = {
    .struct_size = sizeof(session_checks_events),
    .connected = session_checks_on_connected,
    .acknowledged = session_checks_on_acknowledged,
    .message = session_checks_on_message,
    .closed = session_checks_on_closed,
    .lost = session_checks_on_lost,
    .refused = session_checks_on_refused};
