#include "core/simulate/simulate.h"

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

/* ------------------------------------------------------------------ check */

/* A path as the user would write it: without the job file's folder. */
static const char *shown(const struct job *job, const char *path)
{
    size_t length = strlen(job->directory);

    return strncmp(path, job->directory, length) == 0 && path[length] == '/' ? path + length + 1
                                                                             : path;
}

/* Does a step of these pipelines write the file? */
static bool is_written(const struct pipeline *const *run, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < run[i]->count; j++) {
            const struct step *step = &run[i]->steps[j];

            for (size_t k = 0; k < step->settings->count; k++) {
                struct iotify_setting setting = schema_setting(step->settings, k);
                const char *value;

                if (!(setting.flags & IOTIFY_WRITES))
                    continue;
                value = *(const char *const *)(const void *)((const char *)step->options +
                                                             setting.offset);
                if (value && strcmp(value, path) == 0)
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
    const char *name;
    struct template_file template = {0};

    check_thresholds(step, diagnostics);
    check_clients(job, step, diagnostics);
    if (!options->template)
        return;
    name = arena_string(&diagnostics->arena, shown(job, options->template));
    if (access(options->template, F_OK) == 0) {
        template_load(&template, job, options->template, name, options->transport, diagnostics);
        template_clear(&template);
    } else if (!is_written(run, run_count, options->template)) {
        diagnostics_add(diagnostics, given && given->place.line ? given->place : step->place,
            "the template %s does not exist, and no step of this run writes it; run deploy first",
            name);
    }
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
    if (schema_given(plan->template->connection_node, "host") || !connector)
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
            !schema_given(plan->template->connection_node, "port"))
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

static void watch(struct engine *const *engines, size_t count, const struct plan *plan)
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
    }
}

/* Start all engines, watch them, collect. False when they could not start. */
static bool run_engines(struct run *run, struct plan *plan, size_t count)
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
        watch(engines, count, plan);
        for (size_t i = 0; i < count; i++)
            good = engine_join(engines[i], run->summary) && good;
        run->summary->simulate.seconds = (double)(clock_now() - began) / (double)SECOND;
        run->summary->simulate.cpu = (double)(clock_cpu() - cpu) / (double)(clock_now() - began);
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

bool simulate_run(struct run *run, const struct step *step, struct step_summary *result)
{
    const struct simulate_options *options = step->options;
    struct simulate_summary *results = &run->summary->simulate;
    int64_t connected_before = results->connected, connected;
    struct template_file template = {0};
    struct run_context context;
    struct arena arena = {0};
    struct plan plan = {0};
    struct call call;
    bool good;

    make_plan(run, step, &plan);
    run_call(run, &call, &context, run->job->connector, plan.where, NULL);
    good = load(run, step, &plan, &template, &arena, &call);
    if (good) {
        progress_begin(plan.where, plan.clients);
        good = run_engines(
            run, &plan, (size_t)(options->loops < plan.clients ? options->loops : plan.clients));
        progress_end();
        results->present = results->present || good;
    }
    connected = results->connected - connected_before;
    if (plan.transport)
        template.transport->plugin->transport.close(plan.transport);
    result->total = plan.clients;
    result->ok = template.transport ? connected : plan.clients;
    result->failed = result->total - result->ok;
    if (!good) {
        result->ok = 0;
        result->failed = result->total;
        summary_add_failure(run->summary, &result->failures, call_code(&call, IOTIFY_FAILED),
            call_message(&call, IOTIFY_FAILED), -1);
    } else if (template.transport && connected == 0 && !stop_requested()) {
        good = false;
    }
    if (stop_requested())
        result->failed = 0;
    template_clear(&template);
    arena_clear(&arena);
    call_clear(&call);
    return good;
}

bool simulate_judge(struct run *run, const struct step *step)
{
    const struct simulate_options *options = step->options;
    bool good = true;

    for (size_t i = 0; i < options->thresholds.count; i++) {
        double value;
        bool holds = threshold_holds(options->thresholds.items[i], &run->summary->simulate, &value);

        summary_add_threshold(run->summary, options->thresholds.items[i], value, holds);
        good = good && holds;
    }
    return good;
}
