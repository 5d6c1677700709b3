/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pipeline/planning.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "core/base/activity.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/pipeline/host.h"
#include "core/pipeline/pipeline.h"
#include "core/script/expression.h"

/* ------------------------------------------------------------------ planning */

static const char *planning_location(
    struct run *run, const struct pipeline *pipeline, const struct step *step)
{
    return arena_format(
        &run->arena, "%s/%s/%s", run->job->options->name, pipeline->name, step->name);
}

static bool planning_failed(const char *where, const struct call *call, enum iotify_result result)
{
    if (result != IOTIFY_RESULT_CANCELLED)
        log_write(IOTIFY_LOG_ERROR, where, "%s", call_message(call, result));
    return false;
}

static bool planning_ask(struct run *run, const struct step *step, const char *where,
    int64_t client, const struct expression_set *expression_set,
    enum iotify_result (*function)(void *instance, struct iotify_call *call), struct forecast *plan)
{
    const char *operation = function == step->action->recover ? "recover" : "plan";
    const char *error = NULL;
    struct run_context context;
    struct run_counters counters = {0};
    enum iotify_result result = IOTIFY_RESULT_INVALID;
    struct call call;
    bool good;

    host_call(run, &call, &context, step->owner, where, &counters);
    call.base.client = client;
    call.plan = plan;
    /* NULL for a client that is no longer in the job. */
    if (expression_set)
        call.base.arguments = expression_set_apply(expression_set, run->script,
            (struct script_turn){.slot = -1, .client = client}, step->settings, step->options,
            run->job->directory, &call.arena, &error);
    if (!expression_set || call.base.arguments) {
        result = call_run_action(&call, step->owner->plugin->name, step->action->name, operation,
            function, step->owner->instance);
        result = call_checked_action(
            &call, step->owner->plugin->name, step->action->name, operation, result);
    } else {
        call_fail(&call.base, result, "Expression", "%s", error);
    }
    good = call_succeeded(result) || planning_failed(where, &call, result);
    call_clear(&call);
    return good;
}

bool planning_of_step(struct run *run, const struct pipeline *pipeline, const struct step *step,
    enum iotify_result (*function)(void *instance, struct iotify_call *call), struct forecast *plan)
{
    const char *where = planning_location(run, pipeline, step);
    struct diagnostics diagnostics = {0};
    struct expression_set expression_set = {0};
    struct run_context context;
    const int64_t *clients;
    enum iotify_result result;
    struct call call;
    size_t count;
    bool good;

    host_call(run, &call, &context, step->owner, where, NULL);
    result = run_connect(run, step->owner, &call);
    if (result == IOTIFY_RESULT_OK)
        result = pipeline_list_clients(run, step, &call, &clients, &count);
    good = result == IOTIFY_RESULT_OK || planning_failed(where, &call, result);
    if (good && step->expressions)
        good = run_script(run) && expression_set_compile(&expression_set, run->script,
                                      step->expressions, &diagnostics);
    diagnostics_print(&diagnostics, stderr);
    for (size_t i = 0; good && i < count; i++)
        good = !stop_requested() &&
               planning_ask(run, step, where, clients[i], &expression_set, function, plan);
    expression_set_clear(&expression_set);
    diagnostics_clear(&diagnostics);
    call_clear(&call);
    return good;
}

/* Plan the devices no longer in the job: deleted with --prune, else kept. */
static bool planning_plan_surplus(struct run *run, const struct pipeline *pipeline,
    const struct step *step, struct forecast *plan)
{
    const char *where = planning_location(run, pipeline, step);
    struct forecast removal = {0};
    struct call call;
    int64_t *clients;
    size_t count;
    bool good = true;

    if (!step->action->remove)
        return true;
    call_init(&call, where);
    count = pipeline_list_surplus(run, step, &call, &clients);
    for (size_t i = 0; i < count && good; i++)
        good = planning_ask(
            run, step, where, clients[i], NULL, step->action->plan, run->prune ? plan : &removal);
    for (const struct forecast_change *change = removal.changes; change; change = change->next)
        forecast_take_change(plan, change, IOTIFY_CHANGE_KEEP, "surplus device");
    forecast_clear(&removal);
    call_clear(&call);
    return good;
}

/* ------------------------------------------------------------------ printing */

static const struct {
    const char *sign, *verb, *name;
} changes[] = {
    [IOTIFY_CHANGE_CREATE] = {"+", "create", "create"},
    [IOTIFY_CHANGE_COMPLETE] = {"~", "finish", "change"},
    [IOTIFY_CHANGE_DELETE] = {"-", "delete", "delete"},
    [IOTIFY_CHANGE_KEEP] = {"=", "keep", "keep"},
    [IOTIFY_CHANGE_BLOCKED] = {"!", "blocked", "blocked"},
};

static void planning_print_change(const struct forecast_change *change)
{
    printf("  %s %s ", changes[change->change].sign, changes[change->change].verb);
    if (change->count > 1)
        printf("%lld × %s %s … %s", (long long)change->count, change->kind, change->first,
            change->last);
    else
        printf("%s %s", change->kind, change->first);
    printf(change->why ? ": %s\n" : "\n", change->why);
}

static double planning_rate(struct run *run, const struct step *step, const char *operation)
{
    return pacer_rate(run->connections[step->owner - run->job->plugins].pacer, operation);
}

/* Print the calls by operation if `text` is set; returns the seconds of the slowest operation. */
static double planning_print_calls(struct run *run, const struct step *step,
    const struct forecast *plan, bool text, const char **slowest)
{
    double most = 0;

    for (const struct forecast_calls *calls = plan->calls; calls; calls = calls->next) {
        double rate = planning_rate(run, step, calls->operation);
        double seconds = rate > 0 ? (double)calls->count / rate : 0;
        char words[PACER_RATE_SIZE];

        pacer_format(rate, words);
        if (text && seconds >= 1)
            printf("    %8lld %s at %s: %.0f s\n", (long long)calls->count, calls->operation, words,
                seconds);
        else if (text)
            printf("    %8lld %s\n", (long long)calls->count, calls->operation);
        if (seconds > most) {
            most = seconds;
            *slowest = calls->operation;
        }
    }
    return most;
}

static json_t *planning_to_json(struct run *run, const char *pipeline, const struct step *step,
    const struct forecast *plan, double seconds)
{
    json_t *list = json_array(), *calls = json_object();

    for (const struct forecast_change *change = plan->changes; change; change = change->next) {
        json_t *item = json_pack("{s:s, s:s, s:I, s:s, s:s}", "change",
            changes[change->change].name, "kind", change->kind, "count", (json_int_t)change->count,
            "first", change->first, "last", change->last);

        if (change->why)
            json_object_set_new(item, "why", json_string(change->why));
        json_array_append_new(list, item);
    }
    for (const struct forecast_calls *call = plan->calls; call; call = call->next) {
        double rate = planning_rate(run, step, call->operation);

        json_object_set_new(calls, call->operation,
            json_pack("{s:I, s:o}", "count", (json_int_t)call->count, "per_second",
                rate > 0 ? json_real(rate) : json_null()));
    }
    return json_pack("{s:s, s:s, s:f, s:o, s:o}", "pipeline", pipeline, "step", step->name,
        "seconds", seconds, "changes", list, "calls", calls);
}

static void planning_print_text(
    const struct forecast *plan, const char *pipeline, const struct step *step)
{
    printf("%s/%s\n", pipeline, step->name);
    for (const struct forecast_change *change = plan->changes; change; change = change->next)
        planning_print_change(change);
    if (!plan->changes)
        printf("  no changes\n");
}

/* Adds to `total` and `blocked`. False after a log line. */
static bool planning_print_step(struct run *run, const struct pipeline *pipeline,
    const struct step *step, bool text, json_t *steps, double *total, int64_t *blocked)
{
    const char *slowest = NULL;
    struct forecast plan = {0};
    double seconds = 0;
    bool good = planning_of_step(run, pipeline, step, step->action->plan, &plan) &&
                planning_plan_surplus(run, pipeline, step, &plan);

    if (good) {
        if (text)
            planning_print_text(&plan, pipeline->name, step);
        seconds = planning_print_calls(run, step, &plan, text, &slowest);
        if (text && seconds >= 1)
            printf("    about %.0f s; %s sets the pace\n", seconds, slowest);
        json_array_append_new(steps, planning_to_json(run, pipeline->name, step, &plan, seconds));
    }
    *total += seconds;
    *blocked += forecast_count(&plan, IOTIFY_CHANGE_BLOCKED);
    forecast_clear(&plan);
    return good;
}

static bool planning_write_json(const char *path, const json_t *root)
{
    bool good = strcmp(path, "-") == 0
                    ? json_dumpf(root, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0 &&
                          putchar('\n') == '\n'
                    : json_dump_file(root, path, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0;

    if (!good)
        log_write(IOTIFY_LOG_ERROR, path, "cannot write the plan: %s", strerror(errno));
    return good;
}

bool planning_print(
    struct run *run, const struct pipeline *const *pipelines, size_t count, const char *json)
{
    bool good = true, text = !json || strcmp(json, "-") != 0, before = run->planning;
    json_t *steps = json_array(), *root;
    double seconds = 0;
    int64_t blocked = 0;

    run->planning = true;
    for (size_t i = 0; i < count && good; i++) {
        for (size_t j = 0; j < pipelines[i]->count && good; j++) {
            const struct step *step = &pipelines[i]->steps[j];

            if (step->action && step->action->plan)
                good =
                    planning_print_step(run, pipelines[i], step, text, steps, &seconds, &blocked);
        }
    }
    run->planning = before;
    if (good && text)
        printf("about %.0f s in total at the current limits; nothing was changed\n", seconds);
    if (good && text && blocked)
        printf("%lld would fail, see above\n", (long long)blocked);
    root = json_pack(
        "{s:s, s:f, s:o}", "job", run->job->options->name, "seconds", seconds, "plan", steps);
    good = good && (!json || planning_write_json(json, root));
    json_decref(root);
    return good && blocked == 0;
}

/* ------------------------------------------------------------------ recovery */

/* Ask each device step for the devices that the service has. */
static bool planning_recover_all(struct run *run, struct forecast *plan, const struct step **last)
{
    const struct job *job = run->job;

    for (size_t i = 0; i < job->pipeline_count; i++) {
        for (size_t j = 0; j < job->pipelines[i].count; j++) {
            const struct step *step = &job->pipelines[i].steps[j];

            if (!step->action || !step->action->recover)
                continue;
            *last = step;
            if (!planning_of_step(run, &job->pipelines[i], step, step->action->recover, plan))
                return false;
        }
    }
    return true;
}

/* Writing records requires the lease, and a store with an owner. */
static bool planning_begin_writes(struct run *run)
{
    enum iotify_result result;
    struct call call;

    call_init(&call, run->job->options->name);
    result = run_begin_writes(run, &call) ? run_take_lease(run, &call) : IOTIFY_RESULT_FAILED;
    if (result != IOTIFY_RESULT_OK)
        planning_failed(run->job->options->name, &call, result);
    call_clear(&call);
    return result == IOTIFY_RESULT_OK;
}

bool planning_recover(struct run *run, bool for_real, int64_t *found)
{
    struct forecast plan = {0};
    const struct step *step = NULL;
    const char *slowest = NULL;
    bool good, before = run->planning;

    if (!for_real)
        run->planning = true;
    good = (!for_real || planning_begin_writes(run)) && planning_recover_all(run, &plan, &step);
    if (!for_real)
        run->planning = before;
    *found = forecast_count(&plan, IOTIFY_CHANGE_DELETE);
    if (good && !for_real) {
        printf("found by the job's id, without the store:\n");
        for (const struct forecast_change *change = plan.changes; change; change = change->next)
            planning_print_change(change);
        if (!plan.changes)
            printf("  nothing of this job\n");
        if (step)
            planning_print_calls(run, step, &plan, true, &slowest);
    }
    forecast_clear(&plan);
    return good;
}

/* ------------------------------------------------------------------ permissions */

void planning_permissions(const struct job *job, const struct pipeline *pipeline,
    const struct job_plugin *connector, struct forecast *plan)
{
    for (size_t i = 0; i < pipeline->count; i++) {
        const struct step *step = &pipeline->steps[i];
        struct activity before;
        struct call call;

        if (!step->action || step->owner != connector || !step->action->permit)
            continue;
        call_init(&call, job->options->name);
        call.base.arguments = step->options;
        call.plan = plan;
        before = activity_begin_action(connector->plugin->name, step->action->name, "permit");
        step->action->permit(connector->instance, &call.base);
        activity_end(before);
        call_clear(&call);
    }
}
