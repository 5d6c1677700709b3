/* An engine: its thread, its loop, and what it does for all of its devices. */
#include "core/simulate/simulate_loop.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/random.h"
#include "core/simulate/device.h"
#include "core/simulate/prefetch.h"

#define JOIN_TICK (5 * MILLISECOND)
/* As often as the main thread looks, so that its seconds are even. */
#define REPORT_TICK (50 * MILLISECOND)
#define BUSY_PERIOD (SECOND / 2)
#define PAYLOAD_MAX (16 * 1024 * 1024)

/* ------------------------------------------------------------------ who takes part */

/* How many of this engine's devices are among the first `clients` of the run. */
static size_t share_of(const struct engine *engine, int64_t clients)
{
    int64_t own = (clients - engine->share + engine->shares - 1) / engine->shares;

    return own <= 0 ? 0 : (size_t)own < engine->count ? (size_t)own : engine->count;
}

static size_t wanted(const struct engine *engine)
{
    int64_t clients =
        load_profile_clients(&engine->simulation->load_profile, engine_now(engine) - engine->began);

    return share_of(
        engine, clients < engine->simulation->clients ? clients : engine->simulation->clients);
}

/* Let as many join as the rate has allowed since the last time, and send those away who are too
 * many. */
static void on_join_timer(void *argument)
{
    struct engine *engine = argument;
    double rate = engine->simulation->options->connect_rate / (double)engine->shares;
    int64_t now = engine_now(engine);
    size_t target = engine->ending ? engine->joined : wanted(engine);

    engine->join_tokens += (double)(now - engine->join_at) / SECOND * rate;
    engine->join_at = now;
    if (!engine->transport)
        engine->join_tokens = (double)engine->count;
    while (engine->joined < target && engine->join_tokens >= 1) {
        engine->join_tokens -= 1;
        device_join(&engine->devices[engine->joined++]);
    }
    /* What was not used is no reserve for later. */
    if (engine->joined >= target && engine->join_tokens > 1)
        engine->join_tokens = 1;
    while (engine->joined > target)
        device_park(&engine->devices[--engine->joined]);
    if (!engine->ending &&
        (engine->joined < engine->count || load_profile_varies(&engine->simulation->load_profile)))
        engine->loop.base.timer_start(engine->join_timer, JOIN_TICK);
}

/* Which connections break is the same in every run. */
static void storm(struct engine *engine, double share)
{
    uint64_t seed = random_of((uint64_t)engine->simulation->options->seed, 1000 + engine->stage);

    for (size_t i = 0; i < engine->joined; i++) {
        struct device *device = &engine->devices[i];

        if (random_share(random_of(seed, (uint64_t)device->client)) < share)
            device_drop(device);
    }
}

static void on_stage_timer(void *argument)
{
    struct engine *engine = argument;
    const struct load_profile *load_profile = &engine->simulation->load_profile;
    const struct load_piece *piece = &load_profile->pieces[engine->stage];

    if (engine->ending)
        return;
    if (engine->share == 0)
        log_write(IOTIFY_INFO, engine->simulation->where, "stage %zu of %zu%s%s begins",
            engine->stage + 1, load_profile->count, piece->name ? ": " : "",
            piece->name ? piece->name : "");
    if (piece->storm > 0 && engine->transport)
        storm(engine, piece->storm);
    if (++engine->stage < load_profile->count)
        engine->loop.base.timer_start(engine->stage_timer,
            engine->began + load_profile->pieces[engine->stage].begins - engine_now(engine));
}

static void end_all(void *argument)
{
    struct engine *engine = argument;

    message_flush(engine);
    engine->ending = true;
    for (size_t i = 0; i < engine->count; i++)
        device_end(&engine->devices[i]);
}

/* ------------------------------------------------------------------ reports */

static int64_t worked_until(const struct engine *engine, int64_t now)
{
    return now - engine->began - engine->loop.slept;
}

static void take_metrics(struct engine *engine)
{
    struct iotify_buffer text;
    const char *name;
    json_t *root, *values;

    iotify_buffer_init(&text, 1 << 20);
    root = script_take_metrics(engine->script, &text)
               ? json_loads(iotify_buffer_text(&text), 0, NULL)
               : NULL;
    json_object_foreach(root, name, values)
    {
        struct tally_metric metric = {.name = name,
            .count = json_number_value(json_array_get(values, 0)),
            .sum = json_number_value(json_array_get(values, 1)),
            .min = json_number_value(json_array_get(values, 2)),
            .max = json_number_value(json_array_get(values, 3))};

        tally_add_metric(engine->tally, &metric);
    }
    json_decref(root);
    iotify_buffer_clear(&text);
}

/* Hand the tally over when the last one has been taken; otherwise it goes on being filled. */
static void hand_over(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    if (!engine->handed) {
        engine->handed = engine->tally;
        engine->tally =
            engine->tally == &engine->tallies[0] ? &engine->tallies[1] : &engine->tallies[0];
    }
    pthread_mutex_unlock(&engine->lock);
}

/* Scripts that hold more than they may end the run: they would take the machine along. */
static void check_memory(struct engine *engine)
{
    int64_t bytes;
    char text[200];

    if (engine->ending || !script_too_large(engine->script, &bytes))
        return;
    snprintf(text, sizeof(text),
        "the scripts of one loop hold %lld MiB, more than memory_limit (%lld MiB); the run ends",
        (long long)(bytes >> 20), (long long)(engine->simulation->options->memory_limit >> 20));
    device_fail(&engine->devices[0], "ScriptMemory", text);
    engine->overgrown = true;
    end_all(engine);
}

static void on_report_timer(void *argument)
{
    struct engine *engine = argument;
    int64_t now = engine_now(engine), worked = worked_until(engine, now);

    if (now - engine->reported_at >= BUSY_PERIOD) {
        atomic_store(&engine->busy,
            (double)(worked - engine->reported_worked) / (double)(now - engine->reported_at));
        engine->reported_at = now;
        engine->reported_worked = worked;
    }
    script_expire(engine->script);
    acts_do(engine);
    check_memory(engine);
    take_metrics(engine);
    hand_over(engine);
    engine->loop.base.timer_start(engine->report_timer, REPORT_TICK);
}

/* ------------------------------------------------------------------ what scripts go on with */

/* Behind what else the loop has to do. */
static void on_more(void *argument)
{
    struct engine *engine = argument;

    if (engine->more_timer)
        engine->loop.base.timer_start(engine->more_timer, 0);
}

static void on_more_timer(void *argument)
{
    struct engine *engine = argument;

    script_settle(engine->script);
    acts_do(engine);
}

/* ------------------------------------------------------------------ ending */

static void on_haste(void *argument)
{
    struct engine *engine = argument;

    for (size_t i = 0; i < engine->count; i++)
        device_hurry(&engine->devices[i]);
}

static void on_woken(void *argument)
{
    struct engine *engine = argument;
    int wanted;

    script_answer(engine->script);
    acts_do(engine);
    wanted = engine->stopped ? 2 : engine->end_asked ? 1 : 0;
    /* Being woken has many reasons. */
    if (wanted <= engine->end_seen)
        return;
    engine->end_seen = wanted;
    end_all(engine);
    if (engine->stopped)
        engine->loop.base.timer_start(engine->haste_timer, DEVICE_HASTE);
}

static void on_settle(void *argument)
{
    struct engine *engine = argument;

    if (engine->batch_count > 0)
        message_flush(engine);
}

/* ------------------------------------------------------------------ the thread */

/* A call that waited for a promise, or a failure that nobody waited for. */
static void on_settled(void *argument, enum script_function function,
    const struct script_turn *turn, const struct script_output *output)
{
    struct engine *engine = argument;
    struct device *device = turn->slot >= 0 && turn->slot < (int64_t)engine->count
                                ? &engine->devices[turn->slot]
                                : NULL;

    /* Code of the library goes on for no client: the first one stands for it. */
    if (!device) {
        if (output->error)
            device_fail_script(&engine->devices[0], *turn, output->error);
        return;
    }
    /* A message does what it asked for together with what it returned. */
    if (function == SCRIPT_MESSAGE) {
        message_settled(device, output);
    } else {
        acts_do(engine);
        device_settled(device, function, *turn, output);
    }
}

static void on_read(void *argument, const char *key)
{
    struct engine *engine = argument;

    if (engine->prefetch)
        prefetch_note(engine->prefetch, key);
}

static bool compile(struct engine *engine)
{
    const struct template_file *template = engine->simulation->template;
    const struct script_services services = {.context = engine,
        .glob = engine->glob,
        .reads = on_read,
        .console = message_on_console,
        .act = acts_on_asked,
        .more = on_more,
        .settled = on_settled};
    struct script_facts facts = {.job = engine->simulation->run->job->options->name,
        .clients = engine->simulation->clients,
        .iterations = engine->simulation->iterations,
        .interval = engine->simulation->options->interval,
        .seed = (uint64_t)engine->simulation->options->seed,
        .time_limit = engine->simulation->options->time_limit,
        .wait_limit = engine->simulation->options->wait_limit,
        .memory_limit = engine->simulation->options->memory_limit,
        .settings = engine->simulation->settings,
        .busy_since = &engine->busy_since};
    struct diagnostics diagnostics = {0};
    bool good;

    template_facts(template, &facts);
    engine->script = script_new(&services, &facts);
    if (!engine->script)
        return false;
    engine->subscriptions =
        memory_new(template->subscription_count, sizeof(*engine->subscriptions));
    good = template_compile(template, engine->script, &diagnostics) &&
           expression_set_compile(&engine->connection, engine->script,
               template->connection_expressions, &diagnostics) &&
           expression_set_compile(
               &engine->publish, engine->script, template->publish_expressions, &diagnostics);
    for (size_t i = 0; i < template->subscription_count && good; i++) {
        struct schema_expression *one = arena_alloc(&engine->arena, sizeof(*one));

        *one = (struct schema_expression){.setting = {.name = "subscribe", .type = IOTIFY_STRING},
            .text = template->subscriptions[i].text,
            .location = template->subscriptions[i].location};
        good = expression_set_compile(&engine->subscriptions[i], engine->script,
            expression_is_constant(one->text) ? NULL : one, &diagnostics);
    }
    diagnostics_print(&diagnostics, stderr);
    diagnostics_clear(&diagnostics);
    return good;
}

static bool open_transport(struct engine *engine)
{
    static const struct iotify_session_events events = {.struct_size = sizeof(events),
        .connected = device_on_connected,
        .acknowledged = message_on_acknowledged,
        .message = message_on_received,
        .closed = device_on_closed,
        .lost = message_on_lost};
    const struct simulation *simulation = engine->simulation;
    enum iotify_result result;
    struct call call;

    if (!simulation->template->transport)
        return true;
    call_init(&call, simulation->where);
    result = engine->operations->engine_new(
        simulation->transport, &call.base, &engine->loop.base, &events, &engine->transport);
    if (result != IOTIFY_OK)
        log_write(IOTIFY_ERROR, simulation->where, "%s", call_message(&call, result));
    call_clear(&call);
    return result == IOTIFY_OK;
}

static void make_timers(struct engine *engine)
{
    const struct iotify_loop *loop = &engine->loop.base;

    engine->join_timer = loop->timer_new(loop, on_join_timer, engine);
    engine->stage_timer = loop->timer_new(loop, on_stage_timer, engine);
    engine->end_timer = loop->timer_new(loop, end_all, engine);
    engine->report_timer = loop->timer_new(loop, on_report_timer, engine);
    engine->haste_timer = loop->timer_new(loop, on_haste, engine);
    engine->more_timer = loop->timer_new(loop, on_more_timer, engine);
}

static void free_timers(struct engine *engine)
{
    const struct iotify_loop *loop = &engine->loop.base;

    loop->timer_free(engine->join_timer);
    loop->timer_free(engine->stage_timer);
    loop->timer_free(engine->end_timer);
    loop->timer_free(engine->report_timer);
    loop->timer_free(engine->haste_timer);
    loop->timer_free(engine->more_timer);
    engine->more_timer = NULL;
}

static void run_loop(struct engine *engine)
{
    const struct iotify_loop *loop = &engine->loop.base;
    const struct load_profile *load_profile = &engine->simulation->load_profile;

    glob_count_blocking(engine->simulation->glob);
    engine->began = engine->join_at = engine->reported_at = engine_now(engine);
    /* The engines' first connections come one behind the other. */
    engine->join_tokens = 1 - (double)engine->share / (double)engine->shares;
    make_timers(engine);
    loop->timer_start(engine->join_timer, 0);
    loop->timer_start(engine->report_timer, REPORT_TICK);
    if (load_profile->count > 0)
        loop->timer_start(engine->stage_timer, 0);
    if (load_profile->ends > 0)
        loop->timer_start(engine->end_timer, load_profile->ends);
    if (engine->end_asked)
        on_woken(engine);
    if (engine->done < engine->count)
        loop_run(&engine->loop);
    engine->worked = worked_until(engine, engine_now(engine));
    engine->reported_at = engine_now(engine);
    take_metrics(engine);
    free_timers(engine);
}

/* What scripts still wait for when all devices are done: the glob's answers come soon. */
static void await_last(struct engine *engine)
{
    int64_t until = clock_now() + DEVICE_HASTE;

    if (!engine->script)
        return;
    while (script_waits(engine->script) && clock_now() < until) {
        script_await(engine->script, SECOND / 10);
        script_give_up(engine->script);
        acts_do(engine);
    }
    for (size_t i = 0; i < engine->count; i++)
        engine->tally->counts[TALLY_FAILED] += engine->devices[i].spoiled;
    take_metrics(engine);
}

/* ------------------------------------------------------------------ the thread, from its start */

static void *engine_main(void *argument)
{
    struct engine *engine = argument;

    engine->broken = !compile(engine) || !open_transport(engine);
    if (!engine->broken)
        inits_run(engine);
    pthread_barrier_wait(engine->simulation->ready);
    if (!engine->broken)
        run_loop(engine);
    await_last(engine);
    for (size_t i = 0; i < engine->count; i++) {
        if (engine->devices[i].session)
            engine->operations->session_free(engine->devices[i].session);
        engine->loop.base.timer_stop(&engine->devices[i].timer);
        ledger_clear(&engine->devices[i].ledger);
    }
    if (engine->transport)
        engine->operations->engine_free(engine->transport);
    /* From here on nobody may wake the loop. */
    pthread_mutex_lock(&engine->lock);
    engine->deaf = true;
    pthread_mutex_unlock(&engine->lock);
    glob_port_free(engine->glob);
    loop_clear(&engine->loop);
    script_free(engine->script);
    atomic_store(&engine->finished, true);
    return NULL;
}

/* ------------------------------------------------------------------ from the main thread */

/* The template's publish settings, with the step's `qos` in place of theirs. */
static const void *publish_options(struct engine *engine)
{
    const struct template_file *template = engine->simulation->template;
    const struct iotify_settings *settings;
    char *copy;

    if (!template->transport || engine->simulation->options->qos < 0)
        return template->publish;
    settings = template->transport->plugin->transport.publish;
    copy = arena_copy(&engine->arena, template->publish, settings->options_size);
    for (size_t i = 0; i < settings->count; i++) {
        struct iotify_setting setting = schema_setting(settings, i);

        if (strcmp(setting.name, "qos") == 0 && setting.type == IOTIFY_INTEGER)
            *(int64_t *)(void *)(copy + setting.offset) = engine->simulation->options->qos;
    }
    return copy;
}

/* Where a script's own topic, quality and retention go. */
static void find_offsets(struct engine *engine)
{
    const struct iotify_settings *settings;

    engine->offsets = (struct publish_offsets){SIZE_MAX, SIZE_MAX, SIZE_MAX};
    if (!engine->operations)
        return;
    settings = engine->operations->publish;
    for (size_t i = 0; i < settings->count; i++) {
        struct iotify_setting setting = schema_setting(settings, i);

        if (strcmp(setting.name, "topic") == 0 && setting.type == IOTIFY_STRING)
            engine->offsets.topic = setting.offset;
        if (strcmp(setting.name, "qos") == 0 && setting.type == IOTIFY_INTEGER)
            engine->offsets.qos = setting.offset;
        if (strcmp(setting.name, "retain") == 0 && setting.type == IOTIFY_BOOLEAN)
            engine->offsets.retain = setting.offset;
    }
}

/* Another thread has answers of the glob for the loop. */
static void on_answers(void *argument)
{
    struct engine *engine = argument;

    pthread_mutex_lock(&engine->lock);
    if (!engine->deaf)
        loop_wake(&engine->loop);
    pthread_mutex_unlock(&engine->lock);
}

static void make_devices(struct engine *engine)
{
    const struct simulation *simulation = engine->simulation;

    engine->devices = memory_new(engine->count, sizeof(*engine->devices));
    for (size_t i = 0; i < engine->count; i++) {
        struct device *device = &engine->devices[i];

        loop_timer_init(&device->timer, &engine->loop, device_timer, device);
        device->engine = engine;
        device->client = simulation->first + engine->share + (int64_t)i * engine->shares;
        device->random = random_of((uint64_t)simulation->options->seed, (uint64_t)device->client);
        device->ledger.verifies =
            simulation->template->transport && simulation->options->verify == VERIFY_END_TO_END;
    }
}

struct engine *engine_new(const struct simulation *simulation, int64_t share, int64_t shares)
{
    struct engine *engine = memory_new(1, sizeof(*engine));

    pthread_mutex_init(&engine->lock, NULL);
    engine->simulation = simulation;
    engine->share = share;
    engine->shares = shares;
    engine->tally = &engine->tallies[0];
    if (simulation->template->transport)
        engine->operations = &simulation->template->transport->plugin->transport;
    engine->count = (size_t)((simulation->clients - share + shares - 1) / shares);
    engine->tally->counts[TALLY_CLIENTS] = (int64_t)engine->count;
    engine->publish_options = publish_options(engine);
    engine->last_act = &engine->acts;
    find_offsets(engine);
    iotify_buffer_init(&engine->payload, PAYLOAD_MAX);
    call_init(&engine->call, simulation->where);
    if (!loop_init(&engine->loop, on_woken, on_settle, engine)) {
        engine_free(engine);
        return NULL;
    }
    engine->glob = glob_port_new(simulation->glob, on_answers, engine);
    make_devices(engine);
    return engine;
}

bool engine_start(struct engine *engine)
{
    return pthread_create(&engine->thread, NULL, engine_main, engine) == 0;
}

bool engine_finished(const struct engine *engine)
{
    return atomic_load(&engine->finished);
}

int64_t engine_connected(const struct engine *engine)
{
    return atomic_load(&engine->connected_now);
}

double engine_busy(const struct engine *engine)
{
    return atomic_load(&engine->busy);
}

void engine_end(struct engine *engine, bool stopped)
{
    if (stopped)
        atomic_store(&engine->stopped, true);
    atomic_store(&engine->end_asked, true);
    pthread_mutex_lock(&engine->lock);
    if (!engine->deaf)
        loop_wake(&engine->loop);
    pthread_mutex_unlock(&engine->lock);
}

int64_t engine_busy_since(const struct engine *engine)
{
    return atomic_load(&engine->busy_since);
}

void engine_collect(struct engine *engine, struct tally *tally)
{
    pthread_mutex_lock(&engine->lock);
    if (engine->handed) {
        tally_merge(tally, engine->handed);
        tally_reset(engine->handed);
        engine->handed = NULL;
    }
    pthread_mutex_unlock(&engine->lock);
}

bool engine_join(struct engine *engine, struct tally *tally, double *busy)
{
    int64_t elapsed;

    pthread_join(engine->thread, NULL);
    engine_collect(engine, tally);
    tally_merge(tally, engine->tally);
    elapsed = engine->reported_at - engine->began;
    *busy = elapsed > 0 ? (double)engine->worked / (double)elapsed : 0;
    return !engine->broken && !engine->overgrown;
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    expression_set_clear(&engine->connection);
    expression_set_clear(&engine->publish);
    for (size_t i = 0;
         engine->subscriptions && i < engine->simulation->template->subscription_count; i++)
        expression_set_clear(&engine->subscriptions[i]);
    pthread_mutex_destroy(&engine->lock);
    free(engine->subscriptions);
    free(engine->devices);
    iotify_buffer_wipe(&engine->payload);
    call_clear(&engine->call);
    tally_clear(&engine->tallies[0]);
    tally_clear(&engine->tallies[1]);
    arena_clear(&engine->arena);
    arena_clear(&engine->lines_arena);
    arena_wipe(&engine->acts_arena);
    free(engine);
}
