#include "core/simulate/simulate.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/report/progress.h"
#include "core/simulate/engine.h"
#include "core/simulate/threshold.h"

#define DEFAULT_ITERATIONS 10
/* Beyond its time limit a script gets this long before it is taken for stuck. */
#define STUCK_AFTER (5 * SECOND)

/* ------------------------------------------------------------------ check */

/* A path as the user would write it: without the job file's folder. */
static const char *shown(const struct job *job, const char *path)
{
    size_t length = strlen(job->directory);

    return strncmp(path, job->directory, length) == 0 && path[length] == '/' ? path + length + 1
                                                                             : path;
}

/* The same file, however it is written? Folders that are there count by what they are. */
static bool same_file(const char *a, const char *b)
{
    char folders[2][PATH_MAX], copies[2][PATH_MAX];
    const char *paths[] = {a, b}, *names[2];

    if (strcmp(a, b) == 0)
        return true;
    for (size_t i = 0; i < 2; i++) {
        const char *slash = strrchr(paths[i], '/');

        names[i] = slash ? slash + 1 : paths[i];
        snprintf(copies[i], sizeof(copies[i]), "%.*s", slash ? (int)(slash - paths[i]) + 1 : 1,
            slash ? paths[i] : ".");
        if (!realpath(copies[i], folders[i]))
            return false;
    }
    return strcmp(names[0], names[1]) == 0 && strcmp(folders[0], folders[1]) == 0;
}

/* Does a step that runs before `until` write the file? */
static bool is_written(
    const struct pipeline *const *run, size_t count, const struct step *until, const char *path)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < run[i]->count; j++) {
            const struct step *step = &run[i]->steps[j];

            if (step == until)
                return false;

            for (size_t k = 0; k < step->settings->count; k++) {
                struct iotify_setting setting = schema_setting(step->settings, k);
                const char *value;

                if (!(setting.flags & IOTIFY_WRITES))
                    continue;
                value = *(const char *const *)(const void *)((const char *)step->options +
                                                             setting.offset);
                if (value && same_file(value, path))
                    return true;
            }
        }
    }
    return false;
}

static void check_thresholds(const struct step *step, struct diagnostics *diagnostics)
{
    const struct simulate_options *options = step->options;
    const struct node *list = schema_given(step->node, "thresholds");

    for (size_t i = 0; i < options->thresholds.count; i++) {
        struct arena arena = {0};
        const char *wrong = threshold_check(&arena, options->thresholds.items[i]);

        if (wrong)
            diagnostics_add(diagnostics,
                list && list->kind == NODE_LIST && i < list->count ? list->items[i]->place
                                                                   : step->place,
                "%s", wrong);
        arena_clear(&arena);
    }
}

static void check_clients(
    const struct job *job, const struct step *step, struct diagnostics *diagnostics)
{
    const struct simulate_options *options = step->options;
    const struct node *given = schema_given(step->node, "clients");
    int64_t first = schema_given(step->node, "first") ? options->first : job->options->first;
    int64_t end = job->options->first + job->options->count;

    if (!given)
        given = schema_given(step->node, "first");
    if (first < job->options->first || first >= end || first + options->clients > end)
        diagnostics_add(diagnostics, given ? given->place : step->place,
            "the job has the clients %lld to %lld; \"first\" and \"clients\" go beyond them",
            (long long)job->options->first, (long long)end - 1);
}

void simulate_check(const struct job *job, const struct step *step,
    const struct pipeline *const *run, size_t run_count, struct diagnostics *diagnostics)
{
    const struct simulate_options *options = step->options;
    const struct node *given = schema_given(step->node, "template");
    const struct node *given_transport = schema_given(step->node, "transport");
    const char *name;
    struct template_file template = {0};

    check_thresholds(step, diagnostics);
    if (job->valid)
        check_clients(job, step, diagnostics);
    if (!options->template)
        return;
    name = arena_string(&diagnostics->arena, shown(job, options->template));
    if (access(options->template, F_OK) == 0) {
        template_load(&template, job, options->template, name, options->transport, diagnostics);
        template_clear(&template);
        return;
    }
    if (options->transport)
        template_check_transport(job, options->transport,
            given_transport ? given_transport->place : step->place, diagnostics);
    /* Where a step could not be made out, it may have been the one. */
    for (size_t i = 0; i < run_count; i++)
        if (!run[i]->valid)
            return;
    if (!is_written(run, run_count, step, options->template))
        diagnostics_add(diagnostics, given && given->place.line ? given->place : step->place,
            "the template %s does not exist, and no step before this one writes it; run deploy "
            "first",
            name);
}

/* ------------------------------------------------------------------ run */

/* The connection settings with the connector's endpoint where the template names no host. */
static bool fill_in_endpoint(
    struct run *run, struct plan *plan, struct arena *arena, struct call *call)
{
    const struct job_plugin *connector = run->job->connector;
    const struct iotify_settings *settings =
        plan->template->transport->plugin->transport.connection;
    struct iotify_endpoint endpoint;
    char *options = arena_copy(arena, plan->template->connection, settings->options_size);
    enum iotify_result result;

    plan->connection = options;
    if (!node_is_empty(schema_given(plan->template->connection_node, "host")) || !connector ||
        !connector->plugin->connector.endpoint)
        return true;
    result = run_connect(run, connector, call);
    if (result == IOTIFY_OK)
        result = connector->plugin->connector.endpoint(connector->instance, &call->base, &endpoint);
    if (result != IOTIFY_OK)
        return false;
    for (size_t i = 0; i < settings->count; i++) {
        struct iotify_setting setting = schema_setting(settings, i);

        if (strcmp(setting.name, "host") == 0 && setting.type == IOTIFY_STRING)
            *(const char **)(void *)(options + setting.offset) = arena_string(arena, endpoint.host);
        if (strcmp(setting.name, "port") == 0 && setting.type == IOTIFY_INTEGER &&
            node_is_empty(schema_given(plan->template->connection_node, "port")))
            *(int64_t *)(void *)(options + setting.offset) = endpoint.port;
    }
    return true;
}

static void show(struct engine *const *engines, size_t count, const struct plan *plan)
{
    struct progress progress = {.label = plan->where, .total = plan->clients};
    int64_t connected = 0, published = 0, acknowledged = 0;

    for (size_t i = 0; i < count; i++) {
        const struct live *live = engine_live(engines[i]);

        connected += atomic_load(&live->connected);
        published += atomic_load(&live->published);
        acknowledged += atomic_load(&live->acknowledged);
        progress.failed += atomic_load(&live->failed);
        progress.done += atomic_load(&live->finished);
    }
    snprintf(progress.detail, sizeof(progress.detail),
        "%lld connected, %lld published, %lld acknowledged", (long long)connected,
        (long long)published, (long long)acknowledged);
    if (plan->iterations) {
        /* Messages tell more than clients, which all finish at the end. */
        progress.total = plan->clients * plan->iterations;
        progress.done = published;
    }
    progress_show(&progress);
}

/*
 * Does a script run for so long that no limit will end it? Nothing can be done about it in this
 * process: the run goes on without that engine, and ends without waiting for it.
 */
static bool is_stuck(struct engine *const *engines, size_t count, const struct plan *plan)
{
    for (size_t i = 0; i < count; i++) {
        int64_t since = engine_busy_since(engines[i]);

        if (since && clock_now() - since > plan->options->time_limit + STUCK_AFTER)
            return true;
    }
    return false;
}

/* Until all engines are done; false when one is stuck. */
static bool watch(struct engine *const *engines, size_t count, const struct plan *plan)
{
    bool running = true, told = false;

    while (running) {
        const struct timespec tick = {.tv_nsec = 50 * MILLISECOND};

        nanosleep(&tick, NULL);
        show(engines, count, plan);
        if (stop_requested() && !told) {
            told = true;
            for (size_t i = 0; i < count; i++)
                engine_stop(engines[i]);
        }
        running = false;
        for (size_t i = 0; i < count; i++)
            running = running || !engine_finished(engines[i]);
        if (running && is_stuck(engines, count, plan))
            return false;
    }
    return true;
}

/* Start all engines, watch them, collect. False when they could not start. */
static bool run_engines(
    struct run *run, struct plan *plan, size_t count, struct simulate_summary *results)
{
    struct engine **engines = memory_new(count, sizeof(*engines));
    pthread_barrier_t ready;
    size_t made = 0, started = 0;
    int64_t began = clock_now(), cpu = clock_cpu();
    bool good = true;

    pthread_barrier_init(&ready, NULL, (unsigned)count);
    plan->ready = &ready;
    while (
        made < count && (engines[made] = engine_new(plan, (int64_t)made, (int64_t)count)) != NULL)
        made++;
    while (made == count && started < count && engine_start(engines[started]))
        started++;
    if (started == count) {
        run->abandoned = !watch(engines, count, plan);
        /* Everything that a stuck engine may still touch has to stay. */
        if (run->abandoned)
            return false;
        for (size_t i = 0; i < count; i++)
            good = engine_join(engines[i], run->summary, results) && good;
        results->seconds = (double)(clock_now() - began) / (double)SECOND;
        results->cpu = (double)(clock_cpu() - cpu) / (double)(clock_now() - began);
    }
    /* Engines that wait at the barrier for one that never came cannot be taken back. */
    if (started > 0 && started < count) {
        log_write(IOTIFY_ERROR, plan->where, "cannot start %zu threads; set loops: lower", count);
        _Exit(1);
    }
    for (size_t i = 0; i < made; i++)
        engine_free(engines[i]);
    plan->ready = NULL;
    pthread_barrier_destroy(&ready);
    free(engines);
    return good && started == count;
}

static bool load(struct run *run, const struct step *step, struct plan *plan,
    struct template_file *template, struct arena *arena, struct call *call)
{
    const struct simulate_options *options = step->options;
    struct diagnostics diagnostics = {0};
    const char *name = arena_string(arena, shown(run->job, options->template));
    bool good = template_load(
        template, run->job, options->template, name, options->transport, &diagnostics);

    diagnostics_print(&diagnostics, stderr);
    diagnostics_clear(&diagnostics);
    plan->template = template;
    if (!good) {
        call_fail(&call->base, IOTIFY_INVALID, "BadTemplate", "the template %s has errors", name);
        return false;
    }
    if (!template->transport)
        return true;
    if (!fill_in_endpoint(run, plan, arena, call))
        return false;
    return template->transport->plugin->transport.open(
               &call->base, template->transport->options, &plan->transport) == IOTIFY_OK;
}

static void make_plan(struct run *run, const struct step *step, struct plan *plan)
{
    const struct simulate_options *options = step->options;
    const struct job_options *job = run->job->options;

    plan->run = run;
    plan->options = options;
    plan->first = schema_given(step->node, "first") ? options->first : job->first;
    plan->clients = options->clients ? options->clients : job->first + job->count - plan->first;
    plan->iterations = options->iterations;
    if (!plan->iterations && !options->duration)
        plan->iterations = DEFAULT_ITERATIONS;
    plan->where = arena_format(&run->arena, "%s/%s", job->name, step->name);
}

/* How the step went, from what its clients did. False when it failed. */
static bool judge_step(struct run *run, const struct plan *plan, bool ran, const struct call *call,
    struct step_summary *result)
{
    const struct simulate_summary *results = result->simulate;
    bool connects = plan->template->transport != NULL;

    result->total = plan->clients;
    if (!ran) {
        result->failed = stop_requested() ? 0 : result->total;
        summary_add_failure(run->summary, &result->failures, call_code(call, IOTIFY_FAILED),
            call_message(call, IOTIFY_FAILED), -1);
        return false;
    }
    result->ok = connects ? results->connected : plan->clients;
    result->failed = stop_requested() ? 0 : result->total - result->ok;
    return !connects || results->connected > 0 || stop_requested();
}

bool simulate_run(struct run *run, const struct step *step, struct step_summary *result)
{
    const struct simulate_options *options = step->options;
    struct simulate_summary *results = summary_begin_simulate(run->summary, result);
    struct template_file *template = memory_new(1, sizeof(*template));
    struct plan *plan = memory_new(1, sizeof(*plan));
    struct run_context context;
    struct arena arena = {0};
    struct call call;
    bool good;

    make_plan(run, step, plan);
    run_call(run, &call, &context, run->job->connector, plan->where, NULL);
    good = load(run, step, plan, template, &arena, &call);
    if (good) {
        progress_begin(plan->where, plan->clients);
        good = run_engines(run, plan,
            (size_t)(options->loops < plan->clients ? options->loops : plan->clients), results);
        progress_end();
        results->present = good;
    }
    if (run->abandoned)
        call_fail(&call.base, IOTIFY_FAILED, "ScriptStuck",
            "a function of the template %s does not end: a promise that always waits for "
            "another "
            "one, most likely; the run goes on without this step",
            template->file);
    good = judge_step(run, plan, good, &call, result);
    if (run->abandoned)
        return false;
    summary_end_simulate(run->summary, results);
    if (plan->transport)
        template->transport->plugin->transport.close(plan->transport);
    template_clear(template);
    free(template);
    free(plan);
    arena_clear(&arena);
    call_clear(&call);
    return good;
}

bool simulate_judge(struct run *run, const struct step *step, const struct step_summary *result)
{
    const struct simulate_options *options = step->options;
    bool good = true;

    for (size_t i = 0; i < options->thresholds.count; i++) {
        double value;
        bool holds = threshold_holds(options->thresholds.items[i], result->simulate, &value);

        summary_add_threshold(run->summary, options->thresholds.items[i], value, holds);
        good = good && holds;
    }
    return good;
}
