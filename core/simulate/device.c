/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/device.h"

#include <assert.h>

#include "core/simulate/answers.h"
#include "core/simulate/device_failure.h"
#include "core/simulate/device_internal.h"
#include "core/simulate/held.h"
#include "core/simulate/message.h"
#include "core/simulate/schedule.h"
#include "core/simulate/session_calls.h"
#include "core/simulate/simulate_loop_internal.h"
#include "core/simulate/solo.h"

/* Time to wait for answers after the last message. */
#define DRAIN (30 * SECOND)

struct script_turn device_turn(const struct device *device)
{
    return (struct script_turn){device - device->loop->devices, device->client, device->iteration};
}

void device_wake_at(struct device *device, int64_t moment)
{
    loop_timer_at(&device->timer, moment);
}

struct tally *device_tally(const struct device *device)
{
    return device->loop->report.tally;
}

bool device_is_away(const struct device *device)
{
    return device->phase == PHASE_OFFLINE ||
           (device->phase == PHASE_LEAVING &&
               (device->goal == GOAL_ONLINE || device->goal == GOAL_OFFLINE));
}

bool device_has_sent_all(const struct device *device)
{
    const struct simulate_loop *loop = device->loop;

    return loop->ending || device->complete ||
           (loop->simulation->iterations && device->iteration >= loop->simulation->iterations);
}

/* The only function that changes the phase. */
void device_enter(struct device *device, enum device_phase phase)
{
    assert(device_phase_allows(device->phase, phase));
    device->phase = (uint8_t)phase;
}

void device_stop_timer(struct device *device)
{
    device->loop->events.base.timer_stop(&device->timer);
}

/* ------------------------------------------------------------------ the end */

bool device_forget_message(struct device *device)
{
    if (device->call != CALL_WAITING || !device->begun)
        return false;
    device->call = CALL_NONE;
    device->begun = false;
    device->iteration++;
    device_tally(device)->counts[TALLY_ITERATIONS]++;
    device->waited = true;
    schedule_advance(device);
    return true;
}

/* Unless the user stops the run, a message() that still waits at the end is a failure. */
static void device_end_message(struct device *device)
{
    if (!device_forget_message(device) || simulate_loop_stopped(device->loop))
        return;
    device_fail(device, "Unsettled", "message() still waited for a promise at the end");
    device_tally(device)->counts[TALLY_SCRIPT_ERRORS]++;
    device_tally(device)->counts[TALLY_FAILED]++;
}

void device_be_done(struct device *device)
{
    int64_t limit = device->loop->simulation->iterations;

    if (device->phase == PHASE_DONE)
        return;
    device_end_message(device);
    device_tally(device)->counts[TALLY_DROPPED] += schedule_dropped(device);
    device_enter(device, PHASE_DONE);
    device->goal = GOAL_GONE;
    if (device->call == CALL_WAITING)
        device->call = CALL_NONE;
    device_stop_timer(device);
    if (limit > device->iteration && !device->complete)
        device_tally(device)->counts[TALLY_ABANDONED] += limit - device->iteration;
    held_forget(device);
    answers_account(device);
    if (!device->was_connected && device->attempts > 0)
        device_tally(device)->counts[TALLY_UNCONNECTED]++;
    device_tally(device)->counts[TALLY_FINISHED]++;
    simulate_loop_count_done(device->loop);
}

void device_run_finish(struct device *device)
{
    struct script_invocation invocation = {.function = SCRIPT_FINISH, .turn = device_turn(device)};

    if (!device->script_live)
        return;
    device->script_live = false;
    device_end_message(device);
    if (!script_invoke(device->loop->scripts.context, &invocation))
        device_fail_script(device, invocation.turn, &invocation.error);
    device->call = invocation.pending ? CALL_WAITING : CALL_NONE;
    if (device->loop->simulation->solo)
        solo_finished(device);
}

static bool device_has_connection(const struct device *device)
{
    return device->session &&
           (device->phase == PHASE_CONNECTING || device->phase == PHASE_RUNNING ||
               device->phase == PHASE_DRAINING || device->phase == PHASE_HOLDING ||
               device->phase == PHASE_FINISHING);
}

void device_be_parked(struct device *device)
{
    device_enter(device, PHASE_PARKED);
    /* What a message() that still waits returns later is not sent. */
    device->absent = device->absent || device->begun;
    device->unreachable = false;
    device->draining_at = 0;
}

/* Run finish(). True when it queued commands or waits for a promise: it gets some time for that. */
static bool device_finishes(struct device *device, bool connected)
{
    device_run_finish(device);
    if (!connected || (device->call != CALL_WAITING && device->commands == 0))
        return false;
    device_enter(device, PHASE_FINISHING);
    device_wake_at(device, simulate_loop_now(device->loop) + DEVICE_HASTE);
    return true;
}

/* Disconnect, to be parked or for good. */
void device_leave(struct device *device)
{
    bool connected = device_has_connection(device);

    if (device->phase == PHASE_LEAVING || device->phase == PHASE_DONE)
        return;
    if (device->goal != GOAL_PARKED) {
        device->goal = GOAL_GONE;
        if (device->phase != PHASE_FINISHING && device_finishes(device, connected))
            return;
    }
    device_stop_timer(device);
    if (connected) {
        device_enter(device, PHASE_LEAVING);
        session_calls_disconnect(device);
    } else if (device->goal == GOAL_PARKED) {
        device_be_parked(device);
    } else {
        device_be_done(device);
    }
}

/* Everything is answered: hold the connection for a while, or disconnect. */
static void device_settle(struct device *device)
{
    const struct simulate_loop *loop = device->loop;

    if (loop->simulation->options->hold > 0 && loop->end_asked == LOOP_RUNS &&
        device->goal == GOAL_ONLINE && device->session) {
        device_enter(device, PHASE_HOLDING);
        device_wake_at(device, simulate_loop_now(loop) + loop->simulation->options->hold);
    } else {
        device_leave(device);
    }
}

/* When the wait for answers ends, by the loop's clock; reconnects do not extend it. */
int64_t device_drain_end(const struct device *device)
{
    const struct simulate_loop *loop = device->loop;
    int64_t wait = simulate_loop_stopped(loop) ? DEVICE_HASTE : DRAIN;

    /* A promise has its own limit; and when only verification still waits, it has that. */
    if (device->call == CALL_WAITING && !simulate_loop_stopped(loop))
        return device->draining_at + wait + loop->simulation->options->wait_limit;
    if (device->ledger.open == 0 && device->held == 0 &&
        loop->simulation->options->verify_within < wait)
        wait = loop->simulation->options->verify_within;
    return device->draining_at + wait;
}

bool device_waits(const struct device *device)
{
    return device->ledger.open > 0 || device->ledger.unreceived > 0 || device->held > 0 ||
           device->call == CALL_WAITING;
}

void device_drained_of_held(struct device *device)
{
    if (device->phase == PHASE_DRAINING || device->phase == PHASE_FINISHING)
        device_drained(device);
}

void device_drained(struct device *device)
{
    if (device->phase == PHASE_FINISHING) {
        if (device->ledger.open == 0 && device->held == 0 && device->commands == 0 &&
            device->call != CALL_WAITING)
            device_leave(device);
    } else if (device_waits(device)) {
        device_wake_at(device, device_drain_end(device));
    } else {
        device_settle(device);
    }
}

void device_drain(struct device *device)
{
    /*
     * Without a connection no answer can come. In other phases the next connection or disconnection
     * continues.
     */
    if (device->phase == PHASE_OFFLINE)
        device_leave(device);
    if (device->phase != PHASE_RUNNING && device->phase != PHASE_DRAINING)
        return;
    if (device->phase == PHASE_RUNNING)
        device_enter(device, PHASE_DRAINING);
    if (!device->draining_at)
        device->draining_at = simulate_loop_now(device->loop);
    device_drained(device);
}

/* ------------------------------------------------------------------ promises of scripts */

void device_settled(struct device *device, enum script_function function, struct script_turn turn,
    const struct script_output *output)
{
    if (output->error)
        device_fail_script(device, turn, output->error);
    if (function == SCRIPT_INIT && device->phase == PHASE_WAITING) {
        device->call = CALL_NONE;
        device->script_live = output->error == NULL;
        if (output->error) {
            device_tally(device)->counts[TALLY_FAILED]++;
            if (device->loop->channel)
                device_tally(device)->counts[TALLY_UNCONNECTED]++;
            device_be_done(device);
        }
    } else if (function == SCRIPT_FINISH && device->phase != PHASE_DONE) {
        device->call = CALL_NONE;
        if (device->phase == PHASE_FINISHING || device->phase == PHASE_DRAINING)
            device_drained(device);
    }
}

/* ------------------------------------------------------------------ calls of the loop */

void device_init(struct device *device)
{
    struct script_invocation invocation = {.function = SCRIPT_INIT, .turn = device_turn(device)};

    if (script_invoke(device->loop->scripts.context, &invocation)) {
        device->call = invocation.pending ? CALL_WAITING : CALL_NONE;
        device->script_live = !invocation.pending;
        return;
    }
    device_fail_script(device, invocation.turn, &invocation.error);
    device_tally(device)->counts[TALLY_FAILED]++;
    if (device->loop->channel)
        device_tally(device)->counts[TALLY_UNCONNECTED]++;
    device_be_done(device);
}

void device_join(struct device *device)
{
    if (device->phase == PHASE_WAITING || device->phase == PHASE_PARKED) {
        device->starts_anew = true;
        device->goal = GOAL_ONLINE;
        device_connect(device);
    } else if (device->goal == GOAL_PARKED && device->phase != PHASE_LEAVING) {
        device->goal = GOAL_ONLINE;
        device->draining_at = 0;
        device->starts_anew = true;
        if (device->phase != PHASE_DRAINING)
            return;
        device_stop_timer(device);
        device_enter(device, PHASE_RUNNING);
        schedule_begin(device);
    }
}

void device_park(struct device *device)
{
    if (device->phase == PHASE_WAITING || device->phase == PHASE_PARKED ||
        device->phase == PHASE_DONE || device->phase == PHASE_LEAVING ||
        device->phase == PHASE_FINISHING || device_has_sent_all(device))
        return;
    device->goal = GOAL_PARKED;
    device->due = 0;
    if (device->phase == PHASE_RUNNING)
        device_drain(device);
    else if (device->phase != PHASE_OFFLINE && device_waits(device))
        device->draining_at = simulate_loop_now(device->loop);
    else
        device_leave(device);
}

void device_drop(struct device *device)
{
    if (!device->connected_at || device->phase == PHASE_LEAVING)
        return;
    device->dropped = true;
    session_calls_drop(device);
}

/* It leaves without a connection: a failure if it has tried in vain to make it again. */
static void device_leave_cut_off(struct device *device)
{
    if (device->was_connected && device->unreachable && !simulate_loop_stopped(device->loop)) {
        device_fail(device, "NotReconnected",
            "the connection was lost, and could not be made again before the end");
        device_tally(device)->counts[TALLY_FAILED]++;
    }
    device_leave(device);
}

/*
 * A device without a connection may have to connect once more, to resend unacknowledged messages.
 */
static void device_end_connecting(struct device *device)
{
    /*
     * Whether it can connect at all, and connect again after a failed attempt, is part of the
     * result, unless the user stops the run.
     */
    bool tries = device->phase == PHASE_CONNECTING &&
                 (!device->was_connected || device->unreachable) &&
                 !simulate_loop_stopped(device->loop);

    if (!device_waits(device) && !tries) {
        device_leave_cut_off(device);
        return;
    }
    if (!device->draining_at || simulate_loop_stopped(device->loop))
        device->draining_at = simulate_loop_now(device->loop);
    if (device->phase == PHASE_PAUSING)
        device_wake_at(device, device->draining_at);
}

/* No stage will need the device again. */
static void device_unpark(struct device *device)
{
    if (device->goal == GOAL_PARKED)
        device->goal = device->phase == PHASE_LEAVING ? GOAL_GONE : GOAL_ONLINE;
}

/* All devices take part, and the run is over before this one could connect. */
static void device_note_unstarted(struct device *device)
{
    const struct simulate_loop *loop = device->loop;

    if (!loop->channel || loop->end_asked != LOOP_RUNS ||
        load_profile_varies(&loop->simulation->load_profile))
        return;
    device_fail(
        device, "NotStarted", "the run was over before connect_rate let the device connect");
    device_tally(device)->counts[TALLY_UNCONNECTED]++;
}

void device_end(struct device *device)
{
    device_unpark(device);
    switch (device->phase) {
    case PHASE_PAUSING:
    case PHASE_CONNECTING:
        device_end_connecting(device);
        break;
    case PHASE_WAITING:
        device_note_unstarted(device);
        device_leave(device);
        break;
    case PHASE_PARKED:
    case PHASE_OFFLINE:
        device_leave(device);
        break;
    case PHASE_HOLDING:
        if (device->loop->end_asked != LOOP_RUNS)
            device_leave(device);
        break;
    case PHASE_RUNNING:
    case PHASE_DRAINING:
        /* After a stop request the wait starts again, and is shorter. */
        if (simulate_loop_stopped(device->loop))
            device->draining_at = 0;
        device_drain(device);
        break;
    case PHASE_FINISHING:
    case PHASE_LEAVING:
    case PHASE_DONE:
        break;
    }
}

void device_hurry(struct device *device)
{
    device_unpark(device);
    device_leave(device);
}

void device_abort(struct device *device)
{
    device_leave(device);
    if (device->phase == PHASE_LEAVING)
        session_calls_drop(device);
}

void device_force(struct device *device)
{
    if (device->phase == PHASE_LEAVING)
        session_calls_overdue(device);
}

void device_on_timer(void *argument)
{
    struct device *device = argument;

    switch (device->phase) {
    case PHASE_RUNNING:
    case PHASE_OFFLINE:
        message_due(device);
        break;
    case PHASE_PAUSING:
        if (device_out_of_time(device))
            device_leave_cut_off(device);
        else
            device_connect(device);
        break;
    case PHASE_DRAINING:
    case PHASE_HOLDING:
    case PHASE_FINISHING:
        device_leave(device);
        break;
    case PHASE_CONNECTING:
    case PHASE_LEAVING:
        session_calls_overdue(device);
        break;
    case PHASE_WAITING:
    case PHASE_PARKED:
    case PHASE_DONE:
        break;
    }
}
