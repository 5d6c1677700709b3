/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of a device: made, ended by its script, and lost. */
#include <assert.h>

#include "core/base/random.h"
#include "core/simulate/answers.h"
#include "core/simulate/cause.h"
#include "core/simulate/device_failure.h"
#include "core/simulate/device_internal.h"
#include "core/simulate/device_session.h"
#include "core/simulate/schedule.h"
#include "core/simulate/session_calls.h"
#include "core/simulate/session_events.h"
#include "core/simulate/simulate_loop_internal.h"
#include "core/simulate/solo.h"

/* A connection that lasted this long resets the count of failed attempts. */
#define UPTIME_GOOD (10 * SECOND)

static const char *const device_close_codes[] = {
    [IOTIFY_CLOSED_BY_US] = "Closed",
    [IOTIFY_CLOSED_BY_PEER] = "ClosedByServer",
    [IOTIFY_CLOSED_UNREACHABLE] = "Unreachable",
    [IOTIFY_CLOSED_TLS] = "TlsFailed",
    [IOTIFY_CLOSED_REFUSED] = "Refused",
    [IOTIFY_CLOSED_TIMEOUT] = "Timeout",
    [IOTIFY_CLOSED_PROTOCOL] = "ProtocolError",
    [IOTIFY_CLOSED_SUBSCRIPTION] = "SubscriptionFailed",
    [IOTIFY_CLOSED_LOCAL] = "LocalLimit",
    [IOTIFY_CLOSED_DENIED] = "Refused",
};

void device_give_up(struct device *device, const char *code, const char *text)
{
    device_fail(device, code, text);
    if (!simulate_loop_stopped(device->loop))
        device_tally(device)->counts[TALLY_FAILED]++;
    /* device_be_done() counts those whose attempts failed. */
    if (!device->was_connected && device->attempts == 0)
        device_tally(device)->counts[TALLY_UNCONNECTED]++;
    /* It is not the fault of a message() that still waits. */
    device_forget_message(device);
    device_run_finish(device);
    device_be_done(device);
}

static void device_begin_messages(struct device *device)
{
    device->connected_at = simulate_loop_now(device->loop);
    device_enter(device, PHASE_RUNNING);
    schedule_begin(device);
    device->was_connected = true;
}

void device_connect(struct device *device)
{
    struct simulate_loop *loop = device->loop;
    struct call call;
    enum iotify_result result;

    if (!loop->channel) {
        device_begin_messages(device);
        return;
    }
    device_enter(device, PHASE_CONNECTING);
    if (device->renewed) {
        /* Perhaps inside one of its events. */
        simulate_loop_free_later(loop, device->session);
        device->session = NULL;
        device->given_up = 0;
        device->renewed = false;
    }
    if (device->session) {
        session_calls_connect(device);
        return;
    }
    call_init(&call, loop->simulation->where);
    result = device_session_new(device, &call);
    if (result == IOTIFY_RESULT_OK)
        session_calls_connect(device);
    else
        device_give_up(device, call_code(&call, result), call_message(&call, result));
    call_clear(&call);
}

void device_on_connected(void *user, const struct iotify_connect_times *times)
{
    struct device *device = user;
    bool ending = device->phase == PHASE_DRAINING || device->phase == PHASE_HOLDING ||
                  device->phase == PHASE_FINISHING;

    if (device->phase != PHASE_CONNECTING && (!ending || device->connected_at))
        return;
    if (!ending)
        device_stop_timer(device);
    if (device->loop->simulation->solo)
        solo_connected(device, times);
    device_session_count_connect(device, times);
    /* finish() ran while the device connected: its messages are sent now. */
    if (ending) {
        device->connected_at = simulate_loop_now(device->loop);
        return;
    }
    device->unreachable = false;
    device_begin_messages(device);
}

static int64_t device_pause(struct device *device)
{
    const struct simulate_options *options = device->loop->simulation->options;
    int64_t ceiling = SECOND;

    for (int i = 1; i < device->attempts && ceiling < options->backoff_cap; i++)
        ceiling *= 2;
    if (ceiling > options->backoff_cap)
        ceiling = options->backoff_cap;
    switch (options->backoff) {
    case BACKOFF_NONE:
        return 0;
    case BACKOFF_FIXED:
        return options->backoff_cap;
    case BACKOFF_EXPONENTIAL:
        return ceiling;
    default:
        return (int64_t)(random_next(&device->random) * (double)ceiling);
    }
}

void device_go_offline(struct device *device, bool clean)
{
    if (device->phase != PHASE_RUNNING || !device->connected_at)
        return;
    device->goal = GOAL_OFFLINE;
    device_enter(device, PHASE_LEAVING);
    if (clean)
        session_calls_disconnect(device);
    else
        session_calls_drop(device);
}

void device_come_back(struct device *device)
{
    if (device->phase == PHASE_RUNNING && device->connected_at)
        device_go_offline(device, false);
    if (!device_is_away(device))
        return;
    device->goal = GOAL_ONLINE;
    if (device->phase == PHASE_OFFLINE)
        device_connect(device);
}

/* Its script has disconnected the device; message() continues to run. */
static void device_be_offline(struct device *device)
{
    device_enter(device, PHASE_OFFLINE);
    if (device_has_sent_all(device) && !(device->goal == GOAL_ONLINE && device_waits(device)))
        device_leave(device);
    else if (device->goal == GOAL_ONLINE)
        device_connect(device);
    else if (device->due != INT64_MAX && device->call != CALL_WAITING)
        device_wake_at(device, device->intended);
}

/* The connection has ended as the device asked. */
static void device_has_left(struct device *device)
{
    if (device_is_away(device)) {
        device_be_offline(device);
    } else if (device->goal == GOAL_PARKED) {
        device_be_parked(device);
        /* A stage may need it again by now. */
        if (ramp_wants(device->loop, (size_t)(device - device->loop->devices)))
            device_join(device);
    } else {
        /* finish() has not run if the script disconnected the device, or wanted to reconnect it. */
        device_run_finish(device);
        device_be_done(device);
    }
}

bool device_out_of_time(const struct device *device)
{
    return device->draining_at && simulate_loop_now(device->loop) >= device_drain_end(device);
}

/* The connection ended, which the device did not ask for, or an attempt to connect failed. */
static void device_is_cut_off(
    struct device *device, enum iotify_close reason, const char *text, bool dropped)
{
    bool needed = !device_has_sent_all(device) || device_waits(device) ||
                  device->phase == PHASE_HOLDING || device->renewed;
    int64_t pause;

    /* A connection that device_drop() broke is not a failed attempt. */
    if (!dropped)
        device->attempts++;
    if (!needed || reason == IOTIFY_CLOSED_DENIED ||
        device->attempts >= device->loop->simulation->options->attempts ||
        device_out_of_time(device)) {
        device_give_up(device, device_close_codes[reason], text);
        return;
    }
    if (!dropped)
        device_fail(device, device_close_codes[reason], text);
    device_enter(device, PHASE_PAUSING);
    pause = simulate_loop_now(device->loop) + device_pause(device);
    if (device->draining_at && device_drain_end(device) < pause)
        pause = device_drain_end(device);
    device_wake_at(device, pause);
}

void device_on_closed(void *user, enum iotify_close reason, const char *text)
{
    struct device *device = user;
    struct simulate_loop *loop = device->loop;
    struct arena arena = {0};
    bool hung_up, dropped = device->dropped;

    if (device->phase == PHASE_DONE || device->phase == PHASE_PARKED)
        return;
    if (device->phase == PHASE_WAITING || device->phase == PHASE_PAUSING ||
        device->phase == PHASE_OFFLINE) {
        session_events_fault(loop, "closed", "came for a session that was closed already");
        return;
    }
    if (device->phase == PHASE_CONNECTING || device->phase == PHASE_LEAVING)
        device_stop_timer(device);
    hung_up = reason == IOTIFY_CLOSED_BY_PEER && !dropped;
    device->dropped = false;
    device->unreachable = !device->connected_at;
    if (device->connected_at && ledger_disconnect(&device->ledger, hung_up))
        answers_give_up(device);
    if (device->connected_at) {
        atomic_fetch_sub(&loop->report.connected, 1);
        if (device->phase != PHASE_LEAVING)
            device_tally(device)->counts[TALLY_CLOSED]++;
        if (simulate_loop_now(loop) - device->connected_at > UPTIME_GOOD)
            device->attempts = 0;
    } else if (reason == IOTIFY_CLOSED_UNREACHABLE || reason == IOTIFY_CLOSED_TIMEOUT) {
        /* The server may have another address by now. */
        loop_doubt_addresses(&loop->events);
    }
    text = cause_of_close(device, reason, text, &arena);
    device->connected_at = 0;
    if (loop->simulation->solo)
        solo_closed(device, text);
    if (device->phase == PHASE_LEAVING || device->phase == PHASE_FINISHING)
        device_has_left(device);
    else
        device_is_cut_off(device, reason, text, dropped);
    arena_clear(&arena);
}
