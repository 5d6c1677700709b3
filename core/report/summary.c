#include "core/report/summary.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/utf8.h"

#ifndef IOTIFY_VERSION
#error "the build defines IOTIFY_VERSION"
#endif

static const struct {
    const char *name;
    double share;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}};

#define QUANTILES (sizeof(quantiles) / sizeof(quantiles[0]))

void summary_init(struct summary *summary, const char *job)
{
    *summary = (struct summary){.began = clock_now()};
    summary->job = arena_string(&summary->arena, job);
    clock_wall(summary->started, sizeof(summary->started));
}

static void clear_simulate(struct simulate_summary *simulate)
{
    histogram_clear(&simulate->connect);
    histogram_clear(&simulate->publish);
    histogram_clear(&simulate->end_to_end);
    histogram_clear(&simulate->lag);
}

void summary_clear(struct summary *summary)
{
    clear_simulate(&summary->simulate);
    for (struct step_summary *step = summary->steps; step; step = step->next)
        if (step->simulate)
            clear_simulate(step->simulate);
    arena_clear(&summary->arena);
}

struct step_summary *summary_add_step(
    struct summary *summary, const char *pipeline, const char *step, const char *scope)
{
    struct step_summary *entry = arena_alloc(&summary->arena, sizeof(*entry));
    struct step_summary **end = &summary->steps;

    entry->pipeline = arena_string(&summary->arena, pipeline);
    entry->step = arena_string(&summary->arena, step);
    entry->scope = scope;
    while (*end)
        end = &(*end)->next;
    *end = entry;
    return entry;
}

static void add_failures(struct summary *summary, struct failure **list, const char *code,
    const char *message, int64_t client, int64_t count)
{
    struct failure *failure;

    while (*list && strcmp((*list)->code, code) != 0)
        list = &(*list)->next;
    if (!*list) {
        failure = arena_alloc(&summary->arena, sizeof(*failure));
        failure->code = arena_string(&summary->arena, code);
        failure->message = utf8_clean(arena_string(&summary->arena, message));
        failure->first_client = client;
        *list = failure;
    }
    (*list)->count += count;
    if (client >= 0 && client < (*list)->first_client) {
        (*list)->first_client = client;
        (*list)->message = utf8_clean(arena_string(&summary->arena, message));
    }
}

void summary_add_failure(struct summary *summary, struct failure **list, const char *code,
    const char *message, int64_t client)
{
    add_failures(summary, list, code, message, client, 1);
}

void summary_add_failures(
    struct summary *summary, struct failure **list, const struct failure *from)
{
    add_failures(summary, list, from->code, from->message, from->first_client, from->count);
}

struct simulate_summary *summary_begin_simulate(struct summary *summary, struct step_summary *step)
{
    step->simulate = arena_alloc(&summary->arena, sizeof(*step->simulate));
    return step->simulate;
}

void summary_end_simulate(struct summary *summary, const struct simulate_summary *results)
{
    struct simulate_summary *total = &summary->simulate;

    total->present = true;
    total->clients += results->clients;
    total->connected += results->connected;
    total->published += results->published;
    total->acknowledged += results->acknowledged;
    total->received += results->received;
    total->failed += results->failed;
    total->abandoned += results->abandoned;
    total->lost += results->lost;
    total->duplicates += results->duplicates;
    total->reconnects += results->reconnects;
    /* The steps run one after the other: the time is their sum, the load the mean over it. */
    if (total->seconds + results->seconds > 0)
        total->cpu = (total->cpu * total->seconds + results->cpu * results->seconds) /
                     (total->seconds + results->seconds);
    total->seconds += results->seconds;
    total->saturated = total->saturated || results->saturated;
    histogram_merge(&total->connect, &results->connect);
    histogram_merge(&total->publish, &results->publish);
    histogram_merge(&total->end_to_end, &results->end_to_end);
    histogram_merge(&total->lag, &results->lag);
    for (const struct failure *failure = results->failures; failure; failure = failure->next)
        summary_add_failures(summary, &total->failures, failure);
}

void summary_add_threshold(struct summary *summary, const char *expression, double value, bool ok)
{
    struct threshold_summary *entry = arena_alloc(&summary->arena, sizeof(*entry));
    struct threshold_summary **end = &summary->thresholds;

    *entry = (struct threshold_summary){arena_string(&summary->arena, expression), value, ok, NULL};
    while (*end)
        end = &(*end)->next;
    *end = entry;
}

/* ------------------------------------------------------------------ text */

static void print_failures(
    const struct failure *failures, FILE *stream, const char *red, const char *plain)
{
    for (; failures; failures = failures->next) {
        fprintf(
            stream, "      %s%s%s ×%lld", red, failures->code, plain, (long long)failures->count);
        if (failures->first_client >= 0)
            fprintf(stream, ", first client %lld", (long long)failures->first_client);
        fprintf(stream, ": %s\n", failures->message);
    }
}

static void print_step(
    const struct step_summary *step, FILE *stream, const char *red, const char *plain)
{
    char name[128];

    snprintf(name, sizeof(name), "%s/%s", step->pipeline, step->step);
    fprintf(stream, "  %-28s %6lld of %lld", name, (long long)(step->ok + step->skipped),
        (long long)step->total);
    if (step->skipped && step->skipped == step->total)
        fprintf(stream, ", nothing to do");
    else if (step->skipped)
        fprintf(stream, ", %lld of them as they were", (long long)step->skipped);
    if (step->failed)
        fprintf(stream, ", %s%lld failed%s", red, (long long)step->failed, plain);
    if (step->retried)
        fprintf(stream, ", %lld retries", (long long)step->retried);
    if (step->throttled)
        fprintf(stream, ", %lld throttled", (long long)step->throttled);
    fprintf(stream, "  (%.1f s)\n", step->seconds);
    print_failures(step->failures, stream, red, plain);
}

static void print_latency(const char *name, const struct histogram *histogram, FILE *stream)
{
    if (histogram->count == 0)
        return;
    fprintf(stream, "      %-12s", name);
    for (size_t i = 0; i < QUANTILES; i++)
        if (i != 2)
            fprintf(stream, " %s %.1f ms ", quantiles[i].name,
                (double)histogram_quantile(histogram, quantiles[i].share) / 1e6);
    fprintf(stream, " max %.1f ms\n", (double)histogram->max / 1e6);
}

static void print_simulate(
    const struct simulate_summary *simulate, FILE *stream, const char *red, const char *plain)
{
    fprintf(stream,
        "      %lld clients, %lld connected, %lld published, %lld acknowledged, "
        "%lld received\n",
        (long long)simulate->clients, (long long)simulate->connected,
        (long long)simulate->published, (long long)simulate->acknowledged,
        (long long)simulate->received);
    if (simulate->failed || simulate->abandoned || simulate->lost)
        fprintf(stream, "      %s%lld failed, %lld abandoned, %lld lost%s, %lld reconnects\n", red,
            (long long)simulate->failed, (long long)simulate->abandoned, (long long)simulate->lost,
            plain, (long long)simulate->reconnects);
    else if (simulate->reconnects)
        fprintf(stream, "      %lld reconnects\n", (long long)simulate->reconnects);
    print_latency("connect", &simulate->connect, stream);
    print_latency("publish", &simulate->publish, stream);
    print_latency("end to end", &simulate->end_to_end, stream);
    if (simulate->saturated)
        fprintf(stream,
            "      %sgenerator saturated%s: this machine was the bottleneck, do not "
            "trust the latencies\n",
            red, plain);
    print_failures(simulate->failures, stream, red, plain);
}

void summary_print(const struct summary *summary, FILE *stream, bool color)
{
    const char *red = color ? "\033[31m" : "", *green = color ? "\033[32m" : "";
    const char *plain = color ? "\033[0m" : "";

    fprintf(stream, "%s: %s%s%s in %.1f s\n", summary->job, summary->exit_code ? red : green,
        summary->exit_code == 0    ? "done"
        : summary->exit_code == 99 ? "a threshold was crossed"
        : summary->exit_code > 128 ? "interrupted"
                                   : "failed",
        plain, (double)(clock_now() - summary->began) / (double)SECOND);
    for (const struct step_summary *step = summary->steps; step; step = step->next) {
        print_step(step, stream, red, plain);
        if (step->simulate && step->simulate->present)
            print_simulate(step->simulate, stream, red, plain);
    }
    for (const struct threshold_summary *entry = summary->thresholds; entry; entry = entry->next)
        fprintf(stream, "  threshold %s: %s%s%s (%g)\n", entry->expression, entry->ok ? green : red,
            entry->ok ? "ok" : "crossed", plain, entry->value);
}

/* ------------------------------------------------------------------ JSON */

static json_t *failures_json(const struct failure *failures)
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

static json_t *histogram_json(const struct histogram *histogram)
{
    json_t *object = json_object();

    for (size_t i = 0; i < QUANTILES; i++)
        json_object_set_new(object, quantiles[i].name,
            json_real((double)histogram_quantile(histogram, quantiles[i].share) / 1e9));
    json_object_set_new(object, "max", json_real((double)histogram->max / 1e9));
    return object;
}

static json_t *steps_json(const struct step_summary *step)
{
    json_t *list = json_array();

    for (; step; step = step->next)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:o}", "pipeline",
                      step->pipeline, "step", step->step, "scope", step->scope, "total",
                      (json_int_t)step->total, "ok", (json_int_t)step->ok, "failed",
                      (json_int_t)step->failed, "skipped", (json_int_t)step->skipped, "retried",
                      (json_int_t)step->retried, "throttled", (json_int_t)step->throttled,
                      "seconds", step->seconds, "errors", failures_json(step->failures)));
    return list;
}

static json_t *simulate_json(const struct simulate_summary *simulate)
{
    json_t *object = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "clients",
        (json_int_t)simulate->clients, "connected", (json_int_t)simulate->connected, "published",
        (json_int_t)simulate->published, "acknowledged", (json_int_t)simulate->acknowledged,
        "received", (json_int_t)simulate->received, "failed", (json_int_t)simulate->failed,
        "abandoned", (json_int_t)simulate->abandoned, "lost", (json_int_t)simulate->lost,
        "duplicates", (json_int_t)simulate->duplicates, "reconnects",
        (json_int_t)simulate->reconnects);

    json_object_set_new(object, "connect_seconds", histogram_json(&simulate->connect));
    json_object_set_new(object, "publish_seconds", histogram_json(&simulate->publish));
    json_object_set_new(object, "end_to_end_seconds", histogram_json(&simulate->end_to_end));
    json_object_set_new(object, "metrics", json_object());
    json_object_set_new(object, "errors", failures_json(simulate->failures));
    json_object_set_new(object, "generator",
        json_pack("{s:b, s:f, s:f}", "saturated", simulate->saturated, "cpu", simulate->cpu,
            "lag_p99_seconds", (double)histogram_quantile(&simulate->lag, 0.99) / 1e9));
    return object;
}

bool summary_write_json(const struct summary *summary, const char *path)
{
    json_t *root = json_pack("{s:s, s:s, s:s, s:f, s:i, s:o}", "job", summary->job, "version",
        IOTIFY_VERSION, "started", summary->started, "seconds",
        (double)(clock_now() - summary->began) / (double)SECOND, "exit", summary->exit_code,
        "steps", steps_json(summary->steps));
    json_t *thresholds = json_array();
    bool standard = strcmp(path, "-") == 0, done;
    FILE *stream;

    if (summary->simulate.present)
        json_object_set_new(root, "simulate", simulate_json(&summary->simulate));
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
