/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/simulate.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/activity.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/pipeline/host.h"
#include "core/report/progress.h"
#include "core/settings/schema.h"
#include "core/simulate/cause.h"
#include "core/simulate/check.h"
#include "core/simulate/client_ids.h"
#include "core/simulate/console.h"
#include "core/simulate/endpoint.h"
#include "core/simulate/limits.h"
#include "core/simulate/monitor.h"
#include "core/simulate/simulate_loop.h"
#include "core/simulate/threshold.h"

#define DEFAULT_ITERATIONS 10

static size_t simulate_count_loops(const struct simulation *simulation)
{
    int64_t loops =
        simulation->options->loops ? simulation->options->loops : sysconf(_SC_NPROCESSORS_ONLN);

    if (loops < 1)
        loops = 1;
    return (size_t)(loops < simulation->clients ? loops : simulation->clients);
}

static bool simulate_watch(struct run *run, const struct simulation *simulation,
    struct simulate_loop *const *loops, size_t count, struct simulate_summary *results)
{
    struct monitor monitor;

    monitor_init(&monitor, simulation, loops, count, run->output, results);
    if (!monitor_watch(&monitor)) {
        run->abandoned = true;
        return false;
    }
    return monitor_finish(&monitor);
}

/* A stage that reaches less than this share of what it is to reach gets a warning. */
#define REACHED 0.95

static void simulate_judge_stages(
    const struct simulation *simulation, const struct simulate_summary *results)
{
    for (size_t i = 0; i < results->stage_count; i++) {
        const struct stage_summary *stage = &results->stages[i];

        if ((double)stage->reached < REACHED * (double)stage->intended &&
            stage->reached + 1 < stage->intended && !stop_requested())
            log_write(IOTIFY_LOG_WARNING, simulation->where,
                "stage %zu%s%s reached %lld of %lld %s", i + 1, stage->name ? ": " : "",
                stage->name ? stage->name : "", (long long)stage->reached,
                (long long)stage->intended, stage->clients ? "clients" : "messages");
    }
}

static void simulate_count_stages(struct run *run, const struct simulation *simulation,
    struct simulate_loop *const *loops, size_t count, struct simulate_summary *results)
{
    const struct load_profile *profile = &simulation->load_profile;

    results->stage_count = profile->count;
    results->stages = arena_array(&run->summary->arena, profile->count, sizeof(*results->stages));
    for (size_t i = 0; i < profile->count; i++) {
        const struct load_profile_piece *piece = &profile->pieces[i];

        results->stages[i] = (struct stage_summary){
            .name = piece->name ? arena_string(&run->summary->arena, piece->name) : NULL,
            .seconds = (double)(piece->ends - piece->begins) / SECOND,
            .storm = piece->storm,
            .clients = piece->counts_clients,
            .intended = load_profile_intended(profile, i)};
    }
    for (size_t i = 0; i < count; i++)
        simulate_loop_add_stages(loops[i], results->stages);
    simulate_judge_stages(simulation, results);
}

/* Start all loops, watch them, collect their results. False when a loop failed. */
static bool simulate_run_loops(
    struct run *run, struct simulation *simulation, struct simulate_summary *results)
{
    size_t count = simulate_count_loops(simulation);
    struct simulate_loop **loops = memory_new(count, sizeof(*loops));
    pthread_barrier_t ready;
    size_t made = 0, started = 0;
    bool good = false;

    pthread_barrier_init(&ready, NULL, (unsigned)count);
    simulation->ready = &ready;
    while (made < count &&
           (loops[made] = simulate_loop_new(simulation, (int64_t)made, (int64_t)count)) != NULL)
        made++;
    while (made == count && started < count && simulate_loop_start(loops[started]))
        started++;
    if (started == count) {
        good = simulate_watch(run, simulation, loops, count, results);
        /* The loop whose script does not return still uses this memory. */
        if (run->abandoned)
            return false;
        simulate_count_stages(run, simulation, loops, count, results);
    }
    /* Loops cannot be ended while they wait at the barrier for a thread that never started. */
    if (started > 0 && started < count) {
        log_write(IOTIFY_LOG_ERROR, simulation->where, "cannot start %zu threads; set loops: lower",
            count);
        _Exit(1);
    }
    for (size_t i = 0; i < made; i++)
        simulate_loop_free(loops[i]);
    simulation->ready = NULL;
    pthread_barrier_destroy(&ready);
    free(loops);
    return good;
}

static bool simulate_load_template(struct run *run, const struct step *step,
    struct simulation *simulation, struct template_file *template, struct arena *arena,
    struct call *call)
{
    const struct simulate_options *options = step->options;
    struct diagnostics diagnostics = {0};
    struct activity before;
    enum iotify_result result;
    const char *name = arena_string(arena, check_shown(run->job, options->template));
    bool good = template_load(
        template, run->job, options->template, name, options->transport, &diagnostics);

    diagnostics_print(&diagnostics, stderr);
    diagnostics_clear(&diagnostics);
    simulation->template = template;
    if (!good) {
        call_fail(
            &call->base, IOTIFY_RESULT_INVALID, "BadTemplate", "the template %s has errors", name);
        return false;
    }
    if (!template->transport)
        return true;
    if (!endpoint_fill_in(run, simulation, arena, call))
        return false;
    if (cause_ids_may_clash(template))
        simulation->ids = client_ids_new();
    before = activity_begin(template->transport->plugin->name, "open");
    result = template->transport->plugin->transport.open(
        &call->base, template->transport->options, &simulation->transport_instance);
    activity_end(before);
    return call_checked_open(call, template->transport->plugin->name, result,
               simulation->transport_instance) == IOTIFY_RESULT_OK;
}

static void simulate_make(struct run *run, const struct step *step, struct simulation *simulation)
{
    const struct simulate_options *options = step->options;
    const struct job_options *job = run->job->options;

    simulation->run = run;
    simulation->options = options;
    simulation->first = check_first_of(run->job, step);
    simulation->clients = check_clients_of(run->job, step);
    if (run->solo >= 0) {
        simulation->solo = true;
        simulation->first = run->solo;
        simulation->clients = 1;
    }
    simulation->iterations = options->iterations;
    if (!simulation->iterations && !options->duration && !options->stages.count)
        simulation->iterations = DEFAULT_ITERATIONS;
    load_profile_init(&simulation->load_profile, options, simulation->clients);
    simulation->where = arena_format(&run->arena, "%s/%s", job->name, step->name);
    simulation->settings = check_run_settings(run->job, options, simulation->first,
        simulation->clients, simulation->iterations, &run->arena);
}

/* Set up the run's glob for this step, with no cached values. */
static bool simulate_prepare_glob(struct run *run, struct simulation *simulation)
{
    simulation->glob = run_glob(run);
    if (simulation->glob)
        glob_begin(simulation->glob, simulation->where);
    return simulation->glob != NULL;
}

/* Wait until all glob writes of scripts are done; false when a write failed. */
static bool simulate_settle_glob(
    const struct simulation *simulation, struct simulate_summary *results)
{
    struct glob_account account;

    glob_flush(simulation->glob);
    glob_account(simulation->glob, &account);
    results->glob = (struct glob_summary){.blocking = account.blocking,
        .blocking_seconds = (double)account.blocking_time / SECOND,
        .failed = account.failed};
    memcpy(results->glob.error, account.error, sizeof(account.error));
    if (results->glob.blocking)
        log_write(IOTIFY_LOG_WARNING, simulation->where,
            "scripts waited %lld times for the store, %.3f s in all, and all clients of the loop "
            "with them; read in init(), or give a callback",
            (long long)results->glob.blocking, results->glob.blocking_seconds);
    return results->glob.failed == 0;
}

/* A template that a step of this run wrote could not be checked before. */
static bool simulate_check_names(
    const struct step *step, const struct template_file *template, struct call *call)
{
    const struct simulate_options *options = step->options;
    struct metric_names names = {0};
    struct arena arena = {0};
    const char *wrong = NULL;

    metric_names_read(&names, &arena, template);
    for (size_t i = 0; i < options->thresholds.count && !wrong; i++) {
        const struct threshold_options *threshold = options->thresholds.rows[i];

        wrong = threshold_check(&arena, threshold->expression, &names);
    }
    if (wrong)
        call_fail(&call->base, IOTIFY_RESULT_INVALID, "BadThreshold", "%s", wrong);
    arena_clear(&arena);
    return wrong == NULL;
}

/* Each client needs its own row of the data file. */
static bool simulate_check_data(const struct simulation *simulation, struct call *call)
{
    const struct template_file *template = simulation->template;

    if (!template->data || template->rows >= simulation->first + simulation->clients)
        return true;
    call_fail(&call->base, IOTIFY_RESULT_INVALID, "TooFewRows",
        "%s has %lld rows, the last for client %lld, and client %lld takes part", template->data,
        (long long)template->rows, (long long)template->rows - 1,
        (long long)(simulation->first + simulation->clients - 1));
    return false;
}

static bool simulate_open_capture(struct simulation *simulation, struct call *call)
{
    const char *file = simulation->options->capture_file;

    if (!file)
        return true;
    simulation->capture = capture_open(simulation->options);
    if (!simulation->capture)
        call_fail(&call->base, IOTIFY_RESULT_INVALID, "BadCapture", "cannot write %s: %s", file,
            strerror(errno));
    return simulation->capture != NULL;
}

static bool simulate_close_capture(
    struct run *run, struct simulation *simulation, struct step_summary *result)
{
    const char *file = simulation->options->capture_file;
    int64_t dropped = 0;

    if (!simulation->capture || capture_close(simulation->capture, &dropped))
        return true;
    if (dropped)
        log_write(IOTIFY_LOG_WARNING, simulation->where,
            "%lld lines are not in %s: the disk did not keep up; set capture.sample lower",
            (long long)dropped, file);
    else
        summary_add_failure(run->summary, &result->failures, "CaptureFailed",
            arena_format(&run->arena, "could not write all of %s", file), -1);
    return dropped > 0;
}

/* The failure with which a loop ended the run early; NULL: none. */
static const struct failure *simulate_find_end(const struct tally *tally)
{
    const struct failure *failure = tally->failures;

    while (failure && (strcmp(failure->code, "ScriptMemory") != 0 || *failure->location))
        failure = failure->next;
    return failure;
}

/* Fill in the step's result from what its devices did. False when the step failed. */
static bool simulate_judge_step(struct run *run, const struct simulation *simulation, bool ran,
    const struct call *call, struct step_summary *result)
{
    const struct simulate_summary *results = result->simulate;
    const struct failure *end =
        atomic_load(&simulation->reported->faulted) ? NULL : simulate_find_end(&results->tally);
    bool connects = simulation->template->transport != NULL;

    result->total = simulation->clients;
    if (results->glob.failed)
        summary_add_failure(
            run->summary, &result->failures, "GlobWriteFailed", results->glob.error, -1);
    if (!ran) {
        result->failed = stop_requested() ? 0 : result->total;
        summary_add_failure(run->summary, &result->failures,
            end ? end->code : call_code(call, IOTIFY_RESULT_FAILED),
            end ? end->message : call_message(call, IOTIFY_RESULT_FAILED), -1);
        return false;
    }
    result->ok = connects ? results->tally.counts[TALLY_CONNECTED] : simulation->clients;
    /* A device that never connected is a failure of the step; what happens later is judged. */
    result->failed = stop_requested() ? 0 : results->tally.counts[TALLY_UNCONNECTED];
    return result->failed == 0;
}

static void simulate_name_results(
    struct run *run, const struct simulation *simulation, struct step_summary *result)
{
    struct arena *arena = &run->summary->arena;
    const struct template_file *template = simulation->template;
    struct simulate_summary *results = result->simulate;

    summary_name_step(
        run->summary, result, simulation->options->name ? simulation->options->name : result->step);
    results->name = result->name;
    results->template = arena_string(arena, template->file);
    results->template_digest = arena_string(arena, template->digest);
    results->transport =
        arena_string(arena, template->transport ? template->transport->alias : "none");
    results->seed = simulation->options->seed;
    if (simulation->load_profile.ends > 0)
        results->planned = (double)simulation->load_profile.ends / SECOND;
    clock_wall(results->started, sizeof(results->started));
}

static void simulate_close_transport(const struct simulation *simulation)
{
    const struct plugin *plugin;
    struct activity before;

    if (!simulation->transport_instance)
        return;
    plugin = simulation->template->transport->plugin;
    before = activity_begin(plugin->name, "close");
    plugin->transport.close(simulation->transport_instance);
    activity_end(before);
}

bool simulate_run(struct run *run, const struct step *step, struct step_summary *result)
{
    struct simulate_summary *results = summary_begin_simulate(run->summary, result);
    struct template_file *template = memory_new(1, sizeof(*template));
    struct simulation *simulation = memory_new(1, sizeof(*simulation));
    struct simulation_reported *reported = memory_new(1, sizeof(*reported));
    struct run_context context;
    struct arena arena = {0};
    struct call call;
    bool good, stored = true;

    simulate_make(run, step, simulation);
    pthread_mutex_init(&reported->lock, NULL);
    simulation->reported = reported;
    simulation->console = console_new(simulation->where);
    host_call(run, &call, &context, run->job->connector, simulation->where, NULL);
    good = simulate_load_template(run, step, simulation, template, &arena, &call) &&
           simulate_check_names(step, template, &call) && simulate_check_data(simulation, &call) &&
           simulate_prepare_glob(run, simulation) && simulate_open_capture(simulation, &call);
    limits_raise();
    if (good) {
        simulate_name_results(run, simulation, result);
        progress_begin(simulation->where);
        good = simulate_run_loops(run, simulation, results);
        stored = simulate_settle_glob(simulation, results);
        progress_end();
        results->present = results->tally.counts[TALLY_CLIENTS] > 0 && !run->abandoned;
    }
    if (atomic_load(&reported->faulted)) {
        call_fail(&call.base, IOTIFY_RESULT_FAILED, "PluginFault", "%s", reported->fault);
        good = false;
    }
    if (run->abandoned)
        call_fail(&call.base, IOTIFY_RESULT_FAILED, "ScriptStuck",
            "a function of the template %s does not end: a promise that always waits for another "
            "one, most likely; the run continues without this step",
            template->file);
    good = simulate_judge_step(run, simulation, good, &call, result) && stored;
    if (run->abandoned)
        return false;
    good = simulate_close_capture(run, simulation, result) && good;
    summary_end_simulate(run->summary, results);
    load_profile_clear(&simulation->load_profile);
    simulate_close_transport(simulation);
    template_clear(template);
    free(template);
    client_ids_free(simulation->ids);
    console_free(simulation->console);
    pthread_mutex_destroy(&reported->lock);
    arena_clear(&reported->arena);
    free(reported);
    free(simulation);
    arena_clear(&arena);
    call_clear(&call);
    return good;
}

static bool simulate_judge_one(
    struct run *run, const struct step_summary *result, const char *expression)
{
    static const char *const reasons[] = {[THRESHOLD_HOLDS] = "",
        [THRESHOLD_CROSSED] = "",
        [THRESHOLD_UNMEASURED] = "no value",
        [THRESHOLD_SATURATED] = "generator saturated"};
    const struct simulate_summary *results = result->simulate;
    double value;
    enum threshold_state state = threshold_evaluate(expression, results, &value);
    /* Messages that were in flight may have moved the value back. */
    bool ended = results->aborted && strcmp(expression, results->aborted) == 0;
    const char *why = reasons[state];

    if (ended && state == THRESHOLD_HOLDS) {
        state = THRESHOLD_CROSSED;
        value = results->aborted_value;
        why = "crossed while it ran, which ended the simulation";
    }
    summary_add_threshold(run->summary, &(struct threshold_summary){.simulate = results,
                                            .expression = expression,
                                            .value = state == THRESHOLD_UNMEASURED ? NAN : value,
                                            .is_time = threshold_is_time(expression),
                                            .ok = state == THRESHOLD_HOLDS,
                                            .why = why});
    return state == THRESHOLD_HOLDS;
}

/* Does the step have a threshold of its own in place of a default? An empty list has none at all.
 */
static bool simulate_replaces_default(const struct step *step, const char *expression)
{
    const struct simulate_options *options = step->options;

    for (size_t i = 0; i < options->thresholds.count; i++) {
        const struct threshold_options *own = options->thresholds.rows[i];

        if (threshold_same_metric(own->expression, expression))
            return true;
    }
    return options->thresholds.count == 0 && schema_given(step->node, "thresholds");
}

bool simulate_judge(struct run *run, const struct step *step, const struct step_summary *result)
{
    const struct simulate_options *options = step->options;
    bool good = true;

    for (size_t i = 0; i < threshold_default_count; i++)
        if (!simulate_replaces_default(step, threshold_defaults[i]))
            good = simulate_judge_one(run, result, threshold_defaults[i]) && good;
    for (size_t i = 0; i < options->thresholds.count; i++) {
        const struct threshold_options *own = options->thresholds.rows[i];

        good = simulate_judge_one(run, result, own->expression) && good;
    }
    return good;
}
