/* SPDX-License-Identifier: Apache-2.0 */
#include "core/output/metrics.h"

#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"

#ifndef IOTIFY_VERSION
#error "the build defines IOTIFY_VERSION"
#endif

/* The upper bounds of the buckets of a histogram, in nanoseconds. */
static const int64_t metrics_bounds[] = {MILLISECOND / 2, MILLISECOND, MILLISECOND * 5 / 2,
    5 * MILLISECOND, 10 * MILLISECOND, 25 * MILLISECOND, 50 * MILLISECOND, 100 * MILLISECOND,
    250 * MILLISECOND, 500 * MILLISECOND, SECOND, SECOND * 5 / 2, 5 * SECOND, 10 * SECOND,
    30 * SECOND, 60 * SECOND};
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define BOUNDS LENGTH(metrics_bounds)
/* Names of the scripts' metrics: a page of ever new ones could not be scraped. */
#define NAMES_MAX 500

/* What is written: all samples of a name stand together, so each part goes through all steps. */
struct metrics {
    const struct summary *summary;
    const struct live *live;
    struct iotify_buffer *out;
};

/* ------------------------------------------------------------------ text */

static void metrics_head(const struct metrics *metrics, const char *name, const char *suffix,
    const char *type, const char *help)
{
    iotify_buffer_format(metrics->out, "# HELP iotifyd_%s%s %s\n# TYPE iotifyd_%s%s %s\n", name,
        suffix, help, name, suffix, type);
}

static void metrics_escape(const struct metrics *metrics, const char *value)
{
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            iotify_buffer_char(metrics->out, '\\');
        iotify_buffer_char(metrics->out, *value == '\n' ? ' ' : *value);
    }
}

static void metrics_label(const struct metrics *metrics, const char *name, const char *value)
{
    iotify_buffer_format(metrics->out, ",%s=\"", name);
    metrics_escape(metrics, value);
    iotify_buffer_char(metrics->out, '"');
}

/* The name of a sample, and the labels that all of them have; metrics_end() closes the brace. */
static void metrics_begin(const struct metrics *metrics, const char *name, const char *suffix,
    const struct step_summary *step)
{
    iotify_buffer_format(metrics->out, "iotifyd_%s%s{job_name=\"", name, suffix);
    metrics_escape(metrics, metrics->summary->job);
    iotify_buffer_string(metrics->out, "\",step=\"");
    if (!step->simulate) {
        metrics_escape(metrics, step->pipeline);
        iotify_buffer_char(metrics->out, '/');
    }
    metrics_escape(metrics, step->name);
    iotify_buffer_char(metrics->out, '"');
}

static void metrics_end(const struct metrics *metrics, double value)
{
    iotify_buffer_format(metrics->out, "} %.15g\n", value);
}

/* ------------------------------------------------------------------ steps */

static void metrics_steps(const struct metrics *metrics)
{
    static const char *const names[][4] = {{"devices", "", "gauge", "devices of a step"},
        {"devices_done", "_total", "counter", "devices that are done, failed ones among them"},
        {"devices_failed", "_total", "counter", "devices that failed for good"},
        {"retries", "_total", "counter", "calls that were repeated"},
        {"throttled", "_total", "counter", "calls that were throttled"},
        {"step_duration_seconds", "", "gauge", "how long a step has run, or took"}};

    for (size_t i = 0; i < LENGTH(names); i++) {
        metrics_head(metrics, names[i][0], names[i][1], names[i][2], names[i][3]);
        for (const struct step_summary *step = metrics->summary->steps; step; step = step->next) {
            const double values[] = {(double)step->total,
                (double)(step->ok + step->unchanged + step->repaired + step->failed),
                (double)step->failed, (double)step->retried, (double)step->throttled,
                step->seconds};

            /* Simulations have numbers of their own, but take time like other steps. */
            if (step->simulate && i != LENGTH(values) - 1)
                continue;
            metrics_begin(metrics, names[i][0], names[i][1], step);
            metrics_end(metrics,
                step->simulate && step->seconds <= 0 ? step->simulate->seconds : values[i]);
        }
    }
}

static void metrics_calls(const struct metrics *metrics)
{
    metrics_head(metrics, "calls", "_total", "counter", "calls to the service by operation");
    for (const struct step_summary *step = metrics->summary->steps; step; step = step->next)
        for (const struct call_summary *call = step->calls; call; call = call->next) {
            metrics_begin(metrics, "calls", "_total", step);
            metrics_label(metrics, "operation", call->operation);
            metrics_end(metrics, (double)call->count);
        }
}

/* ------------------------------------------------------------------ simulations */

/* The next step that has results of a simulation, from `step` on. */
static const struct step_summary *metrics_simulation(const struct step_summary *step)
{
    while (step && (!step->simulate || !step->simulate->present))
        step = step->next;
    return step;
}

static const struct step_summary *metrics_first(const struct metrics *metrics)
{
    return metrics_simulation(metrics->summary->steps);
}

static void metrics_count(const struct metrics *metrics, enum tally_count count)
{
    const char *name = tally_counts[count].name;
    char stage[24];

    metrics_head(metrics, name, "_total", "counter", tally_counts[count].meaning);
    for (const struct step_summary *step = metrics_first(metrics); step;
         step = metrics_simulation(step->next)) {
        const struct simulate_summary *simulate = step->simulate;

        for (size_t i = 0; i < simulate->by_stage_count; i++) {
            /* Outside of the stages there may be nothing at all. */
            if (i == 0 && simulate->by_stage_count > 1 && simulate->by_stage[0][count] == 0)
                continue;
            metrics_begin(metrics, name, "_total", step);
            snprintf(stage, sizeof(stage), "%zu", i);
            if (i)
                metrics_label(metrics, "stage", stage);
            metrics_end(metrics, (double)simulate->by_stage[i][count]);
        }
    }
}

static void metrics_time(const struct metrics *metrics, enum tally_time time)
{
    const char *name = tally_times[time].name;
    int64_t numbers[BOUNDS];
    char bound[24];

    metrics_head(metrics, name, "_seconds", "histogram", tally_times[time].meaning);
    for (const struct step_summary *step = metrics_first(metrics); step;
         step = metrics_simulation(step->next)) {
        const struct histogram *histogram = &step->simulate->tally.times[time];

        histogram_cumulate(histogram, metrics_bounds, BOUNDS, numbers);
        for (size_t i = 0; i <= BOUNDS; i++) {
            metrics_begin(metrics, name, "_seconds_bucket", step);
            if (i < BOUNDS)
                snprintf(bound, sizeof(bound), "%g", (double)metrics_bounds[i] / SECOND);
            metrics_label(metrics, "le", i < BOUNDS ? bound : "+Inf");
            metrics_end(metrics, (double)(i < BOUNDS ? numbers[i] : histogram->count));
        }
        metrics_begin(metrics, name, "_seconds_sum", step);
        metrics_end(metrics, histogram->sum / SECOND);
        metrics_begin(metrics, name, "_seconds_count", step);
        metrics_end(metrics, (double)histogram->count);
    }
}

static bool metrics_has_code(const struct failure *failure, const char *code)
{
    return strcmp(failure->code, code) == 0;
}

static const struct failure *metrics_failures_of(const struct step_summary *step)
{
    return step->simulate && step->simulate->present ? step->simulate->tally.failures
                                                     : step->failures;
}

/* One number per reason, summed over all locations in scripts. */
static void metrics_failure(
    const struct metrics *metrics, const struct step_summary *step, const struct failure *failure)
{
    const struct failure *first = metrics_failures_of(step);
    double count = 0;

    for (; first != failure; first = first->next)
        if (metrics_has_code(first, failure->code))
            return;
    for (const struct failure *each = failure; each; each = each->next)
        count += metrics_has_code(each, failure->code) ? (double)each->count : 0;
    metrics_begin(metrics, "failures", "_total", step);
    metrics_label(metrics, "reason", failure->code);
    metrics_end(metrics, count);
}

static void metrics_failures(const struct metrics *metrics)
{
    metrics_head(metrics, "failures", "_total", "counter", "failures of all steps by reason");
    for (const struct step_summary *step = metrics->summary->steps; step; step = step->next)
        for (const struct failure *each = metrics_failures_of(step); each; each = each->next)
            metrics_failure(metrics, step, each);
}

/* The scripts' own metrics: sums and counts, which can be added up over machines. */
static void metrics_of_scripts(const struct metrics *metrics)
{
    size_t left = NAMES_MAX;

    metrics_head(metrics, "metric", "", "summary",
        "values of the scripts' own metrics; of the first 500 names");
    for (const struct step_summary *step = metrics_first(metrics); step;
         step = metrics_simulation(step->next))
        for (const struct tally_metric *each = step->simulate->tally.metrics; each && left;
             each = each->next, left--) {
            metrics_begin(metrics, "metric", "_sum", step);
            metrics_label(metrics, "name", each->name);
            metrics_end(metrics, each->sum);
            metrics_begin(metrics, "metric", "_count", step);
            metrics_label(metrics, "name", each->name);
            metrics_end(metrics, each->count);
        }
}

/* Of the simulation that runs: the last step so far. */
static void metrics_gauges(const struct metrics *metrics)
{
    const struct live *live = metrics->live;
    const struct {
        const char *name, *help;
        double value;
    } gauges[] = {{"connections", "connections that are open", (double)live->connected},
        {"intended_rate", "messages per second that the schedule asks for", live->intended_rate},
        {"stage", "number of the stage that runs, from 1; 0: none", (double)live->stage},
        {"cpu", "cores in use by the generator", live->cpu},
        {"busy", "share of its time that the busiest event loop is at work", live->busy}};

    for (const struct step_summary *step = metrics_first(metrics); step;
         step = metrics_simulation(step->next)) {
        if (step->next)
            continue;
        for (size_t i = 0; i < LENGTH(gauges); i++) {
            if (gauges[i].value < 0)
                continue;
            metrics_head(metrics, gauges[i].name, "", "gauge", gauges[i].help);
            metrics_begin(metrics, gauges[i].name, "", step);
            metrics_end(metrics, gauges[i].value);
        }
    }
}

void metrics_write(
    const struct summary *summary, const struct live *live, struct iotify_buffer *out)
{
    const struct metrics metrics = {summary, live, out};

    iotify_buffer_string(out, "# HELP iotify_build_info 1; the label has the version\n"
                              "# TYPE iotify_build_info gauge\n"
                              "iotify_build_info{version=\"" IOTIFY_VERSION "\"} 1\n");
    metrics_steps(&metrics);
    metrics_calls(&metrics);
    metrics_failures(&metrics);
    if (!metrics_first(&metrics))
        return;
    if (live && live->last)
        metrics_gauges(&metrics);
    for (size_t i = 0; i < TALLY_COUNTS; i++)
        metrics_count(&metrics, (enum tally_count)i);
    for (size_t i = 0; i < TALLY_TIMES; i++)
        metrics_time(&metrics, (enum tally_time)i);
    metrics_of_scripts(&metrics);
}
