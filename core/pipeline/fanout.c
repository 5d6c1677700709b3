/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pipeline/fanout.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/output/output.h"
#include "core/pipeline/host.h"
#include "core/pipeline/task_queue.h"
#include "core/report/progress.h"
#include "core/script/expression.h"

#define STACK_SIZE (512 * 1024)
#define TICK (100 * MILLISECOND)
/* Most delayed tasks: beyond, no new ones are added until some are done. */
#define DELAYED_MAX 20000

/* A running step. The mutex protects the members after it. */
struct fanout {
    const struct fanout_request *request;
    struct run *run;
    const struct step *step;
    pthread_mutex_t mutex;
    pthread_cond_t work, progress;
    struct task_queue queue;
    size_t running; /* tasks that workers have; they may be delayed and come back */
    bool closed;    /* no more tasks will be added */
    bool ended;     /* waiting tasks are dropped */
    struct step_summary *result;
    int64_t done;
    /* Used by the main thread only. */
    int64_t began, reported;
    const char *name; /* "deploy/aws.device" */
};

/* ------------------------------------------------------------------ workers */

static void fanout_note(struct fanout *fanout, const struct call *call, enum iotify_result result,
    const struct run_context *context)
{
    if (result != IOTIFY_RESULT_CANCELLED)
        fanout->done++;
    if (call_succeeded(result) && context && context->repaired) {
        fanout->result->repaired++;
    } else if (result == IOTIFY_RESULT_OK) {
        fanout->result->ok++;
    } else if (result == IOTIFY_RESULT_UNCHANGED) {
        fanout->result->unchanged++;
    } else if (result != IOTIFY_RESULT_CANCELLED) {
        fanout->result->failed++;
        /* A full or broken disk would fail the remaining calls too. */
        fanout->ended = fanout->ended || (context && context->store_failed);
        summary_add_failure(fanout->run->summary, &fanout->result->failures,
            call_code(call, result), call_message(call, result), call->base.client);
    }
}

/* Give the task back to the queue when the plugin asked for that. The caller holds the mutex. */
static bool fanout_delay(struct fanout *fanout, struct task *task,
    const struct run_context *context, enum iotify_result result)
{
    if (result != IOTIFY_RESULT_LATER || context->later < 0 || fanout->ended || stop_requested())
        return false;
    task->stage = context->later_stage;
    task->repaired = context->repaired;
    task->due = clock_now() + context->later;
    task_queue_delay(&fanout->queue, task);
    return true;
}

static void fanout_work(struct fanout *fanout, struct task *task)
{
    const struct step *step = fanout->step;
    const char *operation = fanout->request->function == step->action->apply ? "apply" : "remove";
    struct run_context context;
    enum iotify_result result;
    struct call call;

    host_call(fanout->run, &call, &context, step->owner, fanout->request->where,
        fanout->request->counters);
    call.base.client = task->client;
    call.base.arguments = fanout->request->expand ? task->options : NULL;
    call.base.stage = task->stage;
    context.repaired = task->repaired;
    call.node = step->node;
    call.location = step->location;
    result = call_run_action(&call, step->owner->plugin->name, step->action->name, operation,
        fanout->request->function, step->owner->instance);
    if (result != IOTIFY_RESULT_LATER || context.later < 0)
        result = call_checked_action(
            &call, step->owner->plugin->name, step->action->name, operation, result);
    if (!call_succeeded(result) && result != IOTIFY_RESULT_CANCELLED &&
        result != IOTIFY_RESULT_LATER)
        call_log(&call.base, IOTIFY_LOG_DEBUG, "%s", call_message(&call, result));
    pthread_mutex_lock(&fanout->mutex);
    fanout->running--;
    if (fanout_delay(fanout, task, &context, result)) {
        task = NULL;
    } else {
        bool stopped = result == IOTIFY_RESULT_LATER && context.later >= 0;

        fanout_note(fanout, &call, stopped ? IOTIFY_RESULT_CANCELLED : result, &context);
        pthread_cond_signal(&fanout->progress);
    }
    pthread_cond_signal(&fanout->work);
    pthread_mutex_unlock(&fanout->mutex);
    call_clear(&call);
    task_free(task);
}

/* The next task that is due; NULL when there will be none. */
static struct task *fanout_take(struct fanout *fanout)
{
    struct task *task;
    int64_t due;

    pthread_mutex_lock(&fanout->mutex);
    while (!(task = task_queue_take(&fanout->queue, clock_now(), &due)) &&
           (!fanout->closed || fanout->running || due != INT64_MAX)) {
        if (due == INT64_MAX)
            pthread_cond_wait(&fanout->work, &fanout->mutex);
        else
            clock_condition_wait(&fanout->work, &fanout->mutex, due);
    }
    if (task) {
        fanout->running++;
        /* Another worker may have to wait for the next one that is due. */
        if (fanout->queue.delayed_count || fanout->queue.waiting)
            pthread_cond_signal(&fanout->work);
    } else {
        pthread_cond_broadcast(&fanout->work);
    }
    pthread_cond_signal(&fanout->progress);
    pthread_mutex_unlock(&fanout->mutex);
    return task;
}

static void *fanout_worker(void *argument)
{
    struct task *task;

    while ((task = fanout_take(argument)))
        fanout_work(argument, task);
    return NULL;
}

static size_t fanout_start_workers(struct fanout *fanout, pthread_t *threads, size_t count)
{
    pthread_attr_t attributes;
    size_t started = 0;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    while (started < count &&
           pthread_create(&threads[started], &attributes, fanout_worker, fanout) == 0)
        started++;
    pthread_attr_destroy(&attributes);
    return started;
}

/* ------------------------------------------------------------------ dispatch (main thread) */

double fanout_seconds(const struct fanout_pace *pace, int64_t clients)
{
    double rate = pace->operation ? pacer_rate(pace->pacer, pace->operation) : 0;

    return rate > 0 ? (double)clients * pace->calls / rate : 0;
}

/*
 * Give the numbers to the outputs, at most once per second and at the end. The caller holds the
 * mutex; it is not held while files are written.
 */
static void fanout_output(struct fanout *fanout, const struct live *live, bool last)
{
    struct output *output = fanout->run->output;
    int64_t now = clock_now();

    if (!output || (!last && now - fanout->reported < SECOND))
        return;
    fanout->reported = now;
    fanout->result->seconds = live->seconds;
    fanout->result->retried = live->retried;
    fanout->result->throttled = live->throttled;
    if (fanout->request->pace.pacer)
        pacer_take_counts(
            fanout->request->pace.pacer, &fanout->run->summary->arena, &fanout->result->calls);
    output_take(output, live);
    pthread_mutex_unlock(&fanout->mutex);
    output_send(output);
    pthread_mutex_lock(&fanout->mutex);
}

/* On the main thread. The caller holds the mutex. */
static void fanout_show_progress(struct fanout *fanout, bool last)
{
    const struct fanout_pace *pace = &fanout->request->pace;
    int64_t left = fanout->result->total - fanout->done;
    struct live live = {.job = fanout->run->job->options->name,
        .step = fanout->name,
        .seconds = (double)(clock_now() - fanout->began) / SECOND,
        .unit = "devices",
        .total = fanout->result->total,
        .done = fanout->done,
        .failed = fanout->result->failed,
        .retried = atomic_load(&fanout->request->counters->retried),
        .throttled = atomic_load(&fanout->request->counters->throttled),
        .operation = pace->operation,
        .intended_rate = -1};

    if (pace->operation) {
        live.seconds_left = fanout_seconds(pace, left < pace->fresh ? left : pace->fresh);
        live.rate = pacer_rate(pace->pacer, pace->operation);
    }
    progress_show(&live);
    fanout_output(fanout, &live, last);
}

/* Wait for a change, at most one tick. The caller holds the mutex. */
static void fanout_wait_tick(struct fanout *fanout)
{
    clock_condition_wait(&fanout->progress, &fanout->mutex, clock_now() + TICK);
    fanout_show_progress(fanout, false);
}

/* A step whose settings are the same for all clients needs no script context. */
static bool fanout_compile(struct fanout *fanout, struct expression_set *expression_set)
{
    struct diagnostics diagnostics = {0};
    bool good;

    if (!fanout->step->expressions || !fanout->request->expand)
        return true;
    if (!run_script(fanout->run))
        return false;
    good = expression_set_compile(
        expression_set, fanout->run->script, fanout->step->expressions, &diagnostics);
    for (size_t i = 0; i < diagnostics.count; i++) {
        const struct diagnostic *item = &diagnostics.items[i];

        summary_add_failure(fanout->run->summary, &fanout->result->failures, "Expression",
            arena_format(&diagnostics.arena, "%s:%d:%d: %s", item->location.file,
                item->location.line, item->location.column, item->text),
            -1);
    }
    diagnostics_clear(&diagnostics);
    return good;
}

static void fanout_push(struct fanout *fanout, struct task *task, size_t most)
{
    pthread_mutex_lock(&fanout->mutex);
    while ((fanout->queue.waiting >= most || fanout->queue.delayed_count >= DELAYED_MAX) &&
           !stop_requested() && !fanout->ended)
        fanout_wait_tick(fanout);
    task_queue_push(&fanout->queue, task);
    pthread_cond_signal(&fanout->work);
    pthread_mutex_unlock(&fanout->mutex);
}

static bool fanout_has_ended(struct fanout *fanout)
{
    bool ended;

    pthread_mutex_lock(&fanout->mutex);
    ended = fanout->ended;
    pthread_mutex_unlock(&fanout->mutex);
    return ended;
}

static void fanout_dispatch(struct fanout *fanout, const struct expression_set *expression_set,
    const int64_t *clients, size_t count, size_t most)
{
    for (size_t i = 0; i < count && !stop_requested() && !fanout_has_ended(fanout); i++) {
        struct task *task = task_new(clients[i]);
        const struct step *step = fanout->step;
        const char *error = NULL;
        struct call call;

        call_init(&call, fanout->request->where);
        call.base.client = task->client;
        task->options = expression_set_apply(expression_set, fanout->run->script,
            (struct script_turn){.slot = -1, .client = task->client}, step->settings, step->options,
            fanout->run->job->directory, &task->arena, &error);
        if (task->options) {
            fanout_push(fanout, task, most);
        } else {
            call_fail(&call.base, IOTIFY_RESULT_INVALID, "Expression", "%s", error);
            pthread_mutex_lock(&fanout->mutex);
            fanout_note(fanout, &call, IOTIFY_RESULT_INVALID, NULL);
            pthread_mutex_unlock(&fanout->mutex);
            task_free(task);
        }
        call_clear(&call);
    }
}

static void fanout_finish(struct fanout *fanout, pthread_t *threads, size_t count)
{
    pthread_mutex_lock(&fanout->mutex);
    fanout->closed = true;
    pthread_cond_broadcast(&fanout->work);
    while (fanout->queue.waiting || fanout->queue.delayed_count || fanout->running) {
        if (stop_requested() || fanout->ended) {
            task_queue_clear(&fanout->queue);
            pthread_cond_broadcast(&fanout->work);
        }
        fanout_wait_tick(fanout);
    }
    pthread_mutex_unlock(&fanout->mutex);
    for (size_t i = 0; i < count; i++) {
        /* Keep the display up to date while the last calls end. */
        struct timespec until;

        do {
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += TICK;
            if (until.tv_nsec >= SECOND) {
                until.tv_sec++;
                until.tv_nsec -= SECOND;
            }
            pthread_mutex_lock(&fanout->mutex);
            fanout_show_progress(fanout, false);
            pthread_mutex_unlock(&fanout->mutex);
        } while (pthread_timedjoin_np(threads[i], NULL, &until) != 0);
    }
    pthread_mutex_lock(&fanout->mutex);
    fanout_show_progress(fanout, true);
    pthread_mutex_unlock(&fanout->mutex);
}

void fanout_run(const struct fanout_request *request, const int64_t *clients, size_t count)
{
    struct fanout state = {.request = request,
        .run = request->run,
        .step = request->step,
        .result = request->result,
        .began = clock_now(),
        .reported = clock_now(),
        .name = arena_format(
            &request->run->arena, "%s/%s", request->result->pipeline, request->result->name)};
    struct fanout *fanout = &state;
    size_t workers = (size_t)fanout->run->job->options->workers;
    struct expression_set expression_set = {0};
    pthread_t *threads;

    fanout->result->total = (int64_t)count;
    if (workers > count)
        workers = count;
    if (workers > 1 && fanout->step->owner->plugin->connector.threads != IOTIFY_THREADS_PARALLEL)
        workers = 1;
    if (!fanout_compile(fanout, &expression_set)) {
        fanout->result->failed = fanout->result->total;
        expression_set_clear(&expression_set);
        return;
    }
    pthread_mutex_init(&fanout->mutex, NULL);
    clock_condition_init(&fanout->work);
    clock_condition_init(&fanout->progress);
    threads = memory_new(workers, sizeof(*threads));
    workers = fanout_start_workers(fanout, threads, workers);
    if (workers > 0 || count == 0) {
        fanout_dispatch(fanout, &expression_set, clients, count, workers * 4);
    } else {
        fanout->result->failed = fanout->result->total;
        summary_add_failure(fanout->run->summary, &fanout->result->failures, "NoThread",
            "cannot start a thread; set workers: to a smaller number", -1);
    }
    fanout_finish(fanout, threads, workers);
    if (fanout->ended)
        log_write(IOTIFY_LOG_ERROR, request->where,
            "cannot write to the store; the remaining devices were skipped. Run the same command "
            "when the store is writable");
    task_queue_clear(&fanout->queue);
    free(threads);
    expression_set_clear(&expression_set);
    pthread_cond_destroy(&fanout->work);
    pthread_cond_destroy(&fanout->progress);
    pthread_mutex_destroy(&fanout->mutex);
}
