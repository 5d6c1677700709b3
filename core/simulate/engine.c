#include "core/simulate/engine.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/simulate/loop.h"
#include "core/template/expansion.h"

/* How long what is in flight may take once nothing new begins. */
#define DRAIN (30 * SECOND)
#define DRAIN_STOPPED (5 * SECOND)
#define CONNECT_TICK (5 * MILLISECOND)
#define PAYLOAD_MAX (16 * 1024 * 1024)
#define LAG_SATURATED (100 * MILLISECOND)
/* A connection that lasted this long was a good one: failed attempts count anew behind it. */
#define UPTIME_GOOD (10 * SECOND)
/* Unacknowledged messages of one client, beyond which a further one fails. */
#define IN_FLIGHT_MAX 20000

enum phase {
    WAITING, /* for its turn to connect */
    CONNECTING,
    RUNNING,
    PAUSING,  /* before it connects again */
    DRAINING, /* sent everything, waits for answers */
    LEAVING,
    DONE
};

struct device {
    struct engine *engine;
    int64_t client, slot;
    void *session;
    struct iotify_timer *timer;
    enum phase phase;
    bool was_connected, init_done;
    int64_t iteration; /* the next */
    int64_t due;       /* when the next message is meant to go, without jitter */
    int64_t intended;  /* the same, with jitter */
    int64_t in_flight;
    int64_t connected_at; /* when the present connection was ready; 0: there is none */
    int64_t drain_until;  /* when waiting for answers ends; 0: it has not begun */
    int attempts;         /* failed in a row */
};

struct engine {
    const struct plan *plan;
    int64_t share, shares;
    pthread_t thread;
    struct loop loop;
    struct script *script;
    void *transport; /* the plugin's engine; NULL for `none` */
    struct expansion connection, publish;
    struct expansion *subscriptions;
    const void *publish_options;
    struct device *devices;
    size_t count, connected_next; /* the device whose turn to connect is next */
    size_t done;
    struct iotify_timer *connect_timer, *end_timer;
    int64_t began;
    bool ending;
    uint64_t random;
    struct iotify_buffer payload;
    struct live live;
    atomic_bool finished, stopped;
    pthread_mutex_t wake_lock;
    bool deaf;               /* the loop is being closed and must not be woken */
    bool broken;             /* could not be set up */
    atomic_llong busy_since; /* a script runs since then; 0: none does */
    /* Results, read after the thread ended. */
    struct summary results;
    struct failure *failures;
    struct histogram connect_times, publish_times, lag;
    int64_t reconnects, abandoned, lost;
    int64_t cpu, elapsed;
};

static const char *const close_codes[] = {
    [IOTIFY_CLOSED_BY_US] = "Closed",
    [IOTIFY_CLOSED_BY_PEER] = "ClosedByServer",
    [IOTIFY_CLOSED_UNREACHABLE] = "Unreachable",
    [IOTIFY_CLOSED_TLS] = "TlsFailed",
    [IOTIFY_CLOSED_REFUSED] = "Refused",
    [IOTIFY_CLOSED_TIMEOUT] = "Timeout",
    [IOTIFY_CLOSED_PROTOCOL] = "ProtocolError",
};

/* splitmix64: small, seedable, and good enough to spread messages. */
static double next_random(struct engine *engine)
{
    uint64_t z = engine->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static int64_t now_of(const struct engine *engine)
{
    return engine->loop.base.now(&engine->loop.base);
}

static void start_timer(struct device *device, int64_t moment)
{
    int64_t delay = moment - now_of(device->engine);

    device->engine->loop.base.timer_start(device->timer, delay > 0 ? delay : 0);
}

static const struct iotify_transport *operations(const struct engine *engine)
{
    return &engine->plan->template->transport->plugin->transport;
}

/* ------------------------------------------------------------------ failures */

/* The first of each kind goes to the log with everything it says; the rest are counted. */
static void fail(struct device *device, const char *code, const char *text)
{
    struct engine *engine = device->engine;
    const struct failure *known = engine->failures;
    char where[160];

    while (known && strcmp(known->code, code) != 0)
        known = known->next;
    if (!known) {
        snprintf(where, sizeof(where), "%s[%lld]", engine->plan->where, (long long)device->client);
        log_write(IOTIFY_WARNING, where, "%s (further ones of this kind are counted)", text);
    }
    summary_add_failure(&engine->results, &engine->failures, code, text, device->client);
}

static void fail_script(struct device *device, const struct script_error *error)
{
    struct arena arena = {0};

    fail(device, "ScriptError",
        arena_format(&arena, "%s:%d:%d: %s (client %lld, iteration %lld)", error->place.file,
            error->place.line, error->place.column, error->text, (long long)device->client,
            (long long)device->iteration));
    if (error->stack && *error->stack)
        log_write(IOTIFY_DEBUG, device->engine->plan->where, "stack: %s", error->stack);
    arena_clear(&arena);
}

/* An expression of a setting: `text` says where it stands. */
static void fail_expression(struct device *device, const char *text)
{
    struct arena arena = {0};

    fail(device, "ScriptError",
        arena_format(&arena, "%s (client %lld, iteration %lld)", text, (long long)device->client,
            (long long)device->iteration));
    arena_clear(&arena);
}

static struct script_turn turn_of(const struct device *device)
{
    return (struct script_turn){device->slot, device->client, device->iteration};
}

/* ------------------------------------------------------------------ the end of a device */

static void check_all_done(struct engine *engine)
{
    if (engine->done == engine->count)
        loop_stop(&engine->loop);
}

static void be_done(struct device *device)
{
    struct engine *engine = device->engine;
    int64_t limit = engine->plan->iterations;

    if (device->phase == DONE)
        return;
    device->phase = DONE;
    engine->loop.base.timer_stop(device->timer);
    if (limit > device->iteration)
        engine->abandoned += limit - device->iteration;
    engine->lost += device->in_flight;
    engine->done++;
    atomic_fetch_add(&engine->live.finished, 1);
    check_all_done(engine);
}

static void run_finish(struct device *device)
{
    struct script_invocation invocation = {.function = SCRIPT_FINISH, .turn = turn_of(device)};

    if (device->init_done && !script_invoke(device->engine->script, &invocation))
        fail_script(device, &invocation.error);
    device->init_done = false;
}

static void leave(struct device *device)
{
    struct engine *engine = device->engine;

    if (device->phase == LEAVING || device->phase == DONE)
        return;
    run_finish(device);
    engine->loop.base.timer_stop(device->timer);
    if (device->session &&
        (device->phase == RUNNING || device->phase == DRAINING || device->phase == CONNECTING)) {
        device->phase = LEAVING;
        operations(engine)->session_disconnect(device->session);
    } else {
        be_done(device);
    }
}

static void drain(struct device *device)
{
    if (device->in_flight == 0) {
        leave(device);
        return;
    }
    device->phase = DRAINING;
    /* Connecting again in between does not make it longer. */
    if (!device->drain_until)
        device->drain_until =
            now_of(device->engine) + (device->engine->stopped ? DRAIN_STOPPED : DRAIN);
    start_timer(device, device->drain_until);
}

/* ------------------------------------------------------------------ messages */

static bool finished_sending(const struct device *device)
{
    const struct engine *engine = device->engine;

    return engine->ending ||
           (engine->plan->iterations && device->iteration >= engine->plan->iterations);
}

static void schedule(struct device *device, int64_t due)
{
    const struct simulate_options *options = device->engine->plan->options;

    device->due = due;
    device->intended = due;
    if (options->jitter > 0)
        device->intended += (int64_t)(next_random(device->engine) * (double)options->jitter);
    start_timer(device, device->intended);
}

/* Hand one payload to the transport. */
static void publish(struct device *device, int64_t intended)
{
    struct engine *engine = device->engine;
    const struct plan *plan = engine->plan;
    struct call call;
    const void *options;
    const char *error = NULL;
    enum iotify_result result;

    call_init(&call, plan->where);
    call.base.client = device->client;
    options = expansion_apply(&engine->publish, engine->script, turn_of(device),
        operations(engine)->publish, engine->publish_options, plan->run->job->directory,
        &call.arena, &error);
    if (!options) {
        fail_expression(device, error);
        atomic_fetch_add(&engine->live.failed, 1);
    } else if (device->in_flight >= IN_FLIGHT_MAX) {
        fail(device, "TooManyInFlight",
            "the server leaves too many messages unacknowledged; this one is not sent");
        atomic_fetch_add(&engine->live.failed, 1);
    } else {
        result = operations(engine)->session_publish(device->session, &call.base, options,
            (struct iotify_bytes){engine->payload.data, engine->payload.size}, (uint64_t)intended);
        if (result == IOTIFY_OK) {
            device->in_flight++;
            atomic_fetch_add(&engine->live.published, 1);
        } else {
            fail(device, call_code(&call, result), call_message(&call, result));
            atomic_fetch_add(&engine->live.failed, 1);
        }
    }
    call_clear(&call);
}

static void iterate(struct device *device)
{
    struct engine *engine = device->engine;
    const struct simulate_options *options = engine->plan->options;
    struct script_invocation invocation = {
        .function = SCRIPT_MESSAGE, .turn = turn_of(device), .out = &engine->payload};
    int64_t before = device->in_flight, now = now_of(engine);
    int64_t intended = options->pacing == PACING_OPEN ? device->intended : now;

    /* What was due while the device had no connection is late by no fault of this machine. */
    if (!engine->transport || device->intended >= device->connected_at)
        histogram_add(&engine->lag, now - device->intended);
    iotify_buffer_reset(&engine->payload);
    if (!script_invoke(engine->script, &invocation)) {
        fail_script(device, &invocation.error);
        atomic_fetch_add(&engine->live.failed, 1);
    } else if (invocation.has_output && engine->transport) {
        publish(device, intended);
    }
    device->iteration++;
    if (finished_sending(device))
        drain(device);
    else if (options->pacing == PACING_OPEN)
        schedule(device, device->due + options->interval);
    else if (device->in_flight == before)
        schedule(device, now_of(engine) + options->interval);
}

static void on_acknowledged(void *user, uint64_t token)
{
    struct device *device = user;
    struct engine *engine = device->engine;
    int64_t now = now_of(engine);

    if (device->in_flight == 0)
        return;
    device->in_flight--;
    device->attempts = 0;
    atomic_fetch_add(&engine->live.acknowledged, 1);
    histogram_add(&engine->publish_times, now - (int64_t)token);
    if (device->phase == DRAINING && device->in_flight == 0)
        leave(device);
    else if (device->phase == RUNNING && engine->plan->options->pacing == PACING_CLOSED)
        schedule(device, now + engine->plan->options->interval);
}

/* Not written before the connection went: with QoS 0 nobody sends it again. */
static void on_lost(void *user, uint64_t token)
{
    struct device *device = user;

    (void)token;
    if (device->in_flight == 0)
        return;
    device->in_flight--;
    device->engine->lost++;
}

static void on_message(void *user, const char *topic, struct iotify_bytes payload)
{
    struct device *device = user;
    struct engine *engine = device->engine;
    struct script_invocation invocation = {
        .function = SCRIPT_RESPONSE, .turn = turn_of(device), .topic = topic, .payload = payload};

    atomic_fetch_add(&engine->live.received, 1);
    /* After finish() the script is done with. */
    if (device->init_done && !script_invoke(engine->script, &invocation))
        fail_script(device, &invocation.error);
}

/* ------------------------------------------------------------------ connections */

/* Unless it ends anyway: what it has left to send fails with it, and is counted as one failure. */
static void give_up(struct device *device, const char *code, const char *text)
{
    struct engine *engine = device->engine;

    fail(device, code, text);
    if (!engine->stopped)
        atomic_fetch_add(&engine->live.failed, 1);
    run_finish(device);
    be_done(device);
}

/* The topics to subscribe to, expanded; NULL after a failure. */
static const char *const *expand_subscriptions(
    struct device *device, struct arena *arena, const char **error)
{
    const struct template_file *template = device->engine->plan->template;
    const char **topics = arena_array(arena, template->subscription_count + 1, sizeof(*topics));
    struct iotify_settings one = {.options_size = sizeof(char *)};

    for (size_t i = 0; i < template->subscription_count; i++) {
        const char *text = template->subscriptions[i].text;
        const char *const *bound = expansion_apply(&device->engine->subscriptions[i],
            device->engine->script, turn_of(device), &one, &text, "", arena, error);

        if (!bound)
            return NULL;
        topics[i] = *bound;
    }
    return topics;
}

static bool make_session(struct device *device)
{
    struct engine *engine = device->engine;
    const struct plan *plan = engine->plan;
    const char *error = NULL, *const *topics = NULL;
    enum iotify_result result = IOTIFY_INVALID;
    const void *options;
    struct call call;

    call_init(&call, plan->where);
    call.base.client = device->client;
    options = expansion_apply(&engine->connection, engine->script, turn_of(device),
        operations(engine)->connection, plan->connection, plan->run->job->directory, &call.arena,
        &error);
    if (options)
        topics = expand_subscriptions(device, &call.arena, &error);
    if (!options || !topics)
        give_up(device, "ScriptError",
            arena_format(&call.arena, "%s (client %lld)", error, (long long)device->client));
    else
        result = operations(engine)->session_new(engine->transport, &call.base, options, topics,
            plan->template->subscription_count, device, &device->session);
    if (options && topics && result != IOTIFY_OK)
        give_up(device, call_code(&call, result), call_message(&call, result));
    call_clear(&call);
    return result == IOTIFY_OK;
}

static void begin_messages(struct device *device)
{
    bool first = !device->was_connected;

    device->was_connected = true;
    device->connected_at = now_of(device->engine);
    device->phase = RUNNING;
    if (finished_sending(device))
        drain(device);
    else if (first)
        schedule(device, now_of(device->engine));
    else if (device->engine->plan->options->pacing == PACING_OPEN)
        start_timer(device, device->intended);
    else if (device->in_flight == 0)
        schedule(device, now_of(device->engine) + device->engine->plan->options->interval);
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
        operations(engine)->session_connect(device->session);
}

static void on_connected(void *user, const struct iotify_connect_times *times)
{
    struct device *device = user;
    struct engine *engine = device->engine;

    if (device->phase != CONNECTING)
        return;
    histogram_add(&engine->connect_times, times->tcp + times->tls + times->session);
    if (device->was_connected)
        engine->reconnects++;
    else
        atomic_fetch_add(&engine->live.connected, 1);
    begin_messages(device);
}

static int64_t pause_before(struct device *device)
{
    const struct simulate_options *options = device->engine->plan->options;
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
        return (int64_t)(next_random(device->engine) * (double)ceiling);
    }
}

static void on_closed(void *user, enum iotify_close reason, const char *text)
{
    struct device *device = user;
    struct engine *engine = device->engine;
    bool needed = !finished_sending(device) || device->in_flight > 0;

    if (device->phase == DONE)
        return;
    if (device->connected_at && now_of(engine) - device->connected_at > UPTIME_GOOD)
        device->attempts = 0;
    device->connected_at = 0;
    if (device->phase == LEAVING) {
        be_done(device);
        return;
    }
    device->attempts++;
    if (engine->stopped || !needed || device->attempts >= engine->plan->options->attempts) {
        give_up(device, close_codes[reason], text);
        return;
    }
    fail(device, close_codes[reason], text);
    device->phase = PAUSING;
    start_timer(device, now_of(engine) + pause_before(device));
}

static void on_device_timer(void *argument)
{
    struct device *device = argument;

    switch (device->phase) {
    case RUNNING:
        iterate(device);
        break;
    case PAUSING:
        connect_device(device);
        break;
    case DRAINING:
        fail(device, "NotAcknowledged", "messages were not acknowledged before the end");
        leave(device);
        break;
    case WAITING:
    case CONNECTING:
    case LEAVING:
    case DONE:
        break;
    }
}

/* Let as many devices connect as the rate has allowed since the start. */
static void on_connect_timer(void *argument)
{
    struct engine *engine = argument;
    double rate = engine->plan->options->connect_rate / (double)engine->shares;
    double seconds = (double)(now_of(engine) - engine->began) / (double)SECOND;
    size_t allowed = (size_t)(seconds * rate) + 1;

    if (!engine->transport)
        allowed = engine->count;
    while (engine->connected_next < engine->count && engine->connected_next < allowed) {
        struct device *device = &engine->devices[engine->connected_next++];

        if (device->phase == WAITING)
            connect_device(device);
    }
    if (engine->connected_next < engine->count && !engine->ending)
        engine->loop.base.timer_start(engine->connect_timer, CONNECT_TICK);
}

/* ------------------------------------------------------------------ ending */

static void end_device(struct device *device)
{
    switch (device->phase) {
    case WAITING:
    case PAUSING:
        leave(device);
        break;
    case RUNNING:
        drain(device);
        break;
    case CONNECTING:
        leave(device);
        break;
    case DRAINING:
        if (device->engine->stopped)
            start_timer(device, now_of(device->engine) + DRAIN_STOPPED);
        break;
    case LEAVING:
    case DONE:
        break;
    }
}

static void end_all(void *argument)
{
    struct engine *engine = argument;

    engine->ending = true;
    for (size_t i = 0; i < engine->count; i++)
        end_device(&engine->devices[i]);
}

static void on_woken(void *argument)
{
    struct engine *engine = argument;

    if (engine->stopped)
        end_all(engine);
}

/* ------------------------------------------------------------------ the thread */

static bool compile(struct engine *engine)
{
    const struct template_file *template = engine->plan->template;
    struct script_services services = run_services(engine->plan->run);
    struct script_facts facts = {.job = engine->plan->run->job->options->name,
        .clients = engine->plan->clients,
        .iterations = engine->plan->iterations,
        .interval = engine->plan->options->interval,
        .seed = (uint64_t)engine->plan->options->seed + (uint64_t)engine->share,
        .time_limit = engine->plan->options->time_limit,
        .busy_since = &engine->busy_since};
    struct diagnostics diagnostics = {0};
    bool good;

    engine->script = script_new(&services, &facts);
    if (!engine->script)
        return false;
    engine->subscriptions =
        memory_new(template->subscription_count, sizeof(*engine->subscriptions));
    good = template_compile(template, engine->script, &diagnostics) &&
           expansion_compile(&engine->connection, engine->script, template->connection_expressions,
               &diagnostics) &&
           expansion_compile(
               &engine->publish, engine->script, template->publish_expressions, &diagnostics);
    for (size_t i = 0; i < template->subscription_count && good; i++) {
        struct schema_expression *one = arena_alloc(&engine->results.arena, sizeof(*one));

        *one = (struct schema_expression){.setting = {.name = "subscribe", .type = IOTIFY_STRING},
            .text = template->subscriptions[i].text,
            .place = template->subscriptions[i].place};
        good = expansion_compile(&engine->subscriptions[i], engine->script,
            macro_is_constant(one->text) ? NULL : one, &diagnostics);
    }
    diagnostics_print(&diagnostics, stderr);
    diagnostics_clear(&diagnostics);
    return good;
}

static bool open_transport(struct engine *engine)
{
    static const struct iotify_session_events events = {.struct_size = sizeof(events),
        .connected = on_connected,
        .acknowledged = on_acknowledged,
        .message = on_message,
        .closed = on_closed,
        .lost = on_lost};
    const struct plan *plan = engine->plan;
    enum iotify_result result;
    struct call call;

    if (!plan->template->transport)
        return true;
    call_init(&call, plan->where);
    result = operations(engine)->engine_new(
        plan->transport, &call.base, &engine->loop.base, &events, &engine->transport);
    if (result != IOTIFY_OK)
        log_write(IOTIFY_ERROR, plan->where, "%s", call_message(&call, result));
    call_clear(&call);
    return result == IOTIFY_OK;
}

static void run_init(struct device *device)
{
    struct script_invocation invocation = {.function = SCRIPT_INIT, .turn = turn_of(device)};

    if (script_invoke(device->engine->script, &invocation)) {
        device->init_done = true;
        return;
    }
    fail_script(device, &invocation.error);
    atomic_fetch_add(&device->engine->live.failed, 1);
    be_done(device);
}

static void run_loop(struct engine *engine)
{
    const struct iotify_loop *loop = &engine->loop.base;

    engine->began = now_of(engine);
    engine->connect_timer = loop->timer_new(loop, on_connect_timer, engine);
    engine->end_timer = loop->timer_new(loop, end_all, engine);
    loop->timer_start(engine->connect_timer, 0);
    if (engine->plan->options->duration > 0)
        loop->timer_start(engine->end_timer, engine->plan->options->duration);
    if (engine->done < engine->count)
        loop_run(&engine->loop);
    engine->elapsed = now_of(engine) - engine->began;
    loop->timer_free(engine->connect_timer);
    loop->timer_free(engine->end_timer);
}

static void *engine_main(void *argument)
{
    struct engine *engine = argument;

    engine->broken = !compile(engine) || !open_transport(engine);
    for (size_t i = 0; i < engine->count && !engine->broken && !engine->stopped; i++) {
        engine->devices[i].slot = script_add_state(engine->script, engine->devices[i].client);
        run_init(&engine->devices[i]);
    }
    pthread_barrier_wait(engine->plan->ready);
    if (!engine->broken) {
        if (engine->stopped)
            end_all(engine);
        run_loop(engine);
    }
    for (size_t i = 0; i < engine->count; i++) {
        if (engine->devices[i].session)
            operations(engine)->session_free(engine->devices[i].session);
        engine->loop.base.timer_free(engine->devices[i].timer);
    }
    if (engine->transport)
        operations(engine)->engine_free(engine->transport);
    /* From here on nobody may wake the loop. */
    pthread_mutex_lock(&engine->wake_lock);
    engine->deaf = true;
    pthread_mutex_unlock(&engine->wake_lock);
    loop_clear(&engine->loop);
    script_free(engine->script);
    atomic_store(&engine->finished, true);
    return NULL;
}

/* ------------------------------------------------------------------ from the main thread */

/* The template's publish settings, with the step's `qos` in place of theirs. */
static const void *publish_options(struct engine *engine)
{
    const struct template_file *template = engine->plan->template;
    const struct iotify_settings *settings;
    char *copy;

    if (!template->transport || engine->plan->options->qos < 0)
        return template->publish;
    settings = template->transport->plugin->transport.publish;
    copy = arena_copy(&engine->results.arena, template->publish, settings->options_size);
    for (size_t i = 0; i < settings->count; i++) {
        struct iotify_setting setting = schema_setting(settings, i);

        if (strcmp(setting.name, "qos") == 0 && setting.type == IOTIFY_INTEGER)
            *(int64_t *)(void *)(copy + setting.offset) = engine->plan->options->qos;
    }
    return copy;
}

struct engine *engine_new(const struct plan *plan, int64_t share, int64_t shares)
{
    struct engine *engine = memory_new(1, sizeof(*engine));

    pthread_mutex_init(&engine->wake_lock, NULL);
    engine->plan = plan;
    engine->share = share;
    engine->shares = shares;
    engine->random = (uint64_t)plan->options->seed + (uint64_t)share;
    engine->count = (size_t)((plan->clients - share + shares - 1) / shares);
    engine->devices = memory_new(engine->count, sizeof(*engine->devices));
    engine->publish_options = publish_options(engine);
    iotify_buffer_init(&engine->payload, PAYLOAD_MAX);
    if (!loop_init(&engine->loop, on_woken, NULL, engine)) {
        engine_free(engine);
        return NULL;
    }
    for (size_t i = 0; i < engine->count; i++) {
        struct device *device = &engine->devices[i];

        device->engine = engine;
        device->client = plan->first + share + (int64_t)i * shares;
        device->timer = engine->loop.base.timer_new(&engine->loop.base, on_device_timer, device);
    }
    return engine;
}

bool engine_start(struct engine *engine)
{
    return pthread_create(&engine->thread, NULL, engine_main, engine) == 0;
}

const struct live *engine_live(const struct engine *engine)
{
    return &engine->live;
}

bool engine_finished(const struct engine *engine)
{
    return atomic_load(&engine->finished);
}

void engine_stop(struct engine *engine)
{
    atomic_store(&engine->stopped, true);
    pthread_mutex_lock(&engine->wake_lock);
    if (!engine->deaf)
        loop_wake(&engine->loop);
    pthread_mutex_unlock(&engine->wake_lock);
}

int64_t engine_busy_since(const struct engine *engine)
{
    return atomic_load(&engine->busy_since);
}

bool engine_join(struct engine *engine, struct summary *summary, struct simulate_summary *total)
{
    pthread_join(engine->thread, NULL);
    total->clients += (int64_t)engine->count;
    total->connected += atomic_load(&engine->live.connected);
    total->published += atomic_load(&engine->live.published);
    total->acknowledged += atomic_load(&engine->live.acknowledged);
    total->received += atomic_load(&engine->live.received);
    total->failed += atomic_load(&engine->live.failed);
    total->abandoned += engine->abandoned;
    total->lost += engine->lost;
    total->reconnects += engine->reconnects;
    histogram_merge(&total->connect, &engine->connect_times);
    histogram_merge(&total->publish, &engine->publish_times);
    histogram_merge(&total->lag, &engine->lag);
    if (histogram_quantile(&engine->lag, 0.99) > LAG_SATURATED)
        total->saturated = true;
    for (const struct failure *failure = engine->failures; failure; failure = failure->next)
        for (int64_t i = 0; i < failure->count; i++)
            summary_add_failure(
                summary, &total->failures, failure->code, failure->message, failure->first_client);
    return !engine->broken;
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    expansion_clear(&engine->connection);
    expansion_clear(&engine->publish);
    for (size_t i = 0; engine->subscriptions && i < engine->plan->template->subscription_count; i++)
        expansion_clear(&engine->subscriptions[i]);
    pthread_mutex_destroy(&engine->wake_lock);
    free(engine->subscriptions);
    free(engine->devices);
    iotify_buffer_wipe(&engine->payload);
    histogram_clear(&engine->connect_times);
    histogram_clear(&engine->publish_times);
    histogram_clear(&engine->lag);
    summary_clear(&engine->results);
    free(engine);
}
