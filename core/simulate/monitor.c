/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/monitor.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/report/live.h"
#include "core/report/progress.h"
#include "core/report/quantity.h"
#include "core/simulate/threshold.h"

#define TICK (50 * MILLISECOND)
/* A script that takes this much CPU time beyond its time limit counts as stuck. */
#define STUCK_AFTER (5 * SECOND)
/* So many connections are worth a search for unused memory. */
#define CHURN_MIN 500

/*
 * The generator is the bottleneck when its lag is more than 20 ms and a quarter of the publish
 * time, or when a loop hardly slept: answers then wait for the loop.
 */
#define LAG_SATURATED (20 * MILLISECOND)
#define LAG_SHARE 4
#define BUSY_SATURATED 0.95

/* The script call that a loop was in when the monitor last looked. */
struct monitor_script {
    int64_t since; /* its start, which identifies it; 0: none */
    int64_t cpu;   /* CPU time of the loop's thread when the call was first seen */
};

static void monitor_measure_generator(struct simulate_summary *results)
{
    const struct tally *tally = &results->tally;
    int64_t lag = histogram_quantile(&tally->times[TALLY_LAG], 0.99);
    int64_t publish = histogram_quantile(&tally->times[TALLY_PUBLISH], 0.99);
    bool behind = lag > LAG_SATURATED && lag > publish / LAG_SHARE;

    /* Without a connection there are no latencies that could be wrong. */
    results->saturated =
        tally->counts[TALLY_CONNECTED] > 0 && (behind || results->busy > BUSY_SATURATED);
}

void monitor_init(struct monitor *monitor, const struct simulation *simulation,
    struct simulate_loop *const *loops, size_t count, struct output *output,
    struct simulate_summary *results)
{
    *monitor = (struct monitor){.simulation = simulation,
        .loops = loops,
        .count = count,
        .output = output,
        .results = results,
        .scripts = memory_new(count, sizeof(struct monitor_script)),
        .began = clock_now(),
        .cpu_began = clock_cpu()};
    monitor->second_at = monitor->began;
    monitor->cpu_at = monitor->cpu_began;
    results->verified = simulation->options->verify == VERIFY_END_TO_END;
    results->by_stage_count = simulation->load_profile.count + 1;
    results->by_stage = arena_array(
        &simulation->run->summary->arena, results->by_stage_count, sizeof(*results->by_stage));
}

/* ------------------------------------------------------------------ once per second */

static void monitor_collect(struct monitor *monitor)
{
    for (size_t i = 0; i < monitor->count; i++)
        simulate_loop_collect(monitor->loops[i], &monitor->second);
}

/* The messages per second that the schedule asks for; < 0: it has no say. */
static double monitor_intended_rate(const struct monitor *monitor, int64_t moment)
{
    const struct simulation *simulation = monitor->simulation;
    const int64_t *counts = monitor->results->tally.counts;

    if (simulation->options->pacing == PACING_CLOSED || !simulation->template->transport)
        return -1;
    return load_profile_rate(&simulation->load_profile, moment,
        counts[TALLY_CONNECTED] - (counts[TALLY_FINISHED] - counts[TALLY_UNCONNECTED]));
}

/* What shows how far it is: the time, iterations, or clients, which all finish at the end. */
static void monitor_measure_progress(const struct monitor *monitor, struct live *live)
{
    const struct simulation *simulation = monitor->simulation;
    const int64_t *counts = monitor->results->tally.counts;

    live->unit = "clients";
    live->total = simulation->clients;
    live->done = counts[TALLY_FINISHED];
    if (simulation->load_profile.ends > 0)
        live->ends = (double)simulation->load_profile.ends / SECOND;
    if (simulation->iterations) {
        live->unit = "iterations";
        live->total = simulation->clients * simulation->iterations;
        live->done = counts[TALLY_ITERATIONS] + counts[TALLY_SKIPPED];
    }
}

static struct live monitor_live(const struct monitor *monitor, int64_t now)
{
    const struct load_profile *profile = &monitor->simulation->load_profile;
    int64_t middle = (monitor->second_at + now) / 2 - monitor->began;
    struct live live = {.job = monitor->simulation->run->job->options->name,
        .step = monitor->results->name,
        .stage = load_profile_stage(profile, middle),
        .stages = profile->count,
        .intended_rate = monitor_intended_rate(monitor, middle),
        .seconds = (double)(now - monitor->began) / SECOND,
        .period = (double)(now - monitor->second_at) / SECOND,
        .failed = monitor->results->tally.counts[TALLY_FAILED],
        .last = &monitor->second,
        .all = &monitor->results->tally};

    monitor_measure_progress(monitor, &live);
    for (size_t i = 0; i < monitor->count; i++) {
        double busy = simulate_loop_busy(monitor->loops[i]);

        live.connected += simulate_loop_connected(monitor->loops[i]);
        live.busy = busy > live.busy ? busy : live.busy;
    }
    if (now > monitor->second_at)
        live.cpu = (double)(clock_cpu() - monitor->cpu_at) / (double)(now - monitor->second_at);
    return live;
}

static void monitor_end_loops(struct monitor *monitor, bool stopped)
{
    for (size_t i = 0; i < monitor->count; i++)
        simulate_loop_end(monitor->loops[i], stopped);
}

/* Check the thresholds that may end the run. */
static void monitor_watch_thresholds(struct monitor *monitor, int64_t now)
{
    const struct iotify_table *table = &monitor->simulation->options->thresholds;
    struct threshold_summary crossed;
    char text[QUANTITY_SIZE];
    double value;

    for (size_t i = 0; i < table->count && !monitor->results->aborted; i++) {
        const struct threshold_options *threshold = table->rows[i];

        if (!threshold->abort || now - monitor->began < threshold->grace)
            continue;
        if (threshold_evaluate(threshold->expression, monitor->results, &value) !=
            THRESHOLD_CROSSED)
            continue;
        monitor->results->aborted = threshold->expression;
        monitor->results->aborted_value = value;
        crossed = (struct threshold_summary){
            .value = value, .is_time = threshold_is_time(threshold->expression)};
        summary_value_of_threshold(&crossed, text);
        log_write(IOTIFY_LOG_WARNING, monitor->simulation->where,
            "the threshold %s is crossed (%s): the simulation ends", threshold->expression, text);
        monitor_end_loops(monitor, false);
    }
}

/*
 * Handshakes that ran at the same time, as after a storm, leave the heap twice as large as before
 * and full of holes. It is returned to the system when hardly any connection is made any more.
 */
static void monitor_return_memory(struct monitor *monitor)
{
    const int64_t *counts = monitor->second.counts;
    int64_t connected = counts[TALLY_CONNECTED] + counts[TALLY_RECONNECTS];

    monitor->churn += connected;
    if (monitor->churn < CHURN_MIN || connected > monitor->churn / 100)
        return;
    malloc_trim(0);
    monitor->churn = 0;
}

/* The means so far, for the live page and for thresholds that may end the run. */
static void monitor_note_progress(struct monitor *monitor, const struct live *live)
{
    monitor->results->present = true;
    monitor->results->seconds = live->seconds;
    monitor->results->cpu = (double)(clock_cpu() - monitor->cpu_began) / (live->seconds * SECOND);
    monitor->busy_seconds += live->busy * live->period;
    monitor->results->busy = monitor->busy_seconds / live->seconds;
    for (size_t i = 0; i < TALLY_COUNTS; i++)
        monitor->results->by_stage[live->stage][i] += monitor->second.counts[i];
}

/* Add the last second to the results, and update all outputs. */
static void monitor_end_second(struct monitor *monitor, int64_t now)
{
    struct live live;

    tally_merge(&monitor->results->tally, &monitor->second);
    live = monitor_live(monitor, now);
    monitor_note_progress(monitor, &live);
    progress_show(&live);
    output_take(monitor->output, &live);
    output_send(monitor->output);
    monitor_return_memory(monitor);
    tally_reset(&monitor->second);
    monitor->second_at = now;
    monitor->cpu_at = clock_cpu();
    if (!monitor->finishing)
        monitor_watch_thresholds(monitor, now);
}

/* ------------------------------------------------------------------ the whole run */

/*
 * Does a script run far beyond its time limit? Its thread cannot be ended: the run continues
 * without this step, and the process exits without waiting for the thread. Like the limit, this
 * counts CPU time: on a busy machine a call may take much longer.
 */
static bool monitor_is_stuck(struct monitor *monitor)
{
    int64_t limit = monitor->simulation->options->time_limit + STUCK_AFTER;

    for (size_t i = 0; i < monitor->count; i++) {
        struct monitor_script *script = &monitor->scripts[i];
        int64_t since = simulate_loop_busy_since(monitor->loops[i]);

        if (since != script->since)
            *script = (struct monitor_script){since, simulate_loop_cpu(monitor->loops[i])};
        else if (since && simulate_loop_cpu(monitor->loops[i]) - script->cpu > limit)
            return true;
    }
    return false;
}

static bool monitor_all_finished(const struct monitor *monitor)
{
    for (size_t i = 0; i < monitor->count; i++)
        if (!simulate_loop_finished(monitor->loops[i]))
            return false;
    return true;
}

bool monitor_watch(struct monitor *monitor)
{
    const struct timespec tick = {.tv_nsec = TICK};
    int64_t now;

    while (!monitor_all_finished(monitor)) {
        if (monitor_is_stuck(monitor))
            return false;
        nanosleep(&tick, NULL);
        if (stop_requested() && !monitor->stopping) {
            monitor->stopping = true;
            monitor_end_loops(monitor, true);
        }
        if (atomic_load(&monitor->simulation->reported->faulted) && !monitor->stopping) {
            monitor->stopping = true;
            monitor_end_loops(monitor, true);
        }
        monitor_collect(monitor);
        capture_write(monitor->simulation->capture);
        now = clock_now();
        /* monitor_finish() writes the last row, with the remaining counts. */
        if (now - monitor->second_at >= SECOND && !monitor_all_finished(monitor))
            monitor_end_second(monitor, now);
    }
    return true;
}

bool monitor_finish(struct monitor *monitor)
{
    struct simulate_summary *results = monitor->results;
    int64_t now;
    bool good = true;
    double busy, busiest = 0;

    for (size_t i = 0; i < monitor->count; i++) {
        good = simulate_loop_join(monitor->loops[i], &monitor->second, &busy) && good;
        busiest = busy > busiest ? busy : busiest;
    }
    now = clock_now();
    monitor->finishing = true;
    monitor_end_second(monitor, now);
    results->busy = busiest;
    results->seconds = (double)(now - monitor->began) / SECOND;
    results->cpu = (double)(clock_cpu() - monitor->cpu_began) / (double)(now - monitor->began);
    monitor_measure_generator(results);
    tally_clear(&monitor->second);
    free(monitor->scripts);
    return good;
}
