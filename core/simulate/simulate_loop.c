/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/simulate_loop.h"

#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/random.h"
#include "core/settings/schema.h"
#include "core/simulate/answers.h"
#include "core/simulate/init_phase.h"
#include "core/simulate/session_calls.h"
#include "core/simulate/simulate_loop_internal.h"

#define PAYLOAD_MAX (16 * 1024 * 1024)

int64_t simulate_loop_now(const struct simulate_loop *loop)
{
    return loop->events.base.now(&loop->events.base);
}

bool simulate_loop_stopped(const struct simulate_loop *loop)
{
    return loop->end_asked == LOOP_STOPS;
}

void simulate_loop_count_done(struct simulate_loop *loop)
{
    if (++loop->done == loop->count)
        loop_stop(&loop->events);
}

/* ------------------------------------------------------------------ the turn */

void simulate_loop_end_devices(struct simulate_loop *loop)
{
    loop->end_due = true;
}

/*
 * The end of each turn, after all descriptors and timers: the only point of a running loop at which
 * commands of scripts are carried out. message() runs here too, and devices end here, after
 * everything that was due before.
 */
void simulate_loop_free_later(struct simulate_loop *loop, void *session)
{
    struct simulate_loop_session *entry = memory_new(1, sizeof(*entry));

    *entry = (struct simulate_loop_session){session, loop->freed_later};
    loop->freed_later = entry;
}

static void simulate_loop_free_sessions(struct simulate_loop *loop)
{
    struct simulate_loop_session *entry;

    while ((entry = loop->freed_later)) {
        loop->freed_later = entry->next;
        session_calls_free(loop, entry->session);
        free(entry);
    }
}

static void simulate_loop_on_turn(void *argument)
{
    struct simulate_loop *loop = argument;

    simulate_loop_free_sessions(loop);
    do {
        script_commands_flush(loop);
        if (message_run_batch(loop))
            continue;
        if (loop->end_due && !loop->scripts.commands.first) {
            loop->end_due = false;
            loop->ending = true;
            ramp_end_stage(loop);
            for (size_t i = 0; i < loop->count; i++)
                device_end(&loop->devices[i]);
        }
    } while (loop->scripts.commands.first || loop->scripts.due || loop->end_due);
}

/* ------------------------------------------------------------------ timers and wake-ups */

static void simulate_loop_on_resume(void *argument)
{
    script_settle(((struct simulate_loop *)argument)->scripts.context);
}

static void simulate_loop_on_end(void *argument)
{
    simulate_loop_end_devices(argument);
}

/* Goodbyes have a second: a server that does not read does not get them. */
#define GOODBYE SECOND

static void simulate_loop_on_haste(void *argument)
{
    struct simulate_loop *loop = argument;

    static void (*const steps[])(struct device * device) = {
        device_hurry, device_abort, device_force};
    unsigned step = loop->haste++;

    for (size_t i = 0; i < loop->count; i++)
        steps[step](&loop->devices[i]);
    if (loop->haste < sizeof(steps) / sizeof(steps[0]))
        loop->events.base.timer_start(loop->haste_timer, GOODBYE);
}

static void simulate_loop_on_woken(void *argument)
{
    struct simulate_loop *loop = argument;
    enum simulate_loop_end asked = (enum simulate_loop_end)atomic_load(&loop->end_asked);

    script_answer(loop->scripts.context);
    /* The glob wakes the loop, too. */
    if (asked <= loop->end_seen)
        return;
    loop->end_seen = asked;
    simulate_loop_end_devices(loop);
    if (asked == LOOP_STOPS)
        loop->events.base.timer_start(loop->haste_timer, DEVICE_HASTE - GOODBYE);
}

/* ------------------------------------------------------------------ the thread */

static void simulate_loop_run(struct simulate_loop *loop)
{
    const struct iotify_loop *events = &loop->events.base;
    int64_t ends = loop->simulation->load_profile.ends;

    glob_count_blocking(loop->simulation->glob);
    loop->began = simulate_loop_now(loop);
    loop->end_timer = loop_timer_new(&loop->events, simulate_loop_on_end, loop);
    loop->haste_timer = loop_timer_new(&loop->events, simulate_loop_on_haste, loop);
    loop->scripts.resume_timer = loop_timer_new(&loop->events, simulate_loop_on_resume, loop);
    ramp_begin(loop);
    backlog_begin(loop);
    held_begin(loop);
    loop_report_begin(loop);
    if (ends > 0)
        events->timer_start(loop->end_timer, ends);
    if (loop->end_asked != LOOP_RUNS)
        simulate_loop_on_woken(loop);
    if (loop->done < loop->count)
        loop_run(&loop->events);
    loop_report_end(loop);
    held_end(loop);
    backlog_end(loop);
    ramp_end(loop);
    events->timer_free(loop->end_timer);
    events->timer_free(loop->haste_timer);
    events->timer_free(loop->scripts.resume_timer);
    loop->scripts.resume_timer = NULL;
}

/* All devices are done: wait for the answers of the glob that scripts still expect. */
static void simulate_loop_await_last(struct simulate_loop *loop)
{
    struct script *context = loop->scripts.context;
    int64_t until = clock_now() + DEVICE_HASTE;

    if (!context)
        return;
    script_commands_flush(loop);
    while (script_waits(context) && clock_now() < until) {
        script_await(context, SECOND / 10);
        script_give_up(context);
        script_commands_flush(loop);
    }
    for (size_t i = 0; i < loop->count; i++)
        loop->report.tally->counts[TALLY_FAILED] += loop->devices[i].spoiled;
    loop_report_take_metrics(loop);
}

static void simulate_loop_free_devices(struct simulate_loop *loop)
{
    simulate_loop_free_sessions(loop);
    for (size_t i = 0; i < loop->count; i++) {
        struct device *device = &loop->devices[i];

        if (device->session)
            session_calls_free(loop, device->session);
        loop->events.base.timer_stop(&device->timer);
        ledger_clear(&device->ledger);
    }
}

static void *simulate_loop_main(void *argument)
{
    struct simulate_loop *loop = argument;

    loop->broken = !loop_scripts_open(loop) || (loop->operations && !session_calls_open(loop));
    if (!loop->broken)
        init_phase_run(loop);
    pthread_barrier_wait(loop->simulation->ready);
    if (!loop->broken)
        simulate_loop_run(loop);
    simulate_loop_await_last(loop);
    if (loop->channel)
        loop_run_posts(&loop->events);
    simulate_loop_free_devices(loop);
    session_calls_close(loop);
    /* From here on no thread may wake the loop. */
    pthread_mutex_lock(&loop->lock);
    loop->deaf = true;
    pthread_mutex_unlock(&loop->lock);
    glob_port_free(loop->scripts.glob);
    loop_clear(&loop->events);
    script_free(loop->scripts.context);
    atomic_store(&loop->finished, true);
    return NULL;
}

/* ------------------------------------------------------------------ construction (main thread) */

/* Offset of the setting with this role; SIZE_MAX: there is none. */
static size_t simulate_loop_offset(
    const struct iotify_settings *settings, enum iotify_role role, enum iotify_type type)
{
    struct iotify_setting setting;

    return settings && schema_find_role(settings, role, type, &setting) ? setting.offset : SIZE_MAX;
}

/* The template's publish settings; the step's `qos` overrides theirs. */
static const void *simulate_loop_publish_options(struct simulate_loop *loop)
{
    const struct template_file *template = loop->simulation->template;
    char *copy;

    if (loop->simulation->options->qos < 0 || loop->offsets.qos == SIZE_MAX)
        return template->publish;
    copy = arena_copy(&loop->arena, template->publish, loop->operations->publish->options_size);
    *(int64_t *)(void *)(copy + loop->offsets.qos) = loop->simulation->options->qos;
    return copy;
}

static void simulate_loop_wake(void *argument)
{
    struct simulate_loop *loop = argument;

    pthread_mutex_lock(&loop->lock);
    if (!loop->deaf)
        loop_wake(&loop->events);
    pthread_mutex_unlock(&loop->lock);
}

/* What a transport logs outside of a call; `user` is a device of the loop, or NULL. */
static void simulate_loop_log(void *argument, void *user, enum iotify_level level, const char *text)
{
    const struct simulate_loop *loop = argument;
    struct call call;

    call_init(&call, loop->simulation->where);
    if (user)
        call.base.client = ((const struct device *)user)->client;
    call_log(&call.base, level, "%s", text);
    call_clear(&call);
}

static const struct loop_owner simulate_loop_owner = {
    .woken = simulate_loop_on_woken, .settle = simulate_loop_on_turn, .log = simulate_loop_log};

static void simulate_loop_make_devices(struct simulate_loop *loop)
{
    const struct simulation *simulation = loop->simulation;

    loop->devices = memory_new(loop->count, sizeof(*loop->devices));
    for (size_t i = 0; i < loop->count; i++) {
        struct device *device = &loop->devices[i];

        loop_timer_init(&device->timer, &loop->events, device_on_timer, device);
        device->loop = loop;
        device->client = simulation->first + loop->share + (int64_t)i * loop->shares;
        device->random = random_of((uint64_t)simulation->options->seed, (uint64_t)device->client);
        device->ledger.verifies =
            simulation->template->transport && simulation->options->verify == VERIFY_END_TO_END;
    }
}

struct simulate_loop *simulate_loop_new(
    const struct simulation *simulation, int64_t share, int64_t shares)
{
    const struct iotify_settings *publish = NULL, *connection = NULL;
    struct simulate_loop *loop = memory_new(1, sizeof(*loop));

    pthread_mutex_init(&loop->lock, NULL);
    loop_report_init(&loop->report);
    script_commands_init(&loop->scripts.commands);
    loop->simulation = simulation;
    loop->share = share;
    loop->shares = shares;
    if (simulation->template->transport) {
        loop->operations = &simulation->template->transport->plugin->transport;
        publish = loop->operations->publish;
        connection = loop->operations->connection;
    }
    loop->count = (size_t)((simulation->clients - share + shares - 1) / shares);
    loop->report.tally->counts[TALLY_CLIENTS] = (int64_t)loop->count;
    loop->offsets = (struct simulate_loop_offsets){
        .topic = simulate_loop_offset(publish, IOTIFY_ROLE_TOPIC, IOTIFY_TYPE_STRING),
        .qos = simulate_loop_offset(publish, IOTIFY_ROLE_QOS, IOTIFY_TYPE_INTEGER),
        .retain = simulate_loop_offset(publish, IOTIFY_ROLE_RETAIN, IOTIFY_TYPE_BOOLEAN),
        .timeout = simulate_loop_offset(connection, IOTIFY_ROLE_TIMEOUT, IOTIFY_TYPE_DURATION)};
    loop->publish_options = simulate_loop_publish_options(loop);
    iotify_buffer_init(&loop->scripts.payload, PAYLOAD_MAX);
    call_init(&loop->call, simulation->where);
    if (!loop_init(&loop->events, &simulate_loop_owner, loop)) {
        simulate_loop_free(loop);
        return NULL;
    }
    if (simulation->template->transport)
        loop->events.plugin = simulation->template->transport->plugin->name;
    loop->scripts.glob = glob_port_new(simulation->glob, simulate_loop_wake, loop);
    simulate_loop_make_devices(loop);
    return loop;
}

bool simulate_loop_start(struct simulate_loop *loop)
{
    return pthread_create(&loop->thread, NULL, simulate_loop_main, loop) == 0;
}

/* ------------------------------------------------------------------ calls from other threads */

bool simulate_loop_finished(const struct simulate_loop *loop)
{
    return atomic_load(&loop->finished);
}

int64_t simulate_loop_connected(const struct simulate_loop *loop)
{
    return atomic_load(&loop->report.connected);
}

double simulate_loop_busy(const struct simulate_loop *loop)
{
    return atomic_load(&loop->report.busy);
}

void simulate_loop_end(struct simulate_loop *loop, bool stopped)
{
    int runs = LOOP_RUNS;

    if (stopped)
        atomic_store(&loop->end_asked, LOOP_STOPS);
    else
        atomic_compare_exchange_strong(&loop->end_asked, &runs, LOOP_ENDS);
    simulate_loop_wake(loop);
}

int64_t simulate_loop_cpu(const struct simulate_loop *loop)
{
    struct timespec used;
    clockid_t clock;

    if (pthread_getcpuclockid(loop->thread, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return used.tv_sec * SECOND + used.tv_nsec;
}

int64_t simulate_loop_busy_since(const struct simulate_loop *loop)
{
    return atomic_load(&loop->scripts.busy_since);
}

void simulate_loop_collect(struct simulate_loop *loop, struct tally *tally)
{
    loop_report_collect(&loop->report, tally);
}

bool simulate_loop_join(struct simulate_loop *loop, struct tally *tally, double *busy)
{
    int64_t elapsed;

    pthread_join(loop->thread, NULL);
    loop_report_collect(&loop->report, tally);
    tally_merge(tally, loop->report.tally);
    elapsed = loop->report.at - loop->began;
    *busy = elapsed > 0 ? (double)loop->report.worked / (double)elapsed : 0;
    return !loop->broken && !loop->overgrown;
}

void simulate_loop_add_stages(const struct simulate_loop *loop, struct stage_summary *stages)
{
    for (size_t i = 0; loop->ramp.stages && i < loop->simulation->load_profile.count; i++)
        stages[i].reached +=
            stages[i].clients ? loop->ramp.stages[i].clients : loop->ramp.stages[i].messages;
}

void simulate_loop_free(struct simulate_loop *loop)
{
    if (!loop)
        return;
    loop_scripts_clear(loop);
    loop_report_clear(&loop->report);
    pthread_mutex_destroy(&loop->lock);
    free(loop->devices);
    call_clear(&loop->call);
    arena_clear(&loop->arena);
    free(loop);
}
