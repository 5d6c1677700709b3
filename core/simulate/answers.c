/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/answers.h"

#include <stdio.h>

#include "core/simulate/captured_lines.h"
#include "core/simulate/device_failure.h"
#include "core/simulate/schedule.h"
#include "core/simulate/simulate_loop_internal.h"
#include "core/simulate/solo.h"

/*
 * A transport has a window of messages that wait for their acknowledgement, 100 of them with MQTT,
 * and given-up ones stay in it. When they fill half of it, the device sends nothing until the
 * others have their outcome, and then connects anew with a new session; when all of it, at once:
 * the others cannot be sent.
 */
#define GIVEN_UP_MAX 50
#define GIVEN_UP_ALL 100
/* How often a device that waits for that looks again. */
#define RENEWAL_PERIOD (100 * MILLISECOND)

/* ------------------------------------------------------------------ acknowledgements */

bool answers_awaits_renewal(const struct device *device)
{
    return device->given_up >= GIVEN_UP_MAX;
}

static void answers_count_lost(struct device *device, bool acknowledged)
{
    device_tally(device)->counts[TALLY_LOST]++;
    device_tally(device)->counts[TALLY_UNRETURNED] += acknowledged;
    device_trouble(device)->lost++;
}

/* Lose all open messages for one reason. */
static void answers_lose_open(struct device *device, const char *code, const char *text)
{
    uint64_t token;

    while (ledger_open(&device->ledger, &token)) {
        device_fail(device, code, text);
        ledger_lose(&device->ledger, token);
        answers_count_lost(device, false);
    }
    device->renewed = true;
}

/* Connect anew if nothing that was sent is still open, or nothing can be sent. */
static bool answers_renew(struct device *device)
{
    if (device->phase != PHASE_RUNNING || !device->connected_at ||
        !answers_awaits_renewal(device) ||
        (device->given_up < GIVEN_UP_ALL && device->ledger.open > 0))
        return false;
    answers_lose_open(device, "NotSent",
        "messages were not sent: the server left too many before them unacknowledged");
    device_drop(device);
    return true;
}

void answers_await_renewal(struct device *device)
{
    if (!answers_renew(device))
        device_wake_at(device, simulate_loop_now(device->loop) + RENEWAL_PERIOD);
}

/* A message was acknowledged or lost: continue what waited for that. */
static void answers_go_on(struct device *device)
{
    if (answers_renew(device))
        return;
    if (device->phase == PHASE_RUNNING)
        schedule_answered(device);
    else if ((device->phase == PHASE_DRAINING || device->phase == PHASE_FINISHING) &&
             device->ledger.open == 0)
        device_drained(device);
}

void answers_on_acknowledged(void *user, uint64_t token)
{
    struct device *device = user;
    struct tally *tally = device_tally(device);
    int64_t intended;

    if (device->phase == PHASE_DONE)
        return;
    if (!ledger_acknowledge(&device->ledger, token, &intended)) {
        device->given_up -= device->given_up > 0;
        return;
    }
    if (device->loop->simulation->solo)
        solo_acknowledged(device, intended);
    device->attempts = 0;
    tally->counts[TALLY_ACKNOWLEDGED]++;
    histogram_add(&tally->times[TALLY_PUBLISH], simulate_loop_now(device->loop) - intended);
    answers_go_on(device);
}

void answers_on_lost(void *user, uint64_t token)
{
    struct device *device = user;

    if (device->phase == PHASE_DONE || !ledger_lose(&device->ledger, token))
        return;
    device_fail(
        device, "NotWritten", "messages with QoS 0 were not written yet when the connection ended");
    answers_count_lost(device, false);
}

void answers_on_refused(void *user, uint64_t token, int32_t code, const char *text)
{
    struct device *device = user;
    char name[32];

    if (device->phase == PHASE_DONE || !ledger_lose(&device->ledger, token))
        return;
    snprintf(name, sizeof(name), "Refused%d", (int)code);
    device_fail(device, name, text);
    device_tally(device)->counts[TALLY_REFUSED]++;
    device_tally(device)->counts[TALLY_FAILED]++;
    /* It has answered. */
    device->attempts = 0;
    answers_go_on(device);
}

/* Which of them the server does not like is unknown, and the transport sends all of them again. */
void answers_give_up(struct device *device)
{
    answers_lose_open(device, "GivenUp",
        "messages are given up: they were in flight when the server closed the connection, three "
        "times in a row");
}

/* ------------------------------------------------------------------ received messages */

static void answers_verify(struct device *device, struct iotify_bytes payload)
{
    struct tally *tally = device_tally(device);
    int64_t intended = 0, took;
    enum ledger_arrival arrival =
        ledger_receive(&device->ledger, ledger_print(payload.data, payload.size), &intended);

    if (arrival == ARRIVED_FOREIGN)
        return;
    if (arrival == ARRIVED_AGAIN) {
        tally->counts[TALLY_DUPLICATES]++;
        device_trouble(device)->duplicates++;
        return;
    }
    took = simulate_loop_now(device->loop) - intended;
    tally->counts[TALLY_VERIFIED]++;
    histogram_add(&tally->times[TALLY_END_TO_END], took);
    if (arrival == ARRIVED_REORDERED) {
        tally->counts[TALLY_REORDERED]++;
        device_trouble(device)->reordered++;
    }
    if (took > device->loop->simulation->options->verify_within) {
        tally->counts[TALLY_LATE]++;
        device_trouble(device)->late++;
    }
    if (device->phase == PHASE_DRAINING && device->ledger.open == 0)
        device_drained(device);
}

void answers_on_received(void *user, const struct iotify_message *message)
{
    struct device *device = user;
    const char *topic = message->topic;
    struct iotify_bytes payload = message->payload;
    struct simulate_loop *loop = device->loop;
    struct script_invocation invocation = {.function = SCRIPT_RESPONSE,
        .turn = device_turn(device),
        .topic = topic,
        .payload = payload,
        .status = message->status,
        .properties = message->properties,
        .property_count = message->property_count};

    device_tally(device)->counts[TALLY_RECEIVED]++;
    device_tally(device)->counts[TALLY_BYTES_IN] += (int64_t)payload.size;
    if (loop->simulation->solo)
        solo_received(device, topic, payload);
    /* After finish() no function of the script runs. */
    if (device->script_live) {
        script_commands_begin_response(loop);
        if (!script_invoke(loop->scripts.context, &invocation))
            device_fail_script(device, invocation.turn, &invocation.error);
        script_commands_end_response(loop);
    }
    if (loop->simulation->capture)
        captured_lines_response(device, topic, payload);
    if (device->ledger.verifies)
        answers_verify(device, payload);
}

/* ------------------------------------------------------------------ the account */

/* `when`: by which moment it should have been acknowledged. */
static void answers_report_lost(
    struct device *device, const struct ledger_entry *entry, const char *when)
{
    char text[200];

    if (!entry->over_rate && entry->acknowledged) {
        device_fail(device, "NotReceived", "messages were acknowledged and never returned");
        return;
    }
    if (!entry->over_rate) {
        snprintf(text, sizeof(text), "messages were not acknowledged %s", when);
        device_fail(device, "NotAcknowledged", text);
        return;
    }
    snprintf(text, sizeof(text),
        "messages were %s; they were sent in a second with more than the %.0f messages that the "
        "endpoint takes on one connection",
        entry->acknowledged ? "acknowledged and never returned" : "not acknowledged",
        device->loop->simulation->publish_rate);
    device_fail(device, "OverRate", text);
}

void answers_time_out(struct device *device, const struct ledger_entry *entry, uint64_t token)
{
    char when[80];

    snprintf(when, sizeof(when), "within ack_timeout (%.3g s)",
        (double)device->loop->simulation->options->ack_timeout / SECOND);
    answers_report_lost(device, entry, when);
    if (!ledger_lose(&device->ledger, token))
        return;
    answers_count_lost(device, false);
    device->given_up++;
    answers_go_on(device);
}

void answers_do_not_return(struct device *device, const struct ledger_entry *entry, uint64_t token)
{
    answers_report_lost(device, entry, "");
    if (ledger_forget(&device->ledger, token))
        answers_count_lost(device, true);
}

void answers_account(struct device *device)
{
    const struct ledger_entry *entry;
    uint32_t at = 0;

    while ((entry = ledger_unsettled(&device->ledger, &at))) {
        answers_report_lost(device, entry, "before the end");
        answers_count_lost(device, entry->acknowledged);
    }
    if (device->trouble)
        tally_add_device(device_tally(device), device->trouble);
}
