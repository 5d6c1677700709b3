/* SPDX-License-Identifier: Apache-2.0 */
/* Running the steps of a pipeline, one after the other. */
#include "core/pipeline/pipeline.h"

#include <string.h>

#include "core/base/activity.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/pipeline/fanout.h"
#include "core/pipeline/host.h"
#include "core/report/progress.h"

const char *pipeline_scope_name(const struct step *step)
{
    return step->action && step->action->scope != IOTIFY_SCOPE_JOB ? "device" : "job";
}

enum iotify_result pipeline_list_clients(struct run *run, const struct step *step,
    struct call *call, const int64_t **clients, size_t *count)
{
    const struct run_connection *connection = &run->connections[step->owner - run->job->plugins];
    int64_t *list;

    if (step->action->scope == IOTIFY_SCOPE_RECORD) {
        enum iotify_result result = store_list_records(
            run->store, call, step->owner->alias, connection->realm, &list, count);

        *clients = list;
        return result;
    }
    *count = step->action->scope == IOTIFY_SCOPE_JOB ? 1 : (size_t)run->job->options->count;
    list = arena_array(&call->arena, *count, sizeof(*list));
    for (size_t i = 0; i < *count; i++)
        list[i] = run->job->options->first + (int64_t)i;
    if (step->action->scope == IOTIFY_SCOPE_JOB)
        list[0] = -1;
    *clients = list;
    return IOTIFY_RESULT_OK;
}

size_t pipeline_list_surplus(
    struct run *run, const struct step *step, struct call *call, int64_t **clients)
{
    const struct job_options *options = run->job->options;
    const struct run_connection *connection = &run->connections[step->owner - run->job->plugins];
    size_t count = 0, kept = 0;

    if (store_list_records(run->store, call, step->owner->alias, connection->realm, clients,
            &count) != IOTIFY_RESULT_OK)
        return 0;
    for (size_t i = 0; i < count; i++)
        if ((*clients)[i] < options->first || (*clients)[i] >= options->first + options->count)
            (*clients)[kept++] = (*clients)[i];
    return kept;
}

/* A running action. */
struct pipeline_action_run {
    struct run *run;
    const struct step *step;
    const char *where;
    struct run_counters counters;
    struct step_summary *result;
    double prune_seconds;
};

static void pipeline_note_failure(
    struct pipeline_action_run *action, const struct call *call, enum iotify_result result)
{
    if (call_succeeded(result) || result == IOTIFY_RESULT_CANCELLED)
        return;
    /* It concerns all devices: those that failed on their own are counted already. */
    if (action->result->failed < action->result->total || action->result->failed == 0)
        action->result->failed++;
    summary_add_failure(action->run->summary, &action->result->failures, call_code(call, result),
        call_message(call, result), -1);
}

/* ------------------------------------------------------------------ pace */

struct pipeline_records {
    const struct step *step;
    int64_t first, end; /* the job's clients */
    int64_t complete;
};

static enum iotify_result pipeline_count_record(void *argument, const struct iotify_record *record)
{
    struct pipeline_records *records = argument;
    const struct step *step = records->step;
    struct activity before;

    if (record->client < records->first || record->client >= records->end)
        return IOTIFY_RESULT_OK;
    before = activity_begin_action(step->owner->plugin->name, step->action->name, "is_complete");
    records->complete += !step->action->is_complete || step->action->is_complete(record);
    activity_end(before);
    return IOTIFY_RESULT_OK;
}

/* The number of clients that are not complete yet; for a removal, of all in the list. */
static int64_t pipeline_count_fresh(struct pipeline_action_run *action, size_t count)
{
    const struct job_options *options = action->run->job->options;
    const struct run_connection *connection =
        &action->run->connections[action->step->owner - action->run->job->plugins];
    struct pipeline_records records = {
        action->step, options->first, options->first + options->count, 0};
    struct call call;

    if (action->step->action->scope != IOTIFY_SCOPE_DEVICE)
        return (int64_t)count;
    call_init(&call, action->where);
    store_each_record(action->run->store, &call, action->step->owner->alias, connection->realm,
        pipeline_count_record, &records);
    call_clear(&call);
    return (int64_t)count - records.complete;
}

static struct fanout_pace pipeline_find_pace(struct pipeline_action_run *action, size_t count)
{
    const struct step *step = action->step;
    struct run_connection *connection =
        &action->run->connections[step->owner - action->run->job->plugins];
    struct fanout_pace pace = {.pacer = connection->pacer};
    struct forecast plan = {0};
    struct activity before;
    struct call call;
    double slowest = 0;

    if (!step->action->estimate || step->action->scope == IOTIFY_SCOPE_JOB)
        return pace;
    call_init(&call, action->where);
    call.base.arguments = step->options;
    call.plan = &plan;
    before = activity_begin_action(step->owner->plugin->name, step->action->name, "estimate");
    step->action->estimate(step->owner->instance, &call.base);
    activity_end(before);
    for (const struct forecast_calls *calls = plan.calls; calls; calls = calls->next) {
        double rate = pacer_rate(pace.pacer, calls->operation);

        if (rate <= 0 || (double)calls->count / rate <= slowest)
            continue;
        slowest = (double)calls->count / rate;
        pace.calls = (double)calls->count;
        pace.operation = arena_string(&action->run->arena, calls->operation);
    }
    call_clear(&call);
    forecast_clear(&plan);
    pace.fresh = pipeline_count_fresh(action, count);
    if (fanout_seconds(&pace, pace.fresh) >= 1) {
        char text[PACER_RATE_SIZE];

        pacer_format(pacer_rate(pace.pacer, pace.operation), text);
        log_write(IOTIFY_LOG_INFO, action->where,
            "%lld devices, about %.0f s: %s at %s sets the pace", (long long)pace.fresh,
            fanout_seconds(&pace, pace.fresh), pace.operation, text);
    }
    return pace;
}

/* ------------------------------------------------------------------ one action */

static void pipeline_apply_to_all(
    struct pipeline_action_run *action, const int64_t *clients, size_t count)
{
    const struct fanout_request request = {.run = action->run,
        .step = action->step,
        .where = action->where,
        .function = action->step->action->apply,
        .expand = true,
        .pace = pipeline_find_pace(action, count),
        .result = action->result,
        .counters = &action->counters};

    progress_begin(action->where);
    fanout_run(&request, clients, count);
    progress_end();
}

/* Devices that the step did not begin, because it ended before. */
static int64_t pipeline_count_skipped(const struct step_summary *result)
{
    int64_t rest =
        result->total - result->ok - result->unchanged - result->repaired - result->failed;

    return rest > 0 ? rest : 0;
}

static void pipeline_log_outcome(const struct step_summary *result, const char *where)
{
    int64_t good = result->ok + result->repaired + result->unchanged;

    if (result->failed == 0 && result->unchanged == result->total && result->total > 0)
        log_write(IOTIFY_LOG_INFO, where, "%lld of %lld up to date", (long long)result->total,
            (long long)result->total);
    else
        log_write(IOTIFY_LOG_INFO, where, "%lld of %lld in %.1f s", (long long)good,
            (long long)result->total, result->seconds);
    for (const struct failure *failure = result->failures; failure; failure = failure->next)
        log_write(IOTIFY_LOG_ERROR, where, "%s: %s%s", failure->code, failure->message,
            failure->count > 1 ? " (and more of this kind)" : "");
}

static struct pacer *pipeline_pacer(const struct pipeline_action_run *action)
{
    return action->run->connections[action->step->owner - action->run->job->plugins].pacer;
}

/* What the calls of a step, or of a part of it, have counted so far. */
static void pipeline_take_counts(const struct pipeline_action_run *action,
    struct run_counters *counters, struct step_summary *result)
{
    struct pacer *pacer = pipeline_pacer(action);

    result->retried = atomic_load(&counters->retried);
    result->throttled = atomic_load(&counters->throttled);
    if (pacer)
        pacer_take_counts(pacer, &action->run->summary->arena, &result->calls);
}

/* Report the devices of an earlier run that are no longer in the job; with --prune, remove them. */
static bool pipeline_prune(struct pipeline_action_run *action, const struct pipeline *pipeline)
{
    struct run_counters counters = {0};
    struct fanout_request request = {.run = action->run,
        .step = action->step,
        .where = arena_format(&action->run->arena, "%s --prune", action->where),
        .function = action->step->action->remove,
        .pace = {.pacer = pipeline_pacer(action)},
        .counters = &counters};
    struct call call;
    int64_t *clients, began;
    size_t count;
    bool good = true;

    call_init(&call, action->where);
    count = pipeline_list_surplus(action->run, action->step, &call, &clients);
    if (count && !action->run->prune) {
        log_write(IOTIFY_LOG_WARNING, action->where,
            "%zu devices that this job deployed, clients %lld to %lld, are no longer in the job; "
            "they stay until cleanup, or add --prune to remove them now",
            count, (long long)clients[0], (long long)clients[count - 1]);
    } else if (count) {
        request.result = summary_add_step(action->run->summary, pipeline->name,
            arena_format(&action->run->arena, "%s --prune", action->step->name), "device");
        pipeline_take_counts(action, &action->counters, action->result);
        began = clock_now();
        progress_begin(request.where);
        fanout_run(&request, clients, count);
        progress_end();
        pipeline_take_counts(action, &counters, request.result);
        request.result->seconds = (double)(clock_now() - began) / (double)SECOND;
        request.result->skipped = pipeline_count_skipped(request.result);
        action->prune_seconds = request.result->seconds;
        pipeline_log_outcome(request.result, request.where);
        good = request.result->failed == 0;
    }
    call_clear(&call);
    return good;
}

/*
 * A removal whose proof failed: devices whose records are there again are not removed. The failure
 * of the whole step is counted already.
 */
static void pipeline_take_back(struct pipeline_action_run *action, int64_t failed)
{
    struct step_summary *result = action->result;
    const int64_t *clients;
    size_t count = 0;
    int64_t back;
    struct call call;

    if (action->step->action->scope != IOTIFY_SCOPE_RECORD)
        return;
    call_init(&call, action->where);
    if (pipeline_list_clients(action->run, action->step, &call, &clients, &count) ==
        IOTIFY_RESULT_OK) {
        back = (int64_t)count - failed;
        back = back < result->ok ? back : result->ok;
        if (back > 0) {
            result->ok -= back;
            result->failed = failed + back;
        }
    }
    call_clear(&call);
}

/* Run a function once for the whole step, before or after its clients. */
static bool pipeline_do_once(struct pipeline_action_run *action,
    enum iotify_result (*function)(void *instance, struct iotify_call *call))
{
    const struct step *step = action->step;
    const char *operation = function == step->action->begin ? "begin" : "conclude";
    struct run_context context;
    enum iotify_result result;
    struct call call;

    if (!function || stop_requested())
        return true;
    host_call(action->run, &call, &context, step->owner, action->where, &action->counters);
    call.base.arguments = step->options;
    result = call_run_action(&call, step->owner->plugin->name, step->action->name, operation,
        function, step->owner->instance);
    result = call_checked_action(
        &call, step->owner->plugin->name, step->action->name, operation, result);
    pipeline_note_failure(action, &call, result);
    call_clear(&call);
    return call_succeeded(result);
}

/*
 * What a step records must survive, or what it makes is never removed. A removal may run all the
 * same.
 */
static bool pipeline_check_store(struct pipeline_action_run *action)
{
    const struct iotify_action *work = action->step->action;
    enum iotify_result result;
    struct call call;

    if (work->removes || work->scope == IOTIFY_SCOPE_RECORD)
        return true;
    call_init(&call, action->where);
    result = store_verify_durability(action->run->store, &call);
    pipeline_note_failure(action, &call, result);
    call_clear(&call);
    return result == IOTIFY_RESULT_OK;
}

/* Run the action for all clients, with its begin, prune and conclude. False when a part failed. */
static bool pipeline_apply(struct pipeline_action_run *action, const struct pipeline *pipeline,
    const int64_t *clients, size_t count)
{
    const struct iotify_action *work = action->step->action;
    int64_t failed;
    bool good = true;

    action->result->total = (int64_t)count;
    if (!pipeline_check_store(action) || !pipeline_do_once(action, work->begin))
        return false;
    pipeline_apply_to_all(action, clients, count);
    if (work->remove && !stop_requested())
        good = pipeline_prune(action, pipeline);
    failed = action->result->failed;
    if (!pipeline_do_once(action, work->conclude))
        pipeline_take_back(action, failed);
    return good;
}

static bool pipeline_run_action(struct pipeline_action_run *action, const struct pipeline *pipeline)
{
    const struct step *step = action->step;
    struct run_context context;
    const int64_t *clients;
    enum iotify_result result;
    bool good = true;
    struct call call;
    size_t count;

    host_call(action->run, &call, &context, step->owner, action->where, &action->counters);
    result = run_take_lease(action->run, &call);
    if (result == IOTIFY_RESULT_OK)
        result = run_connect(action->run, step->owner, &call);
    if (result == IOTIFY_RESULT_OK)
        result = pipeline_list_clients(action->run, step, &call, &clients, &count);
    /* The store was new when the run began, and is not written: leave what came since. */
    if (action->run->planning)
        count = 0;
    if (result == IOTIFY_RESULT_OK) {
        good = pipeline_apply(action, pipeline, clients, count);
    } else {
        action->result->total = 1;
        pipeline_note_failure(action, &call, result);
    }
    if (step->action->scope != IOTIFY_SCOPE_JOB)
        action->result->skipped = pipeline_count_skipped(action->result);
    pipeline_take_counts(action, &action->counters, action->result);
    call_clear(&call);
    return good && action->result->failed == 0;
}

/* ------------------------------------------------------------------ one step */

static bool pipeline_run_step(
    struct run *run, const struct pipeline *pipeline, const struct step *step)
{
    struct step_summary *result =
        summary_add_step(run->summary, pipeline->name, step->name, pipeline_scope_name(step));
    const char *where =
        arena_format(&run->arena, "%s/%s/%s", run->job->options->name, pipeline->name, step->name);
    struct pipeline_action_run action = {
        .run = run, .step = step, .where = where, .result = result};
    int64_t began = clock_now();
    bool good;

    progress_next_step();
    if (step->core)
        good = run->core_step(run, step, result);
    else
        good = pipeline_run_action(&action, pipeline);
    result->seconds = (double)(clock_now() - began) / (double)SECOND - action.prune_seconds;
    pipeline_log_outcome(result, where);
    return good && !stop_requested();
}

bool pipeline_run(struct run *run, const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->count; i++)
        if (!pipeline_run_step(run, pipeline, &pipeline->steps[i]))
            return false;
    return true;
}
