/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/schedule.h"

#include "core/base/random.h"
#include "core/simulate/simulate_loop_internal.h"

/* Without an interval, a device waits for an answer when this many messages are in flight. */
#define FLOOD_MAX 100
/* The golden ratio spreads first messages evenly, and those of neighbouring clients far apart. */
#define GOLDEN 0.6180339887498949

static void schedule_at(struct device *device, int64_t due)
{
    const struct simulate_options *options = device->loop->simulation->options;
    int64_t moment = due;

    device->due = due;
    /* No stage has another message for it. */
    if (due == INT64_MAX)
        return;
    if (options->jitter > 0)
        moment += (int64_t)(random_next(&device->random) * (double)options->jitter);
    /* Jitter must not move a message before its predecessor. */
    if (moment < device->intended)
        moment = device->intended;
    device->intended = moment;
    /* Then the timer limits the time to disconnect; the device is woken when it is offline. */
    if (device->phase != PHASE_LEAVING)
        device_wake_at(device, device->intended);
}

static void schedule_after(struct device *device, int64_t moment, double messages)
{
    const struct simulate_loop *loop = device->loop;
    int64_t after =
        load_profile_after(&loop->simulation->load_profile, moment - loop->began, messages);

    if (after == INT64_MAX)
        schedule_at(device, INT64_MAX);
    else if (after > moment - loop->began)
        schedule_at(device, loop->began + after);
    else if (device->ledger.open < FLOOD_MAX)
        schedule_at(device, simulate_loop_now(loop));
    else
        device->pace = PACE_ANSWER;
}

static double schedule_first_part(const struct device *device)
{
    double position = (double)(device->client - device->loop->simulation->first) * GOLDEN;

    return position - (double)(int64_t)position;
}

/* With closed pacing the interval begins when everything is answered. */
static void schedule_closed(struct device *device)
{
    if (device->ledger.open == 0)
        schedule_after(device, simulate_loop_now(device->loop), 1);
    else
        device->pace = PACE_ALL_ANSWERS;
}

/* Go on; while it could not send, the schedule may have gone on. */
static void schedule_resume(struct device *device)
{
    device->ready_at = simulate_loop_now(device->loop);
    if (device->due == INT64_MAX)
        return;
    device_wake_at(device, device->intended > device->due ? device->intended : device->due);
}

void schedule_begin(struct device *device)
{
    const struct simulate_loop *loop = device->loop;
    const struct simulation *simulation = loop->simulation;
    int64_t now = simulate_loop_now(loop);
    bool anew = device->starts_anew;

    device->starts_anew = false;
    device->ready_at = now;
    device->pace = PACE_TIME;
    if (device->goal == GOAL_PARKED || device_has_sent_all(device))
        device_drain(device);
    else if (anew && load_profile_shares(&simulation->load_profile, now - loop->began))
        schedule_after(device, now, schedule_first_part(device));
    else if (anew)
        schedule_at(device, now);
    else if (simulation->options->pacing == PACING_CLOSED)
        schedule_closed(device);
    else if (device->due != INT64_MAX && device->ledger.suspect)
        device->pace = PACE_SUSPECT;
    else
        schedule_resume(device);
}

/* The moment at which the message after the current one is due; INT64_MAX: there is none. */
static int64_t schedule_following(const struct device *device)
{
    const struct simulate_loop *loop = device->loop;
    int64_t after;

    if (device->due == 0 || device->due == INT64_MAX)
        return device->due;
    after = load_profile_after(&loop->simulation->load_profile, device->due - loop->began, 1);
    return after == INT64_MAX ? INT64_MAX : loop->began + after;
}

/* Leave out what was due while message() waited, if that is asked for. */
static void schedule_skip(struct device *device)
{
    const struct simulate_loop *loop = device->loop;
    const struct simulate_options *options = loop->simulation->options;
    int64_t ends = loop->simulation->load_profile.ends, limit = loop->simulation->iterations;
    int64_t now = simulate_loop_now(loop), next;

    if (!device->waited || options->overlap != OVERLAP_SKIP || options->pacing != PACING_OPEN)
        return;
    if (ends > 0 && now > loop->began + ends - options->jitter)
        now = loop->began + ends - options->jitter;
    while (!device->complete && (!limit || device->iteration < limit)) {
        next = schedule_following(device);
        if (next > now || next <= device->due)
            return;
        device->due = next;
        device->iteration++;
        device_tally(device)->counts[TALLY_SKIPPED]++;
    }
}

void schedule_advance(struct device *device)
{
    schedule_skip(device);
    device->waited = false;
    device->due = schedule_following(device);
}

int64_t schedule_dropped(const struct device *device)
{
    const struct simulate_loop *loop = device->loop;
    const struct simulation *simulation = loop->simulation;
    const struct simulate_options *options = simulation->options;
    int64_t until = loop->began + simulation->load_profile.ends - options->jitter, count;
    int64_t now = simulate_loop_now(loop), from = device->due;

    /* Without an end, and with closed pacing, no moment says which message should be sent. */
    if (simulation->load_profile.ends <= 0 || options->pacing == PACING_CLOSED ||
        device->complete || device->goal == GOAL_PARKED || from <= 0 || from == INT64_MAX)
        return 0;
    /* The run was stopped before its end. */
    if (loop->end_asked != LOOP_RUNS && now < until)
        until = now;
    count = load_profile_count(&simulation->load_profile, from - loop->began, until - loop->began);
    if (device->begun && count > 0)
        count--;
    if (simulation->iterations && count > simulation->iterations - device->iteration)
        count = simulation->iterations - device->iteration;
    return count;
}

void schedule_next(struct device *device)
{
    schedule_skip(device);
    device->waited = false;
    if (device_has_sent_all(device)) {
        schedule_advance(device);
        device_drain(device);
    } else if (device->pace == PACE_SUSPECT) {
        device->due = schedule_following(device);
    } else if (device->loop->simulation->options->pacing == PACING_OPEN) {
        schedule_after(device, device->due, 1);
    } else {
        schedule_closed(device);
    }
}

void schedule_answered(struct device *device)
{
    int64_t now = simulate_loop_now(device->loop);

    if (device->pace == PACE_ANSWER) {
        device->pace = PACE_TIME;
        schedule_at(device, now);
    } else if (device->pace == PACE_ALL_ANSWERS && device->ledger.open == 0) {
        device->pace = PACE_TIME;
        schedule_after(device, now, 1);
    } else if (device->pace == PACE_SUSPECT && device->ledger.open == 0) {
        device->pace = PACE_TIME;
        schedule_resume(device);
    }
}
