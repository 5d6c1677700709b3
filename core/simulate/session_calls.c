/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/session_calls.h"

#include "core/base/activity.h"
#include "core/base/log.h"
#include "core/simulate/session_checks.h"
#include "core/simulate/session_events.h"
#include "core/simulate/simulate_loop_internal.h"

/* How long connecting and closing may take, for a transport that has no setting for it, */
#define PATIENCE (60 * SECOND)
/* and beyond the setting of one that has. */
#define PATIENCE_MORE (10 * SECOND)

static struct activity session_calls_begin(const struct simulate_loop *loop, const char *operation)
{
    return activity_begin(loop->events.plugin, operation);
}

/* ------------------------------------------------------------------ the channel */

bool session_calls_open(struct simulate_loop *loop)
{
    const struct simulation *simulation = loop->simulation;
    struct activity before;
    enum iotify_result result;
    struct call call;

    call_init(&call, simulation->where);
    session_checks_begin(loop);
    before = session_calls_begin(loop, "channel_new");
    result = loop->operations->channel_new(simulation->transport_instance, &call.base,
        &loop->events.base, loop->checks ? &session_checks_events : &session_events,
        &loop->channel);
    activity_end(before);
    result = session_events_checked(loop, &call, "channel_new", result);
    if (result == IOTIFY_RESULT_OK && !loop->channel) {
        session_events_fault(loop, "channel_new", "returned OK without a channel");
        result = IOTIFY_RESULT_FAILED;
    }
    if (result != IOTIFY_RESULT_OK)
        log_write(IOTIFY_LOG_ERROR, simulation->where, "%s", call_message(&call, result));
    call_clear(&call);
    return result == IOTIFY_RESULT_OK;
}

void session_calls_close(struct simulate_loop *loop)
{
    struct activity before;

    if (loop->channel) {
        loop_run_posts(&loop->events);
        before = session_calls_begin(loop, "channel_free");
        loop->operations->channel_free(loop->channel);
        activity_end(before);
    }
    session_checks_end(loop);
}

/* ------------------------------------------------------------------ sessions */

static void session_calls_note_timeout(struct simulate_loop *loop, const void *options)
{
    int64_t timeout;

    if (loop->offsets.timeout == SIZE_MAX) {
        loop->patience = PATIENCE;
        return;
    }
    timeout = *(const int64_t *)(const void *)((const char *)options + loop->offsets.timeout);
    if (loop->patience < timeout + PATIENCE_MORE)
        loop->patience = timeout + PATIENCE_MORE;
}

enum iotify_result session_calls_new(struct device *device, struct call *call, const void *options,
    const char *const *subscriptions, size_t count)
{
    struct simulate_loop *loop = device->loop;
    struct activity before = session_calls_begin(loop, "session_new");
    enum iotify_result result = loop->operations->session_new(
        loop->channel, &call->base, options, subscriptions, count, device, &device->session);

    activity_end(before);
    if (loop->checks)
        session_checks_made(device);
    session_calls_note_timeout(loop, options);
    result = session_events_checked(loop, call, "session_new", result);
    if (result != IOTIFY_RESULT_OK) {
        device->session = NULL;
    } else if (!device->session) {
        session_events_fault(loop, "session_new", "returned OK without a session");
        result = IOTIFY_RESULT_FAILED;
    }
    return result;
}

void session_calls_free(struct simulate_loop *loop, void *session)
{
    struct activity before = session_calls_begin(loop, "session_free");

    loop->operations->session_free(session);
    activity_end(before);
}

static void session_calls_expect(struct device *device)
{
    device_wake_at(device, simulate_loop_now(device->loop) + device->loop->patience);
}

void session_calls_connect(struct device *device)
{
    struct activity before;

    session_calls_expect(device);
    if (device->loop->checks)
        session_checks_connect(device);
    before = session_calls_begin(device->loop, "session_connect");
    device->loop->operations->session_connect(device->session);
    activity_end(before);
}

enum iotify_result session_calls_publish(struct device *device, struct call *call,
    const void *options, struct iotify_bytes payload, uint64_t token)
{
    struct activity before = session_calls_begin(device->loop, "session_publish");
    enum iotify_result result = device->loop->operations->session_publish(
        device->session, &call->base, options, payload, token);

    activity_end(before);
    if (device->loop->checks && result == IOTIFY_RESULT_OK)
        session_checks_published(device, token);
    return result == IOTIFY_RESULT_OK
               ? result
               : session_events_checked(device->loop, call, "session_publish", result);
}

void session_calls_disconnect(struct device *device)
{
    struct activity before;

    session_calls_expect(device);
    if (device->loop->checks)
        session_checks_end_session(device);
    before = session_calls_begin(device->loop, "session_disconnect");
    device->loop->operations->session_disconnect(device->session);
    activity_end(before);
}

void session_calls_drop(struct device *device)
{
    struct activity before;

    /* In other phases the timer is the schedule's, and the end finds a session that is not closed.
     */
    if (device->phase == PHASE_LEAVING)
        session_calls_expect(device);
    if (device->loop->checks)
        session_checks_end_session(device);
    before = session_calls_begin(device->loop, "session_drop");
    device->loop->operations->session_drop(device->session);
    activity_end(before);
}

size_t session_calls_unwritten(const struct device *device)
{
    struct activity before = session_calls_begin(device->loop, "session_unwritten");
    size_t size = device->loop->operations->session_unwritten(device->session);

    activity_end(before);
    return size;
}

void session_calls_overdue(struct device *device)
{
    static const char text[] = "the transport has lost the session";

    if (device->phase == PHASE_CONNECTING) {
        session_events_fault(device->loop, "session_connect",
            "was followed by neither `connected` nor `closed` in time");
        device_on_closed(device, IOTIFY_CLOSED_TIMEOUT, text);
    } else {
        session_events_fault(
            device->loop, "session_disconnect", "was not followed by `closed` in time");
        device_on_closed(device, IOTIFY_CLOSED_BY_US, text);
    }
}
