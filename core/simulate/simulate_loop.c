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
    int64_t clients = shape_clients(&engine->plan->shape, engine_now(engine) - engine->began);

    return share_of(engine, clients < engine->plan->clients ? clients : engine->plan->clients);
}

/* Let as many join as the rate has allowed since the last time, and send those away who are too
 * many. */
static void on_join_timer(void *argument)
{
    struct engine *engine = argument;
    double rate = engine->plan->options->connect_rate / (double)engine->shares;
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
    if (!engine->ending && (engine->joined < engine->count || shape_varies(&engine->plan->shape)))
        engine->loop.base.timer_start(engine->join_timer, JOIN_TICK);
}

/* Which connections break is the same in every run. */
static void storm(struct engine *engine, double share)
{
    uint64_t seed = random_of((uint64_t)engine->plan->options->seed, 1000 + engine->stage);

    for (size_t i = 0; i < engine->joined; i++) {
        struct device *device = &engine->devices[i];

        if (random_share(random_of(seed, (uint64_t)device->client)) < share)
            device_drop(device);
    }
}

static void on_stage_timer(void *argument)
{
    struct engine *engine = argument;
    const struct shape *shape = &engine->plan->shape;
    const struct shape_piece *piece = &shape->pieces[engine->stage];

    if (engine->ending)
        return;
    if (engine->share == 0)
        log_write(IOTIFY_INFO, engine->plan->where, "stage %zu of %zu%s%s begins",
            engine->stage + 1, shape->count, piece->name ? ": " : "",
            piece->name ? piece->name : "");
    if (piece->storm > 0 && engine->transport)
        storm(engine, piece->storm);
    if (++engine->stage < shape->count)
        engine->loop.base.timer_start(engine->stage_timer,
            engine->began + shape->pieces[engine->stage].begins - engine_now(engine));
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
        (long long)(bytes >> 20), (long long)(engine->plan->options->memory_limit >> 20));
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
    const struct template_file *template = engine->plan->template;
    const struct script_services services = {.context = engine,
        .glob = engine->glob,
        .reads = on_read,
        .console = message_on_console,
        .act = acts_on_asked,
        .more = on_more,
        .settled = on_settled};
    struct script_facts facts = {.job = engine->plan->run->job->options->name,
        .clients = engine->plan->clients,
        .iterations = engine->plan->iterations,
        .interval = engine->plan->options->interval,
        .seed = (uint64_t)engine->plan->options->seed,
        .time_limit = engine->plan->options->time_limit,
        .wait_limit = engine->plan->options->wait_limit,
        .memory_limit = engine->plan->options->memory_limit,
        .settings = engine->plan->settings,
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
           expansion_compile(&engine->connection, engine->script, template->connection_expressions,
               &diagnostics) &&
           expansion_compile(
               &engine->publish, engine->script, template->publish_expressions, &diagnostics);
    for (size_t i = 0; i < template->subscription_count && good; i++) {
        struct schema_expression *one = arena_alloc(&engine->arena, sizeof(*one));

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
        .connected = device_on_connected,
        .acknowledged = message_on_acknowledged,
        .message = message_on_received,
        .closed = device_on_closed,
        .lost = message_on_lost};
    const struct plan *plan = engine->plan;
    enum iotify_result result;
    struct call call;

    if (!plan->template->transport)
        return true;
    call_init(&call, plan->where);
    result = engine->operations->engine_new(
        plan->transport, &call.base, &engine->loop.base, &events, &engine->transport);
    if (result != IOTIFY_OK)
        log_write(IOTIFY_ERROR, plan->where, "%s", call_message(&call, result));
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
    const struct shape *shape = &engine->plan->shape;

    glob_count_blocking(engine->plan->glob);
    engine->began = engine->join_at = engine->reported_at = engine_now(engine);
    /* The engines' first connections come one behind the other. */
    engine->join_tokens = 1 - (double)engine->share / (double)engine->shares;
    make_timers(engine);
    loop->timer_start(engine->join_timer, 0);
    loop->timer_start(engine->report_timer, REPORT_TICK);
    if (shape->count > 0)
        loop->timer_start(engine->stage_timer, 0);
    if (shape->ends > 0)
        loop->timer_start(engine->end_timer, shape->ends);
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
    pthread_barrier_wait(engine->plan->ready);
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
    const struct template_file *template = engine->plan->template;
    const struct iotify_settings *settings;
    char *copy;

    if (!template->transport || engine->plan->options->qos < 0)
        return template->publish;
    settings = template->transport->plugin->transport.publish;
    copy = arena_copy(&engine->arena, template->publish, settings->options_size);
    for (size_t i = 0; i < settings->count; i++) {
        struct iotify_setting setting = schema_setting(settings, i);

        if (strcmp(setting.name, "qos") == 0 && setting.type == IOTIFY_INTEGER)
            *(int64_t *)(void *)(copy + setting.offset) = engine->plan->options->qos;
    }
    return copy;
}

/* Where a script's own topic, quality and retention go. */
static void find_places(struct engine *engine)
{
    const struct iotify_settings *settings;

    engine->places = (struct publish_places){SIZE_MAX, SIZE_MAX, SIZE_MAX};
    if (!engine->operations)
        return;
    settings = engine->operations->publish;
    for (size_t i = 0; i < settings->count; i++) {
        struct iotify_setting setting = schema_setting(settings, i);

        if (strcmp(setting.name, "topic") == 0 && setting.type == IOTIFY_STRING)
            engine->places.topic = setting.offset;
        if (strcmp(setting.name, "qos") == 0 && setting.type == IOTIFY_INTEGER)
            engine->places.qos = setting.offset;
        if (strcmp(setting.name, "retain") == 0 && setting.type == IOTIFY_BOOLEAN)
            engine->places.retain = setting.offset;
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
    const struct plan *plan = engine->plan;

    engine->devices = memory_new(engine->count, sizeof(*engine->devices));
    for (size_t i = 0; i < engine->count; i++) {
        struct device *device = &engine->devices[i];

        loop_timer_init(&device->timer, &engine->loop, device_timer, device);
        device->engine = engine;
        device->client = plan->first + engine->share + (int64_t)i * engine->shares;
        device->random = random_of((uint64_t)plan->options->seed, (uint64_t)device->client);
        device->ledger.verifies =
            plan->template->transport && plan->options->verify == VERIFY_END_TO_END;
    }
}

struct engine *engine_new(const struct plan *plan, int64_t share, int64_t shares)
{
    struct engine *engine = memory_new(1, sizeof(*engine));

    pthread_mutex_init(&engine->lock, NULL);
    engine->plan = plan;
    engine->share = share;
    engine->shares = shares;
    engine->tally = &engine->tallies[0];
    if (plan->template->transport)
        engine->operations = &plan->template->transport->plugin->transport;
    engine->count = (size_t)((plan->clients - share + shares - 1) / shares);
    engine->tally->counts[TALLY_CLIENTS] = (int64_t)engine->count;
    engine->publish_options = publish_options(engine);
    engine->last_act = &engine->acts;
    find_places(engine);
    iotify_buffer_init(&engine->payload, PAYLOAD_MAX);
    call_init(&engine->call, plan->where);
    if (!loop_init(&engine->loop, on_woken, on_settle, engine)) {
        engine_free(engine);
        return NULL;
    }
    engine->glob = glob_port_new(plan->glob, on_answers, engine);
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
    expansion_clear(&engine->connection);
    expansion_clear(&engine->publish);
    for (size_t i = 0; engine->subscriptions && i < engine->plan->template->subscription_count; i++)
        expansion_clear(&engine->subscriptions[i]);
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
