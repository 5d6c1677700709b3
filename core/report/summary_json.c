/* SPDX-License-Identifier: Apache-2.0 */
/* The summary as JSON. */
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/report/summary.h"

#ifndef IOTIFY_VERSION
#error "the build defines IOTIFY_VERSION"
#endif

static json_t *summary_json_failures(const struct failure *failures)
{
    json_t *list = json_array();

    for (; failures; failures = failures->next)
        json_array_append_new(list,
            json_pack("{s:s, s:s, s:I, s:o}", "code", failures->code, "message", failures->message,
                "count", (json_int_t)failures->count, "first_client",
                failures->first_client < 0 ? json_null()
                                           : json_integer((json_int_t)failures->first_client)));
    return list;
}

/*
 * The buckets of a histogram as pairs: how many empty ones come before, and the count. Runs of
 * several machines can be added up by them. Of `width` neighbours the last one has the values of
 * all.
 */
static json_t *summary_json_buckets(const struct histogram *histogram, size_t width)
{
    json_t *list = json_array();
    int64_t count = 0;
    size_t next = 0;

    for (size_t i = histogram->low; i < histogram->high; i++) {
        count += histogram->counts[i];
        if (count == 0 || ((i + 1) % width && i + 1 < histogram->high))
            continue;
        json_array_append_new(list, json_integer((json_int_t)(i - next)));
        json_array_append_new(list, json_integer((json_int_t)count));
        next = i + 1;
        count = 0;
    }
    return list;
}

static json_t *summary_json_histogram(const struct histogram *histogram, size_t width)
{
    json_t *object;

    if (histogram->count == 0)
        return json_null();
    object = json_pack("{s:I, s:f}", "count", (json_int_t)histogram->count, "mean",
        histogram->sum / (double)histogram->count / 1e9);
    for (size_t i = 0; i < tally_quantile_count; i++)
        json_object_set_new(object, tally_quantiles[i].name,
            json_real((double)histogram_quantile(histogram, tally_quantiles[i].share) / 1e9));
    json_object_set_new(object, "max", json_real((double)histogram->max / 1e9));
    json_object_set_new(object, "buckets", summary_json_buckets(histogram, width));
    return object;
}

static json_t *summary_json_calls(const struct call_summary *call)
{
    json_t *list = json_array();

    for (; call; call = call->next)
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:I, s:I, s:o}", "operation", call->operation, "count",
                      (json_int_t)call->count, "throttled", (json_int_t)call->throttled, "retried",
                      (json_int_t)call->retried, "quota",
                      call->quota > 0 ? json_real(call->quota) : json_null()));
    return list;
}

static json_t *summary_json_machine(void)
{
    struct utsname system;

    if (uname(&system) != 0)
        return json_null();
    return json_pack("{s:s+++, s:I, s:I}", "system", system.sysname, " ", system.release, "",
        "cores", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "memory",
        (json_int_t)sysconf(_SC_PHYS_PAGES) * (json_int_t)sysconf(_SC_PAGESIZE));
}

static json_t *summary_json_steps(const struct step_summary *step)
{
    json_t *list = json_array(), *entry;

    for (; step; step = step->next) {
        const struct {
            const char *name;
            int64_t count;
        } counts[] = {{"total", step->total}, {"ok", step->ok}, {"unchanged", step->unchanged},
            {"repaired", step->repaired}, {"failed", step->failed}, {"skipped", step->skipped},
            {"retried", step->retried}, {"throttled", step->throttled}};

        entry = json_pack("{s:s, s:s, s:s, s:s, s:s}", "pipeline", step->pipeline, "step",
            step->step, "name", step->name, "scope", step->scope, "started", step->started);
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
            json_object_set_new(entry, counts[i].name, json_integer((json_int_t)counts[i].count));
        json_object_set_new(entry, "seconds", json_real(step->seconds));
        json_object_set_new(entry, "calls", summary_json_calls(step->calls));
        json_object_set_new(entry, "errors", summary_json_failures(step->failures));
        json_array_append_new(list, entry);
    }
    return list;
}

/* As pairs: the number of the bucket, and the count. */
static json_t *summary_json_values(const struct distribution *values)
{
    json_t *list = json_array();

    for (size_t i = 0; i < values->count; i++) {
        json_array_append_new(list, json_integer(values->buckets[i].number));
        json_array_append_new(list, json_integer((json_int_t)values->buckets[i].count));
    }
    return list;
}

static json_t *summary_json_metrics(const struct tally_metric *metric)
{
    json_t *object = json_object();

    for (; metric; metric = metric->next) {
        json_t *numbers =
            json_pack("{s:f, s:f, s:f, s:f, s:f}", "count", metric->count, "sum", metric->sum,
                "mean", metric->sum / metric->count, "min", metric->min, "max", metric->max);

        for (size_t i = 0; i < tally_quantile_count; i++)
            json_object_set_new(numbers, tally_quantiles[i].name,
                json_real(tally_metric_quantile(metric, tally_quantiles[i].share)));
        json_object_set_new(numbers, "buckets", summary_json_values(&metric->values));
        json_object_set_new(object, metric->name, numbers);
    }
    return object;
}

static json_t *summary_json_reasons(const struct tally_reason *reason)
{
    json_t *object = json_object();

    for (; reason; reason = reason->next)
        json_object_set_new(object, reason->code, json_integer((json_int_t)reason->count));
    return object;
}

static json_t *summary_json_devices(const struct tally_device *device)
{
    json_t *list = json_array();

    for (; device; device = device->next)
        json_array_append_new(list,
            json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "client", (json_int_t)device->client,
                "lost", (json_int_t)device->lost, "duplicates", (json_int_t)device->duplicates,
                "reordered", (json_int_t)device->reordered, "late", (json_int_t)device->late,
                "reasons", summary_json_reasons(device->reasons)));
    return list;
}

static json_t *summary_json_stages(const struct simulate_summary *simulate)
{
    json_t *list = json_array();

    for (size_t i = 0; i < simulate->stage_count; i++) {
        const struct stage_summary *stage = &simulate->stages[i];

        json_array_append_new(
            list, json_pack("{s:s?, s:f, s:f, s:s, s:I, s:I}", "name", stage->name, "seconds",
                      stage->seconds, "storm", stage->storm, "unit",
                      stage->clients ? "clients" : "messages", "intended",
                      (json_int_t)stage->intended, "reached", (json_int_t)stage->reached));
    }
    return list;
}

/* The thresholds on the results of a simulation; NULL: of all. */
static json_t *summary_json_thresholds(
    const struct threshold_summary *threshold, const struct simulate_summary *simulate)
{
    json_t *list = json_array(), *entry;

    for (; threshold; threshold = threshold->next) {
        if (simulate && threshold->simulate != simulate)
            continue;
        entry = json_pack("{s:s, s:o, s:b}", "expression", threshold->expression, "value",
            isnan(threshold->value) ? json_null() : json_real(threshold->value), "ok",
            threshold->ok);
        if (!simulate && threshold->simulate->name)
            json_object_set_new(entry, "simulation", json_string(threshold->simulate->name));
        if (*threshold->why)
            json_object_set_new(entry, "reason", json_string(threshold->why));
        json_array_append_new(list, entry);
    }
    return list;
}

static json_t *summary_json_simulate(
    const struct summary *summary, const struct simulate_summary *simulate, size_t width)
{
    const struct tally *tally = &simulate->tally;
    bool sum = simulate == &summary->simulate;
    json_t *object = json_object();
    char name[64];

    if (!sum)
        json_object_update_new(object,
            json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:f}", "name", simulate->name, "template",
                simulate->template, "template_digest", simulate->template_digest, "transport",
                simulate->transport, "seed", (json_int_t)simulate->seed, "started",
                simulate->started, "seconds", simulate->seconds));

    if (!sum)
        json_object_set_new(object, "planned_seconds",
            simulate->planned > 0 ? json_real(simulate->planned) : json_null());
    for (size_t i = 0; i < TALLY_FINISHED; i++)
        json_object_set_new(
            object, tally_counts[i].name, json_integer((json_int_t)tally->counts[i]));
    for (size_t i = 0; i < TALLY_TIMES; i++) {
        snprintf(name, sizeof(name), "%s_seconds", tally_times[i].name);
        json_object_set_new(object, name, summary_json_histogram(&tally->times[i], width));
    }
    json_object_set_new(object, "metrics", summary_json_metrics(tally->metrics));
    json_object_set_new(object, "errors", summary_json_failures(tally->failures));
    json_object_set_new(object, "devices", summary_json_devices(tally->devices));
    json_object_set_new(object, "glob",
        json_pack("{s:I, s:f, s:I}", "blocking", (json_int_t)simulate->glob.blocking,
            "blocking_seconds", simulate->glob.blocking_seconds, "failed_writes",
            (json_int_t)simulate->glob.failed));
    json_object_set_new(object, "generator",
        json_pack("{s:b, s:f, s:f, s:f}", "saturated", simulate->saturated, "cpu", simulate->cpu,
            "busy", simulate->busy, "lag_p99_seconds",
            (double)histogram_quantile(&tally->times[TALLY_LAG], 0.99) / 1e9));
    json_object_set_new(object, "stages", summary_json_stages(simulate));
    json_object_set_new(
        object, "thresholds", summary_json_thresholds(summary->thresholds, sum ? NULL : simulate));
    return object;
}

static json_t *summary_json_simulations(const struct summary *summary, size_t width)
{
    json_t *list = json_array();

    for (const struct step_summary *step = summary->steps; step; step = step->next)
        if (step->simulate && step->simulate->present)
            json_array_append_new(list, summary_json_simulate(summary, step->simulate, width));
    return list;
}

json_t *summary_to_json(const struct summary *summary, size_t width)
{
    struct iotify_buffer verdict;
    json_t *root;

    iotify_buffer_init(&verdict, SUMMARY_VERDICT_MAX);
    summary_verdict(summary, &verdict);
    root = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:i, s:s, s:o, s:o}", "format",
        "iotify-summary/2", "job", summary->job, "version", IOTIFY_VERSION, "run", summary->run,
        "started", summary->started, "ended", summary->ended, "seconds", summary->seconds, "exit",
        summary->exit_code, "verdict", iotify_buffer_text(&verdict), "steps",
        summary_json_steps(summary->steps), "simulations",
        summary_json_simulations(summary, width));
    iotify_buffer_clear(&verdict);
    if (summary->job_digest)
        json_object_set_new(root, "job_digest", json_string(summary->job_digest));
    json_object_set_new(root, "machine", summary_json_machine());
    if (summary->simulate.present)
        json_object_set_new(
            root, "simulate", summary_json_simulate(summary, &summary->simulate, width));
    json_object_set_new(root, "thresholds", summary_json_thresholds(summary->thresholds, NULL));
    return root;
}

bool summary_write_json(const struct summary *summary, FILE *stream)
{
    json_t *root = summary_to_json(summary, 1);
    bool done = json_dumpf(root, stream, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0 &&
                fputc('\n', stream) != EOF;

    json_decref(root);
    return fflush(stream) == 0 && done;
}
