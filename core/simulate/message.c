/* Messages of devices: from their schedule through the script to the transport, and back. */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/simulate/device.h"
#include "core/simulate/solo.h"

/* Unacknowledged messages of one client, beyond which a further one fails. */
#define IN_FLIGHT_MAX 20000
/* Where there is no interval a client waits for answers beyond this. */
#define FLOOD_MAX 100
/* Clients with neighbouring numbers begin far apart, and all of them evenly. */
#define GOLDEN 0.6180339887498949

/* ------------------------------------------------------------------ the schedule */

static void schedule(struct device *device, int64_t due)
{
    const struct simulate_options *options = device->engine->simulation->options;
    int64_t moment = due;

    device->due = due;
    /* No stage has a further message for it. */
    if (due == INT64_MAX)
        return;
    if (options->jitter > 0)
        moment += (int64_t)(random_next(&device->random) * (double)options->jitter);
    /* However late the one before was meant to be, this one is not meant to be before it. */
    if (moment < device->intended)
        moment = device->intended;
    device->intended = moment;
    device_wake_at(device, device->intended);
}

static void schedule_after(struct device *device, int64_t moment, double messages)
{
    const struct engine *engine = device->engine;
    int64_t after =
        load_profile_after(&engine->simulation->load_profile, moment - engine->began, messages);

    if (after == INT64_MAX)
        schedule(device, INT64_MAX);
    else if (after > moment - engine->began)
        schedule(device, engine->began + after);
    else if (device->ledger.open < FLOOD_MAX)
        schedule(device, engine_now(engine));
    else
        device->flooding = true; /* until there is an answer */
}

static double first_part(const struct device *device)
{
    double position = (double)(device->client - device->engine->simulation->first) * GOLDEN;

    return position - (double)(int64_t)position;
}

void message_begin(struct device *device)
{
    const struct engine *engine = device->engine;
    const struct simulation *simulation = engine->simulation;
    int64_t now = engine_now(engine);
    bool first = !device->was_connected || device->rejoined;

    device->rejoined = device->flooding = false;
    if (device->parking || device_has_sent_all(device))
        device_drain(device);
    else if (first && load_profile_shares(&simulation->load_profile, now - engine->began))
        schedule_after(device, now, first_part(device));
    else if (first)
        schedule(device, now);
    else if (simulation->options->pacing == PACING_CLOSED && device->ledger.open == 0)
        schedule_after(device, now, 1);
    else if (simulation->options->pacing == PACING_CLOSED)
        device->answerable = true;
    else if (simulation->options->pacing == PACING_OPEN && device->due != INT64_MAX)
        device_wake_at(device, device->intended);
}

/* ------------------------------------------------------------------ sending */

/* More on this connection in this second than the endpoint takes? */
static bool over_rate(struct device *device, int64_t now)
{
    const struct engine *engine = device->engine;
    uint32_t second = (uint32_t)((now - engine->began) / SECOND);

    if (engine->simulation->publish_rate <= 0)
        return false;
    if (second != device->second) {
        device->second = second;
        device->in_second = 0;
    }
    return ++device->in_second > (uint32_t)engine->simulation->publish_rate;
}

static void fail_message(struct device *device, const char *code, const char *text)
{
    device_fail(device, code, text);
    device->engine->tally->counts[TALLY_FAILED]++;
}

static void hand_over(struct device *device, const void *options, struct iotify_bytes payload,
    int64_t intended, int64_t now)
{
    struct engine *engine = device->engine;
    uint64_t token = ledger_add(&device->ledger, intended,
        device->ledger.verifies ? ledger_print(payload.data, payload.size) : 0,
        over_rate(device, now));
    enum iotify_result result = engine->operations->session_publish(
        device->session, &engine->call.base, options, payload, token);

    if (result == IOTIFY_OK) {
        engine->tally->counts[TALLY_PUBLISHED]++;
        return;
    }
    ledger_take_back(&device->ledger);
    fail_message(device, call_code(&engine->call, result), call_message(&engine->call, result));
}

/* The options with what a script gave in place of the template's. */
static const void *with_asked(
    struct engine *engine, const void *options, const struct script_act *asked)
{
    char *copy;

    if (!asked || (!asked->topic && asked->qos < 0 && asked->retain < 0))
        return options;
    copy = arena_copy(&engine->call.arena, options, engine->operations->publish->options_size);
    if (asked->topic && engine->offsets.topic != SIZE_MAX)
        *(const char **)(void *)(copy + engine->offsets.topic) = asked->topic;
    if (asked->qos >= 0 && engine->offsets.qos != SIZE_MAX)
        *(int64_t *)(void *)(copy + engine->offsets.qos) = asked->qos;
    if (asked->retain >= 0 && engine->offsets.retain != SIZE_MAX)
        *(bool *)(void *)(copy + engine->offsets.retain) = asked->retain != 0;
    return copy;
}

/* Hand the payload to the transport; `asked`: NULL, or what a script wants otherwise. */
static void publish(struct device *device, struct iotify_bytes payload, int64_t intended,
    int64_t now, const struct script_act *asked)
{
    struct engine *engine = device->engine;
    const char *error = NULL;
    const void *options;

    engine->call.base.client = device->client;
    engine->call.code[0] = engine->call.message[0] = '\0';
    options = expression_set_apply(&engine->publish, engine->script, device_turn(device),
        engine->operations->publish, engine->publish_options,
        engine->simulation->run->job->directory, &engine->call.arena, &error);
    if (options)
        options = with_asked(engine, options, asked);
    if (!options) {
        device_fail_expression(device, error);
        engine->tally->counts[TALLY_FAILED]++;
    } else if (device->ledger.open >= IN_FLIGHT_MAX) {
        fail_message(device, "TooManyInFlight",
            "the server leaves too many messages unacknowledged; this one is not sent");
    } else {
        if (engine->simulation->solo)
            solo_message(device, options, payload);
        hand_over(device, options, payload, intended, now);
    }
    arena_reset(&engine->call.arena);
}

void message_publish(struct device *device, const struct script_act *asked)
{
    int64_t now = engine_now(device->engine);

    publish(device, asked->payload, now, now, asked);
}

/* ------------------------------------------------------------------ what is captured */

static void forget_lines(struct engine *engine)
{
    if (!engine->lines)
        return;
    engine->lines = NULL;
    arena_clear(&engine->lines_arena);
}

static json_t *lines_json(const struct engine *engine, const struct device *device)
{
    json_t *list = json_array();

    for (const struct script_line *line = engine->lines; line; line = line->next)
        if (line->client == device->client && line->iteration == device->iteration)
            json_array_append_new(list, json_string(line->text));
    return list;
}

static void capture(struct device *device, const struct script_output *output, int64_t now)
{
    struct engine *engine = device->engine;
    const struct simulate_options *options = engine->simulation->options;
    struct iotify_buffer text;
    json_t *object;

    if (!capture_wants(engine->simulation->capture, device->client, device->iteration))
        return;
    object = json_pack("{s:s, s:I, s:I, s:f, s:f, s:f}", "event", "message", "client",
        (json_int_t)device->client, "iteration", (json_int_t)device->iteration, "seconds",
        (double)(now - engine->began) / SECOND, "late_seconds",
        (double)(now - device->intended) / SECOND, "script_seconds",
        (double)output->nanoseconds / SECOND);
    json_object_set_new(object, "ok", json_boolean(!output->error));
    if (output->error)
        json_object_set_new(object, "error", json_string(output->error->text));
    if (options->capture_payload && output->has_output)
        json_object_set_new(
            object, "payload", capture_bytes(output->bytes.data, output->bytes.size));
    if (options->capture_state) {
        iotify_buffer_init(&text, 1 << 20);
        if (script_show_state(engine->script, device - engine->devices, &text))
            json_object_set_new(object, "state", json_loads(iotify_buffer_text(&text), 0, NULL));
        iotify_buffer_wipe(&text);
    }
    if (options->capture_logs)
        json_object_set_new(object, "logs", lines_json(engine, device));
    capture_add(engine->simulation->capture, object);
}

void message_on_console(
    void *given, enum iotify_level level, const struct script_turn *turn, const char *text)
{
    struct engine *engine = given;
    struct script_line *line;

    if (engine->simulation->solo)
        solo_console(engine, level, text);
    else
        run_console(engine->simulation->run, level, turn, text);
    if (!engine->simulation->options->capture_logs ||
        !capture_wants(engine->simulation->capture, turn->client, turn->iteration))
        return;
    line = arena_alloc(&engine->lines_arena, sizeof(*line));
    *line = (struct script_line){turn->client, turn->iteration, level,
        arena_string(&engine->lines_arena, text), engine->lines};
    engine->lines = line;
}

/* ------------------------------------------------------------------ an iteration */

void message_due(struct device *device)
{
    struct engine *engine = device->engine;

    if (device->in_batch || device->awaiting)
        return;
    device->in_batch = true;
    engine->batch[engine->batch_count++] = device;
    if (engine->batch_count == SCRIPT_BATCH)
        message_flush(engine);
}

/* What was due while the device had no connection is late by no fault of this machine. */
static void count_lag(struct device *device, int64_t now)
{
    struct engine *engine = device->engine;

    if (!engine->transport || device->intended >= device->connected_at)
        histogram_add(&engine->tally->times[TALLY_LAG], now - device->intended);
}

/* Those of one batch have the same time: they are counted together. */
static void count_script(struct engine *engine, int64_t nanoseconds)
{
    if (nanoseconds != engine->script_time) {
        histogram_add_many(
            &engine->tally->times[TALLY_SCRIPT], engine->script_time, engine->script_count);
        engine->script_time = nanoseconds;
        engine->script_count = 0;
    }
    engine->script_count++;
}

static void go_on(struct device *device)
{
    const struct engine *engine = device->engine;

    device->iteration++;
    /* The transport may have lost the connection meanwhile; the event comes. */
    if (device_has_sent_all(device))
        device_drain(device);
    else if (engine->simulation->options->pacing == PACING_OPEN)
        schedule_after(device, device->due, 1);
    else if (device->ledger.open == 0)
        schedule_after(device, engine_now(engine), 1);
    else
        device->answerable = true;
}

/* The connection may have gone while message() waited. */
static void send_output(struct device *device, struct iotify_bytes payload, int64_t now)
{
    const struct engine *engine = device->engine;

    if (device->connected_at)
        publish(device, payload,
            engine->simulation->options->pacing == PACING_OPEN ? device->intended : now, now, NULL);
    else
        fail_message(device, "NotConnected",
            "the connection went while message() waited; what it returned is not sent");
}

/* The iteration is over: what message() asked for, and what it returned. */
static void end_iteration(struct device *device, const struct script_output *output, int64_t now)
{
    struct engine *engine = device->engine;

    int64_t before = engine->tally->counts[TALLY_PUBLISHED];
    bool absent;

    acts_do_of(device);
    /* Whoever is or goes off the network by his own wish sends nothing, though he comes back. */
    absent = device->absent || device->offline;
    capture(device, output, now);
    if (output->error)
        device_fail_script(device, device_turn(device), output->error);
    if (output->error || device->spoiled)
        engine->tally->counts[TALLY_FAILED]++;
    device->spoiled = false;
    if (output->has_output && engine->transport && !absent)
        send_output(device, output->bytes, now);
    if (engine->simulation->solo && output->has_output && !engine->transport)
        solo_message(device, NULL, output->bytes);
    if (engine->simulation->solo)
        solo_state(device, output,
            engine->tally->counts[TALLY_PUBLISHED] > before ||
                (output->has_output && !engine->transport));
}

static void on_output(void *argument, const struct script_output *output)
{
    struct engine *engine = argument;
    struct device *device = engine->batch[output->index];
    int64_t now = engine_now(engine);

    device->in_batch = false;
    count_lag(device, now);
    count_script(engine, output->nanoseconds);
    device->awaiting = output->pending;
    if (output->pending)
        return;
    end_iteration(device, output, now);
    go_on(device);
}

void message_settled(struct device *device, const struct script_output *output)
{
    if (!device->awaiting || device->phase == DONE)
        return;
    device->awaiting = false;
    end_iteration(device, output, engine_now(device->engine));
    if (device->phase == RUNNING || device->phase == OFFLINE) {
        go_on(device);
        return;
    }
    device->iteration++;
    if (device->phase == DRAINING)
        device_drained(device);
}

void message_flush(struct engine *engine)
{
    struct script_turn turns[SCRIPT_BATCH];
    struct script_batch batch = {&engine->payload, on_output, engine};
    size_t count = 0;

    for (size_t i = 0; i < engine->batch_count; i++) {
        struct device *device = engine->batch[i];

        /* Its connection goes, or it is to end: the message waits, or falls away. */
        if ((device->phase != RUNNING && device->phase != OFFLINE) || device->dropped ||
            device_has_sent_all(device)) {
            device->in_batch = false;
            continue;
        }
        device->absent = false;
        turns[count] = device_turn(device);
        engine->batch[count++] = device;
    }
    engine->batch_count = 0;
    if (count == 0)
        return;
    script_messages(engine->script, turns, count, &batch);
    acts_do(engine);
    count_script(engine, -1);
    engine->script_count = 0;
    forget_lines(engine);
}

/* ------------------------------------------------------------------ answers */

static void after_answer(struct device *device)
{
    struct engine *engine = device->engine;

    if ((device->phase == DRAINING || device->phase == FINISHING) && device->ledger.open == 0)
        device_drained(device);
    else if (device->phase == RUNNING && device->flooding) {
        device->flooding = false;
        schedule(device, engine_now(engine));
    } else if (device->phase == RUNNING && device->answerable && device->ledger.open == 0) {
        device->answerable = false;
        schedule_after(device, engine_now(engine), 1);
    }
}

void message_on_acknowledged(void *user, uint64_t token)
{
    struct device *device = user;
    struct tally *tally = device->engine->tally;
    int64_t intended;

    if (device->phase == DONE || !ledger_acknowledge(&device->ledger, token, &intended))
        return;
    if (device->engine->simulation->solo)
        solo_acknowledged(device, intended);
    device->attempts = 0;
    tally->counts[TALLY_ACKNOWLEDGED]++;
    histogram_add(&tally->times[TALLY_PUBLISH], engine_now(device->engine) - intended);
    after_answer(device);
}

/* Not written before the connection went: with QoS 0 nobody sends it again. */
void message_on_lost(void *user, uint64_t token)
{
    struct device *device = user;

    if (device->phase == DONE || !ledger_lose(&device->ledger, token))
        return;
    device->engine->tally->counts[TALLY_LOST]++;
    device_trouble(device)->lost++;
}

static void verify(struct device *device, struct iotify_bytes payload)
{
    const struct simulation *simulation = device->engine->simulation;
    struct tally *tally = device->engine->tally;
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
    took = engine_now(device->engine) - intended;
    tally->counts[TALLY_VERIFIED]++;
    histogram_add(&tally->times[TALLY_END_TO_END], took);
    if (arrival == ARRIVED_REORDERED) {
        tally->counts[TALLY_REORDERED]++;
        device_trouble(device)->reordered++;
    }
    if (took > simulation->options->verify_within) {
        tally->counts[TALLY_LATE]++;
        device_trouble(device)->late++;
    }
    if (device->phase == DRAINING && device->ledger.open == 0)
        device_drained(device);
}

static void capture_response(
    const struct device *device, const char *topic, struct iotify_bytes payload)
{
    struct engine *engine = device->engine;
    struct capture *into = engine->simulation->capture;
    json_t *object;

    if (!capture_wants(into, device->client, device->iteration))
        return;
    object = json_pack("{s:s, s:I, s:I, s:f, s:s}", "event", "response", "client",
        (json_int_t)device->client, "iteration", (json_int_t)device->iteration, "seconds",
        (double)(engine_now(engine) - engine->began) / SECOND, "topic", topic);
    if (engine->simulation->options->capture_payload)
        json_object_set_new(object, "payload", capture_bytes(payload.data, payload.size));
    if (engine->simulation->options->capture_logs)
        json_object_set_new(object, "logs", lines_json(engine, device));
    capture_add(into, object);
    forget_lines(engine);
}

/* A condition that does not hold counts by itself: the iteration's own are counted with it. */
static void run_response(struct device *device, struct script_invocation *invocation)
{
    /* Whether it leaves in between is no matter of the iteration that is under way. */
    bool before = device->spoiled, absent = device->absent;

    device->spoiled = false;
    if (!script_invoke(device->engine->script, invocation))
        device_fail_script(device, invocation->turn, &invocation->error);
    acts_do(device->engine);
    device->engine->tally->counts[TALLY_FAILED] += device->spoiled;
    device->spoiled = before;
    device->absent = absent;
}

void message_on_received(void *user, const char *topic, struct iotify_bytes payload)
{
    struct device *device = user;
    struct engine *engine = device->engine;
    struct script_invocation invocation = {.function = SCRIPT_RESPONSE,
        .turn = device_turn(device),
        .topic = topic,
        .payload = payload};

    engine->tally->counts[TALLY_RECEIVED]++;
    if (engine->simulation->solo)
        solo_received(device, topic, payload);
    /* After finish() the script is done with. */
    if (device->init_done)
        run_response(device, &invocation);
    if (engine->simulation->capture)
        capture_response(device, topic, payload);
    if (device->ledger.verifies)
        verify(device, payload);
}

/* ------------------------------------------------------------------ the account */

static void tell_lost(struct device *device, const struct ledger_entry *entry)
{
    char text[200];

    if (!entry->over_rate) {
        device_fail(device, entry->acknowledged ? "NotReceived" : "NotAcknowledged",
            entry->acknowledged ? "messages were acknowledged and never came back"
                                : "messages were not acknowledged before the end");
        return;
    }
    snprintf(text, sizeof(text),
        "messages were %s; they were sent in a second with more than the %.0f messages that the "
        "endpoint takes on one connection",
        entry->acknowledged ? "acknowledged and never came back" : "not acknowledged",
        device->engine->simulation->publish_rate);
    device_fail(device, "OverRate", text);
}

void message_account(struct device *device)
{
    struct tally *tally = device->engine->tally;
    const struct ledger_entry *entry;
    uint32_t at = 0;

    while ((entry = ledger_unsettled(&device->ledger, &at))) {
        tell_lost(device, entry);
        tally->counts[TALLY_LOST]++;
        device_trouble(device)->lost++;
    }
    if (device->trouble)
        tally_add_device(tally, device->trouble);
}
