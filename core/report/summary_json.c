/* SPDX-License-Identifier: Apache-2.0 */
/* The summary as JSON. */
#include <jansson.h>
#include <string.h>

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

static json_t *summary_json_histogram(const struct histogram *histogram)
{
    json_t *object = json_object();

    for (size_t i = 0; i < tally_quantile_count; i++)
        json_object_set_new(object, tally_quantiles[i].name,
            json_real((double)histogram_quantile(histogram, tally_quantiles[i].share) / 1e9));
    json_object_set_new(object, "max", json_real((double)histogram->max / 1e9));
    return object;
}

static json_t *summary_json_steps(const struct step_summary *step)
{
    json_t *list = json_array();

    for (; step; step = step->next)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:o}", "pipeline",
                      step->pipeline, "step", step->step, "scope", step->scope, "total",
                      (json_int_t)step->total, "ok", (json_int_t)step->ok, "failed",
                      (json_int_t)step->failed, "skipped", (json_int_t)step->skipped, "retried",
                      (json_int_t)step->retried, "throttled", (json_int_t)step->throttled,
                      "seconds", step->seconds, "errors", summary_json_failures(step->failures)));
    return list;
}

static json_t *summary_json_metrics(const struct tally_metric *metric)
{
    json_t *object = json_object();

    for (; metric; metric = metric->next)
        json_object_set_new(object, metric->name,
            json_pack("{s:f, s:f, s:f, s:f, s:f}", "count", metric->count, "sum", metric->sum,
                "mean", metric->sum / metric->count, "min", metric->min, "max", metric->max));
    return object;
}

static json_t *summary_json_devices(const struct tally_device *device)
{
    json_t *list = json_array();

    for (; device; device = device->next)
        json_array_append_new(list,
            json_pack("{s:I, s:I, s:I, s:I, s:I}", "client", (json_int_t)device->client, "lost",
                (json_int_t)device->lost, "duplicates", (json_int_t)device->duplicates, "reordered",
                (json_int_t)device->reordered, "late", (json_int_t)device->late));
    return list;
}

static json_t *summary_json_simulate(const struct simulate_summary *simulate)
{
    const struct tally *tally = &simulate->tally;
    json_t *object = json_object();
    char name[64];

    for (size_t i = 0; i < TALLY_FINISHED; i++)
        json_object_set_new(
            object, tally_counts[i].name, json_integer((json_int_t)tally->counts[i]));
    for (size_t i = 0; i < TALLY_TIMES; i++) {
        snprintf(name, sizeof(name), "%s_seconds", tally_times[i].name);
        json_object_set_new(object, name, summary_json_histogram(&tally->times[i]));
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
    return object;
}

bool summary_write_json(const struct summary *summary, const char *path)
{
    json_t *root = json_pack("{s:s, s:s, s:s, s:f, s:i, s:o}", "job", summary->job, "version",
        IOTIFY_VERSION, "started", summary->started, "seconds",
        (double)(clock_now() - summary->began) / (double)SECOND, "exit", summary->exit_code,
        "steps", summary_json_steps(summary->steps));
    json_t *thresholds = json_array();
    bool standard = strcmp(path, "-") == 0, done;
    FILE *stream;

    if (summary->simulate.present)
        json_object_set_new(root, "simulate", summary_json_simulate(&summary->simulate));
    for (const struct threshold_summary *entry = summary->thresholds; entry; entry = entry->next)
        json_array_append_new(
            thresholds, json_pack("{s:s, s:f, s:b}", "expression", entry->expression, "value",
                            entry->value, "ok", entry->ok));
    json_object_set_new(root, "thresholds", thresholds);
    stream = standard ? stdout : fopen(path, "we");
    done = stream && json_dumpf(root, stream, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0 &&
           fputc('\n', stream) != EOF;
    json_decref(root);
    if (stream && (standard ? fflush(stream) : fclose(stream)) != 0)
        done = false;
    return done;
}
