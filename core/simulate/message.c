/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/message.h"

#include <stdio.h>

#include "core/simulate/answers.h"
#include "core/simulate/backlog.h"
#include "core/simulate/captured_lines.h"
#include "core/simulate/cause.h"
#include "core/simulate/device_failure.h"
#include "core/simulate/held.h"
#include "core/simulate/schedule.h"
#include "core/simulate/session_calls.h"
#include "core/simulate/simulate_loop_internal.h"
#include "core/simulate/solo.h"

/* Unacknowledged messages of one device, beyond which a further one fails. */
#define IN_FLIGHT_MAX 20000

/* ------------------------------------------------------------------ sending */

/* Does this message exceed the endpoint's rate per connection in this second? */
static bool message_over_rate(struct device *device, int64_t now)
{
    const struct simulate_loop *loop = device->loop;
    uint32_t second = (uint32_t)((now - loop->began) / SECOND);

    if (loop->simulation->publish_rate <= 0)
        return false;
    if (second != device->second) {
        device->second = second;
        device->in_second = 0;
    }
    return ++device->in_second > (uint32_t)loop->simulation->publish_rate;
}

/* An iteration with failures counts once, at its end. */
static void message_fail(struct device *device, const char *code, const char *text)
{
    device_fail(device, code, text);
    device->spoiled = true;
}

/* The endpoint would close the connection. */
static void message_refuse_size(struct device *device, size_t size)
{
    char text[160];

    snprintf(text, sizeof(text),
        "a payload of %zu bytes is not sent: the endpoint takes at most %zu, and closes the "
        "connection",
        size, device->loop->simulation->payload_max);
    device_tally(device)->counts[TALLY_REFUSED]++;
    message_fail(device, "PayloadTooLarge", text);
}

static bool message_is_once(const struct simulate_loop *loop, const void *options)
{
    if (!(loop->operations->capabilities & IOTIFY_CAPABILITY_ACKNOWLEDGE))
        return true;
    return loop->offsets.qos != SIZE_MAX &&
           *(const int64_t *)(const void *)((const char *)options + loop->offsets.qos) == 0;
}

/* IOTIFY_RESULT_OK, or an error that is not counted yet. */
static enum iotify_result message_try(struct device *device, const void *options,
    struct iotify_bytes payload, int64_t intended, int64_t now)
{
    struct simulate_loop *loop = device->loop;
    const struct ledger_entry entry = {.intended = intended,
        .sent = (uint32_t)((now - loop->began) / MILLISECOND),
        .print = device->ledger.verifies ? ledger_print(payload.data, payload.size) : 0,
        .once = message_is_once(loop, options),
        .over_rate = message_over_rate(device, now)};
    uint64_t token = ledger_add(&device->ledger, &entry);
    enum iotify_result result = session_calls_publish(device, &loop->call, options, payload, token);

    if (result == IOTIFY_RESULT_OK) {
        device_tally(device)->counts[TALLY_PUBLISHED]++;
        device_tally(device)->counts[TALLY_BYTES_OUT] += (int64_t)payload.size;
        backlog_add(device, payload.size);
        return result;
    }
    ledger_take_back(&device->ledger);
    device->in_second -= device->in_second > 0;
    return result;
}

static void message_refuse(struct device *device, enum iotify_result result)
{
    struct call *call = &device->loop->call;

    device_tally(device)->counts[TALLY_REFUSED]++;
    message_fail(device, call_code(call, result), call_message(call, result));
}

static void message_hand_over(struct device *device, const void *options,
    struct iotify_bytes payload, int64_t intended, int64_t now)
{
    struct simulate_loop *loop = device->loop;
    enum iotify_result result;

    loop->call.retry_after = 0;
    /* What waits is sent first. */
    result = device->held ? IOTIFY_RESULT_THROTTLED
                          : message_try(device, options, payload, intended, now);
    if (result == IOTIFY_RESULT_THROTTLED && held_has_room(device))
        held_add(device, options, payload, intended, loop->call.retry_after);
    else if (result != IOTIFY_RESULT_OK)
        message_refuse(device, result);
}

int64_t message_hand_over_again(const struct held_message *held)
{
    struct device *device = held->device;
    struct simulate_loop *loop = device->loop;
    bool before = device->spoiled;
    enum iotify_result result;

    loop->call.base.client = device->client;
    loop->call.code[0] = loop->call.message[0] = '\0';
    loop->call.retry_after = 0;
    result =
        message_try(device, held->options, held->payload, held->intended, simulate_loop_now(loop));
    if (result == IOTIFY_RESULT_THROTTLED)
        return loop->call.retry_after > 0 ? loop->call.retry_after : SECOND;
    if (result != IOTIFY_RESULT_OK) {
        message_refuse(device, result);
        device_tally(device)->counts[TALLY_FAILED]++;
        device->spoiled = before;
    }
    return 0;
}

/* The options, with the topic, QoS and retain flag of `asked` where it has them. */
static const void *message_options(
    struct device *device, const void *options, const struct script_command *asked)
{
    struct simulate_loop *loop = device->loop;
    char *copy;

    if (!asked || (!asked->topic && asked->qos < 0 && asked->retain < 0))
        return options;
    copy = arena_copy(&loop->call.arena, options, loop->operations->publish->options_size);
    if (asked->topic)
        cause_note_topic(device, asked->topic);
    /* The message may be held for longer than the script's text lives. */
    if (asked->topic && loop->offsets.topic != SIZE_MAX)
        *(const char **)(void *)(copy + loop->offsets.topic) =
            arena_string(&loop->call.arena, asked->topic);
    if (asked->qos >= 0 && loop->offsets.qos != SIZE_MAX)
        *(int64_t *)(void *)(copy + loop->offsets.qos) = asked->qos;
    if (asked->retain >= 0 && loop->offsets.retain != SIZE_MAX)
        *(bool *)(void *)(copy + loop->offsets.retain) = asked->retain != 0;
    return copy;
}

/* Hand the payload to the transport; `asked`: what a script overrides, or NULL. */
static void message_send(struct device *device, struct iotify_bytes payload, int64_t intended,
    int64_t now, const struct script_command *asked)
{
    struct simulate_loop *loop = device->loop;
    const char *error = NULL;
    const void *options;

    loop->call.base.client = device->client;
    loop->call.code[0] = loop->call.message[0] = '\0';
    options = expression_set_apply(&loop->scripts.publish, loop->scripts.context,
        device_turn(device), loop->operations->publish, loop->publish_options,
        loop->simulation->run->job->directory, &loop->call.arena, &error);
    if (options)
        options = message_options(device, options, asked);
    if (!options) {
        device_fail_expression(device, error);
        device->spoiled = true;
    } else if (loop->simulation->payload_max && payload.size > loop->simulation->payload_max) {
        message_refuse_size(device, payload.size);
    } else if (device->ledger.open + device->given_up >= IN_FLIGHT_MAX) {
        message_fail(device, "TooManyInFlight",
            "the server leaves too many messages unacknowledged; this one is not sent");
    } else if (!backlog_has_room(device, payload.size)) {
        device_fail(device, "Dropped",
            "the server reads too slowly, and more than max_unwritten waits; further messages are "
            "dropped");
        device_tally(device)->counts[TALLY_DROPPED]++;
    } else {
        if (loop->simulation->solo)
            solo_message(device, options, payload);
        message_hand_over(device, options, payload, intended, now);
    }
    arena_reset(&loop->call.arena);
}

void message_publish(struct device *device, const struct script_command *asked, bool of_iteration)
{
    int64_t now = simulate_loop_now(device->loop);
    bool before = device->spoiled;

    device->spoiled = false;
    message_send(device, asked->payload, now, now, asked);
    if (!of_iteration)
        device_tally(device)->counts[TALLY_FAILED] += device->spoiled;
    device->spoiled = before || (of_iteration && device->spoiled);
}

/* ------------------------------------------------------------------ running message() */

void message_due(struct device *device)
{
    struct loop_scripts *scripts = &device->loop->scripts;

    if (device->call != CALL_NONE)
        return;
    device->call = CALL_QUEUED;
    device->next_due = NULL;
    if (scripts->due)
        scripts->last_due->next_due = device;
    else
        scripts->due = device;
    scripts->last_due = device;
}

/* A message that was due while the device could not send does not count as lag. */
static void message_count_lag(struct device *device, int64_t now)
{
    if (!device->loop->channel || device->intended >= device->ready_at)
        histogram_add(&device_tally(device)->times[TALLY_LAG], now - device->intended);
}

/* Calls of one batch report the same mean time: count them together. */
static void message_count_script(struct simulate_loop *loop, int64_t nanoseconds)
{
    struct loop_scripts *scripts = &loop->scripts;

    if (nanoseconds != scripts->batch_time) {
        histogram_add_many(
            &loop->report.tally->times[TALLY_SCRIPT], scripts->batch_time, scripts->batch_calls);
        scripts->batch_time = nanoseconds;
        scripts->batch_calls = 0;
    }
    scripts->batch_calls++;
}

/* message() has returned, or its promise is settled. */
static void message_returned(struct device *device, const struct script_output *output, int64_t now)
{
    const struct message_result result = {
        .failed = output->error != NULL,
        .has_output = output->has_output,
        .payload = output->bytes,
        .captured = captured_lines_message(device, output, now),
    };

    if (output->error)
        device_fail_script(device, device_turn(device), output->error);
    if (output->error && device->loop->simulation->solo)
        solo_error(device, output->error);
    device->call = CALL_ENDING;
    script_commands_add_end(device, &result);
}

static void message_on_output(void *argument, const struct script_output *output)
{
    struct simulate_loop *loop = argument;
    struct device *device = loop->scripts.batch[output->index];
    int64_t now = simulate_loop_now(loop);

    message_count_lag(device, now);
    message_count_script(loop, output->nanoseconds);
    if (output->pending)
        device->call = CALL_WAITING;
    else
        message_returned(device, output, now);
}

/*
 * The wait for the promise is the script's own: neither this message nor the ones that it delayed
 * are late by it.
 */
void message_settled(struct device *device, const struct script_output *output)
{
    int64_t now = simulate_loop_now(device->loop);

    /* It may be finish() that waits by now. */
    if (device->call != CALL_WAITING || !device->begun || device->phase == PHASE_DONE)
        return;
    if (device->intended < now)
        device->intended = now;
    device->waited = true;
    message_returned(device, output, now);
}

/* May its message() run? Not while it disconnects or ends: then the message waits. */
static bool message_may_run(const struct device *device)
{
    return device->call == CALL_QUEUED &&
           (device->phase == PHASE_RUNNING || device->phase == PHASE_OFFLINE) && !device->dropped &&
           !device_has_sent_all(device);
}

bool message_run_batch(struct simulate_loop *loop)
{
    struct script_turn turns[SCRIPT_BATCH];
    struct loop_scripts *scripts = &loop->scripts;
    struct script_batch batch = {&scripts->payload, message_on_output, loop};
    size_t count = 0;

    while (scripts->due && count < SCRIPT_BATCH) {
        struct device *device = scripts->due;

        scripts->due = device->next_due;
        if (message_may_run(device) && device->connected_at && answers_awaits_renewal(device)) {
            device->call = CALL_NONE;
            answers_await_renewal(device);
        } else if (message_may_run(device)) {
            device->absent = false;
            device->begun = true;
            turns[count] = device_turn(device);
            scripts->batch[count++] = device;
        } else if (device->call == CALL_QUEUED) {
            device->call = CALL_NONE;
        }
    }
    if (count == 0)
        return false;
    loop->begun += (int64_t)count;
    script_messages(scripts->context, turns, count, &batch);
    message_count_script(loop, -1);
    scripts->batch_calls = 0;
    captured_lines_forget(loop);
    return true;
}

/* ------------------------------------------------------------------ the end of an iteration */

/* The connection may have been lost while message() waited for a promise. */
static void message_send_output(
    struct device *device, struct iotify_bytes payload, const struct script_command *asked)
{
    int64_t now = simulate_loop_now(device->loop);
    bool open = device->loop->simulation->options->pacing == PACING_OPEN;

    if (device->connected_at)
        message_send(device, payload, open ? device->intended : now, now, asked);
    else
        message_fail(device, "NotConnected",
            "the connection was lost while message() waited; its return value is not sent");
}

/* A device that is or goes offline sends nothing, even if it reconnects. */
static bool message_is_absent(const struct device *device)
{
    return device->absent || device_is_away(device);
}

void message_return(struct device *device, const struct script_command *asked)
{
    if (device->loop->channel && !message_is_absent(device) && device->phase != PHASE_DONE)
        message_send_output(device, asked->payload, asked);
}

void message_end(struct device *device, const struct message_result *result)
{
    const struct simulate_loop *loop = device->loop;
    bool failed;

    if (result->has_output && loop->channel && !message_is_absent(device))
        message_send_output(device, result->payload, NULL);
    failed = result->failed || device->spoiled;
    device->spoiled = false;
    if (failed)
        device_tally(device)->counts[TALLY_FAILED]++;
    captured_lines_end(device, result->captured, !failed);
    if (loop->simulation->solo && result->has_output && !loop->channel)
        solo_message(device, NULL, result->payload);
    if (loop->simulation->solo)
        solo_state(device, result->failed);
    device->call = CALL_NONE;
    device->begun = false;
    device->iteration++;
    device_tally(device)->counts[TALLY_ITERATIONS]++;
    if (device->phase == PHASE_RUNNING || device_is_away(device)) {
        schedule_next(device);
    } else {
        schedule_advance(device);
        /* What it has sent now gets its own time. */
        if (device->phase == PHASE_DRAINING && !simulate_loop_stopped(loop))
            device->draining_at = simulate_loop_now(loop);
        if (device->phase == PHASE_DRAINING)
            device_drained(device);
    }
}
