/* The life of one simulated device: connecting, coming back, leaving. */
#include "core/simulate/device.h"

#include "core/base/clock.h"
#include "core/base/random.h"
#include "core/simulate/solo.h"

/* How long what is in flight may take once nothing new begins. */
#define DRAIN (30 * SECOND)
/* A connection that lasted this long was a good one: failed attempts count anew behind it. */
#define UPTIME_GOOD (10 * SECOND)

static const char *const close_codes[] = {
    [IOTIFY_CLOSED_BY_US] = "Closed",
    [IOTIFY_CLOSED_BY_PEER] = "ClosedByServer",
    [IOTIFY_CLOSED_UNREACHABLE] = "Unreachable",
    [IOTIFY_CLOSED_TLS] = "TlsFailed",
    [IOTIFY_CLOSED_REFUSED] = "Refused",
    [IOTIFY_CLOSED_TIMEOUT] = "Timeout",
    [IOTIFY_CLOSED_PROTOCOL] = "ProtocolError",
    [IOTIFY_CLOSED_SUBSCRIPTION] = "SubscriptionFailed",
    [IOTIFY_CLOSED_LOCAL] = "LocalLimit",
};

int64_t engine_now(const struct engine *engine)
{
    return engine->loop.base.now(&engine->loop.base);
}

struct script_turn device_turn(const struct device *device)
{
    return (struct script_turn){
        device - device->engine->devices, device->client, device->iteration};
}

void device_wake_at(struct device *device, int64_t moment)
{
    loop_timer_at(&device->timer, moment);
}

static void stop_timer(struct device *device)
{
    device->engine->loop.base.timer_stop(&device->timer);
}

/* ------------------------------------------------------------------ the end */

static void be_done(struct device *device)
{
    struct engine *engine = device->engine;
    int64_t limit = engine->simulation->iterations;

    if (device->phase == DONE)
        return;
    device->phase = DONE;
    device->awaiting = false;
    stop_timer(device);
    if (limit > device->iteration && !device->complete)
        engine->tally->counts[TALLY_ABANDONED] += limit - device->iteration;
    message_account(device);
    engine->tally->counts[TALLY_FINISHED]++;
    if (++engine->done == engine->count)
        loop_stop(&engine->loop);
}

static void run_finish(struct device *device)
{
    struct script_invocation invocation = {.function = SCRIPT_FINISH, .turn = device_turn(device)};

    if (!device->init_done)
        return;
    device->init_done = false;
    if (!script_invoke(device->engine->script, &invocation))
        device_fail_script(device, invocation.turn, &invocation.error);
    device->awaiting = invocation.pending;
    acts_do(device->engine);
    if (device->engine->simulation->solo)
        solo_finished(device);
}

static bool has_connection(const struct device *device)
{
    return device->session &&
           (device->phase == CONNECTING || device->phase == RUNNING || device->phase == DRAINING ||
               device->phase == HOLDING || device->phase == FINISHING);
}

static void be_parked(struct device *device)
{
    device->phase = PARKED;
    device->parking = device->offline = false;
    device->draining_at = 0;
}

/* finish() may send, and wait for the glob: that is given a little time. */
static bool finishes(struct device *device, bool connected)
{
    uint32_t before = device->ledger.open;

    run_finish(device);
    if (!device->awaiting && (!connected || device->ledger.open <= before))
        return false;
    if (connected) {
        device->phase = FINISHING;
        device_wake_at(device, engine_now(device->engine) + DEVICE_HASTE);
    }
    return connected;
}

/* Disconnect; what follows says whether for good. */
static void leave(struct device *device)
{
    bool connected = has_connection(device);

    if (device->phase == LEAVING || device->phase == DONE)
        return;
    if (!device->parking && device->phase != FINISHING && finishes(device, connected))
        return;
    stop_timer(device);
    device->phase = LEAVING;
    if (connected)
        device->engine->operations->session_disconnect(device->session);
    else if (device->parking)
        be_parked(device);
    else
        be_done(device);
}

bool device_has_sent_all(const struct device *device)
{
    const struct engine *engine = device->engine;

    return engine->ending || device->complete ||
           (engine->simulation->iterations && device->iteration >= engine->simulation->iterations);
}

/* All is answered: stay for a while, or go. */
static void settle(struct device *device)
{
    const struct engine *engine = device->engine;

    if (engine->simulation->options->hold > 0 && !engine->end_asked && !device->parking &&
        device->session) {
        device->phase = HOLDING;
        device_wake_at(device, engine_now(engine) + engine->simulation->options->hold);
    } else {
        leave(device);
    }
}

/* Until when answers are waited for, connecting again in between or not. */
static int64_t drain_end(const struct device *device)
{
    const struct engine *engine = device->engine;
    int64_t wait = engine->stopped ? DEVICE_HASTE : DRAIN;

    /* Everything is acknowledged, and only has to come back. */
    if (device->ledger.open == 0 && engine->simulation->options->verify_within < wait)
        wait = engine->simulation->options->verify_within;
    return device->draining_at + wait;
}

static bool waits_for_answers(const struct device *device)
{
    return device->ledger.open > 0 || device->ledger.unreceived > 0 || device->awaiting;
}

void device_drained(struct device *device)
{
    if (device->phase == FINISHING) {
        if (device->ledger.open == 0 && !device->awaiting)
            leave(device);
    } else if (waits_for_answers(device))
        device_wake_at(device, drain_end(device));
    else
        settle(device);
}

void device_drain(struct device *device)
{
    /* Without a connection nothing is answered; one that is just closed has it seen to then. */
    if (device->offline) {
        if (device->phase == OFFLINE)
            leave(device);
        return;
    }
    device->phase = DRAINING;
    if (!device->draining_at)
        device->draining_at = engine_now(device->engine);
    device_drained(device);
}

/* ------------------------------------------------------------------ connections */

/* Unless it ends anyway: what it has left to send fails with it, and is counted as one failure. */
static void give_up(struct device *device, const char *code, const char *text)
{
    struct engine *engine = device->engine;

    device_fail(device, code, text);
    if (!engine->stopped)
        engine->tally->counts[TALLY_FAILED]++;
    run_finish(device);
    be_done(device);
}

/* The topics to subscribe to, expanded; NULL after a failure. */
static const char *const *expand_subscriptions(
    struct device *device, struct arena *arena, const char **error)
{
    const struct template_file *template = device->engine->simulation->template;
    const char **topics = arena_array(arena, template->subscription_count + 1, sizeof(*topics));
    struct iotify_settings one = {.options_size = sizeof(char *)};

    for (size_t i = 0; i < template->subscription_count; i++) {
        const char *text = template->subscriptions[i].text;
        const char *const *bound = expression_set_apply(&device->engine->subscriptions[i],
            device->engine->script, device_turn(device), &one, &text, "", arena, error);

        if (!bound)
            return NULL;
        topics[i] = *bound;
    }
    return topics;
}

static bool make_session(struct device *device)
{
    struct engine *engine = device->engine;
    const struct simulation *simulation = engine->simulation;
    const char *error = NULL, *const *topics = NULL;
    enum iotify_result result = IOTIFY_INVALID;
    const void *options;
    struct call call;

    call_init(&call, simulation->where);
    call.base.client = device->client;
    options = expression_set_apply(&engine->connection, engine->script, device_turn(device),
        engine->operations->connection, simulation->connection, simulation->run->job->directory,
        &call.arena, &error);
    if (options)
        topics = expand_subscriptions(device, &call.arena, &error);
    if (!options || !topics)
        give_up(device, "ScriptError",
            arena_format(&call.arena, "%s (client %lld)", error, (long long)device->client));
    else
        result = engine->operations->session_new(engine->transport, &call.base, options, topics,
            simulation->template->subscription_count, device, &device->session);
    if (options && topics && result != IOTIFY_OK)
        give_up(device, call_code(&call, result), call_message(&call, result));
    call_clear(&call);
    return result == IOTIFY_OK;
}

static void begin_messages(struct device *device)
{
    device->connected_at = engine_now(device->engine);
    device->phase = RUNNING;
    message_begin(device);
    device->was_connected = true;
}

static void connect_device(struct device *device)
{
    struct engine *engine = device->engine;

    if (!engine->transport) {
        begin_messages(device);
        return;
    }
    device->phase = CONNECTING;
    if (device->session || make_session(device))
        engine->operations->session_connect(device->session);
}

static void count_connect(struct device *device, const struct iotify_connect_times *times)
{
    struct tally *tally = device->engine->tally;

    histogram_add(&tally->times[TALLY_CONNECT], times->tcp + times->tls + times->session);
    histogram_add(&tally->times[TALLY_CONNECT_TCP], times->tcp);
    if (times->tls > 0)
        histogram_add(&tally->times[TALLY_CONNECT_TLS], times->tls);
    histogram_add(&tally->times[TALLY_CONNECT_SESSION], times->session);
    tally->counts[device->was_connected ? TALLY_RECONNECTS : TALLY_CONNECTED]++;
    tally->counts[TALLY_RESENT] += times->resent;
    tally->counts[TALLY_RESUMED] += times->resumed;
    atomic_fetch_add(&device->engine->connected_now, 1);
}

void device_on_connected(void *user, const struct iotify_connect_times *times)
{
    struct device *device = user;

    bool ending =
        device->phase == DRAINING || device->phase == HOLDING || device->phase == FINISHING;

    if (device->phase != CONNECTING && (!ending || device->connected_at))
        return;
    if (device->engine->simulation->solo)
        solo_connected(device, times);
    count_connect(device, times);
    /* Its last message was due while it connected: what is in flight goes out again. */
    if (ending) {
        device->connected_at = engine_now(device->engine);
        return;
    }
    device->dropped = false;
    begin_messages(device);
}

static int64_t pause_before(struct device *device)
{
    const struct simulate_options *options = device->engine->simulation->options;
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

/* ------------------------------------------------------------------ the script's wishes */

void device_go_offline(struct device *device, bool clean)
{
    const struct iotify_transport *operations = device->engine->operations;

    if (device->phase != RUNNING || !device->connected_at)
        return;
    device->offline = true;
    device->phase = LEAVING;
    if (clean)
        operations->session_disconnect(device->session);
    else
        operations->session_drop(device->session);
}

void device_come_back(struct device *device)
{
    if (device->phase == OFFLINE) {
        device->offline = false;
        connect_device(device);
    } else if (device->phase == LEAVING && device->offline) {
        device->rejoining = true;
    } else if (device->phase == RUNNING && device->connected_at) {
        device_go_offline(device, false);
        device->rejoining = true;
    }
}

/* It has no connection, as its script wants it; its messages go on. */
static void be_offline(struct device *device)
{
    device->phase = OFFLINE;
    if (device_has_sent_all(device) && !(device->rejoining && waits_for_answers(device))) {
        leave(device);
    } else if (device->rejoining) {
        device->rejoining = device->offline = false;
        connect_device(device);
    } else if (device->due != INT64_MAX && !device->awaiting) {
        device_wake_at(device, device->intended);
    }
}

void device_settled(struct device *device, enum script_function function, struct script_turn turn,
    const struct script_output *output)
{
    if (output->error)
        device_fail_script(device, turn, output->error);
    if (function == SCRIPT_INIT && device->phase == WAITING) {
        device->awaiting = false;
        device->init_done = output->error == NULL;
        if (output->error) {
            device->engine->tally->counts[TALLY_FAILED]++;
            be_done(device);
        }
    } else if (function == SCRIPT_FINISH) {
        device->awaiting = false;
        device_drained(device);
    }
}

/* ------------------------------------------------------------------ what has been closed */

/* It meant to leave, and has. */
static void has_left(struct device *device)
{
    if (device->offline) {
        be_offline(device);
        return;
    }
    if (!device->parking) {
        /* It may have meant to come back when it left. */
        run_finish(device);
        be_done(device);
        return;
    }
    be_parked(device);
    /* A stage may have asked for it again meanwhile. */
    if ((size_t)(device - device->engine->devices) < device->engine->joined)
        device_join(device);
}

static bool out_of_time(const struct device *device)
{
    return device->draining_at && engine_now(device->engine) >= drain_end(device);
}

void device_on_closed(void *user, enum iotify_close reason, const char *text)
{
    struct device *device = user;
    struct engine *engine = device->engine;
    bool needed =
        !device_has_sent_all(device) || waits_for_answers(device) || device->phase == HOLDING;
    int64_t pause;

    if (device->phase == DONE || device->phase == PARKED)
        return;
    if (device->connected_at) {
        atomic_fetch_sub(&engine->connected_now, 1);
        if (device->phase != LEAVING)
            engine->tally->counts[TALLY_CLOSED]++;
        if (engine_now(engine) - device->connected_at > UPTIME_GOOD)
            device->attempts = 0;
    }
    device->connected_at = 0;
    if (device->engine->simulation->solo)
        solo_closed(device, text);
    if (device->phase == FINISHING) {
        device->phase = LEAVING;
        device->parking = false;
    }
    if (device->phase == LEAVING) {
        has_left(device);
        return;
    }
    /* What was broken on purpose is no attempt that failed. */
    if (!device->dropped)
        device->attempts++;
    if (!needed || device->attempts >= engine->simulation->options->attempts ||
        out_of_time(device)) {
        give_up(device, close_codes[reason], text);
        return;
    }
    if (!device->dropped)
        device_fail(device, close_codes[reason], text);
    device->phase = PAUSING;
    pause = engine_now(engine) + pause_before(device);
    if (device->draining_at && drain_end(device) < pause)
        pause = drain_end(device);
    device_wake_at(device, pause);
}

/* ------------------------------------------------------------------ what the engine asks for */

void device_init(struct device *device)
{
    struct script_invocation invocation = {.function = SCRIPT_INIT, .turn = device_turn(device)};

    if (script_invoke(device->engine->script, &invocation)) {
        device->awaiting = invocation.pending;
        device->init_done = !invocation.pending;
        acts_do(device->engine);
        return;
    }
    device_fail_script(device, invocation.turn, &invocation.error);
    acts_do(device->engine);
    device->engine->tally->counts[TALLY_FAILED]++;
    be_done(device);
}

void device_join(struct device *device)
{
    if (device->phase == WAITING || device->phase == PARKED) {
        device->rejoined = device->phase == PARKED;
        connect_device(device);
    } else if (device->parking && device->phase != LEAVING) {
        device->parking = false;
        device->draining_at = 0;
        device->rejoined = true;
        if (device->phase != DRAINING)
            return;
        stop_timer(device);
        device->phase = RUNNING;
        message_begin(device);
    }
}

void device_park(struct device *device)
{
    if (device->phase == WAITING || device->phase == PARKED || device->phase == DONE ||
        device->phase == LEAVING || device_has_sent_all(device))
        return;
    device->parking = true;
    if (device->phase == OFFLINE)
        leave(device);
    else if (device->phase == RUNNING)
        device_drain(device);
    else if (waits_for_answers(device))
        device->draining_at = engine_now(device->engine);
    else
        leave(device);
}

void device_drop(struct device *device)
{
    if (!device->connected_at || device->phase == LEAVING)
        return;
    device->dropped = true;
    device->engine->operations->session_drop(device->session);
}

void device_end(struct device *device)
{
    device->parking = false;
    switch (device->phase) {
    case PAUSING:
    case CONNECTING:
        if (!waits_for_answers(device)) {
            leave(device);
            break;
        }
        /* It connects once more, to send again what was not acknowledged. */
        if (!device->draining_at || device->engine->stopped)
            device->draining_at = engine_now(device->engine);
        if (device->phase == PAUSING)
            device_wake_at(device, device->draining_at);
        break;
    case WAITING:
    case PARKED:
    case OFFLINE:
        leave(device);
        break;
    case HOLDING:
        if (device->engine->end_asked)
            leave(device);
        break;
    case RUNNING:
    case DRAINING:
        /* In haste the wait is counted from now on. */
        if (device->engine->stopped)
            device->draining_at = 0;
        device_drain(device);
        break;
    case FINISHING:
    case LEAVING:
    case DONE:
        break;
    }
}

void device_hurry(struct device *device)
{
    device->parking = false;
    if (device->phase != LEAVING)
        leave(device);
}

void device_timer(void *argument)
{
    struct device *device = argument;

    switch (device->phase) {
    case RUNNING:
    case OFFLINE:
        message_due(device);
        break;
    case PAUSING:
        if (out_of_time(device))
            leave(device);
        else
            connect_device(device);
        break;
    case DRAINING:
    case HOLDING:
    case FINISHING:
        leave(device);
        break;
    case WAITING:
    case CONNECTING:
    case LEAVING:
    case PARKED:
    case DONE:
        break;
    }
}
