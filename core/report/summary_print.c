/* SPDX-License-Identifier: Apache-2.0 */
/* The summary as text. */
#include <math.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/report/quantity.h"
#include "core/report/summary.h"

static void summary_print_failures(
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

static void summary_print_step(
    const struct step_summary *step, FILE *stream, const char *red, const char *plain)
{
    int width = fprintf(stream, "  %s/%s", step->pipeline, step->name);

    fprintf(stream, "%*s %6lld of %lld", width < 30 ? 30 - width : 0, "",
        (long long)(step->ok + step->repaired + step->unchanged), (long long)step->total);
    if (step->unchanged && step->unchanged == step->total)
        fprintf(stream, " up to date");
    else if (step->unchanged)
        fprintf(stream, ", %lld of them up to date", (long long)step->unchanged);
    if (step->repaired)
        fprintf(stream, ", %lld repaired", (long long)step->repaired);
    if (step->failed)
        fprintf(stream, ", %s%lld failed%s", red, (long long)step->failed, plain);
    if (step->skipped)
        fprintf(stream, ", %lld not begun", (long long)step->skipped);
    if (step->retried)
        fprintf(stream, ", %lld retries", (long long)step->retried);
    if (step->throttled)
        fprintf(stream, ", %lld throttled", (long long)step->throttled);
    fprintf(stream, "  (%.1f s)\n", step->seconds);
    summary_print_failures(step->failures, stream, red, plain);
}

/* Right-aligned; in the terminal a character takes one column, however many bytes it has. */
static void summary_print_cell(const char *text, FILE *stream)
{
    int width = 10;

    for (const char *at = text; *at; at++)
        width -= ((unsigned char)*at & 0xc0) != 0x80;
    fprintf(stream, "%*s%s", width > 1 ? width : 1, "", text);
}

static void summary_print_seconds(double seconds, FILE *stream)
{
    char text[QUANTITY_SIZE];

    quantity_time(seconds, text);
    summary_print_cell(text, stream);
}

static void summary_print_times(const struct tally *tally, FILE *stream)
{
    static const struct {
        const char *name;
        enum tally_time time;
    } shown[] = {{"connect", TALLY_CONNECT}, {"  tcp", TALLY_CONNECT_TCP},
        {"  tls", TALLY_CONNECT_TLS}, {"  session", TALLY_CONNECT_SESSION},
        {"publish", TALLY_PUBLISH}, {"end to end", TALLY_END_TO_END}};
    static const double shares[] = {0.5, 0.9, 0.95, 0.99};
    static const char *const heads[] = {"mean", "p50", "p90", "p95", "p99", "max"};
    bool headed = false;

    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        const struct histogram *histogram = &tally->times[shown[i].time];

        if (histogram->count == 0)
            continue;
        for (size_t j = 0; !headed && j < sizeof(heads) / sizeof(heads[0]); j++) {
            fprintf(stream, "%s", j ? "" : "                ");
            summary_print_cell(heads[j], stream);
        }
        fprintf(stream, "%s      %-10s", headed ? "" : "\n", shown[i].name);
        headed = true;
        summary_print_seconds(histogram->sum / (double)histogram->count / SECOND, stream);
        for (size_t j = 0; j < sizeof(shares) / sizeof(shares[0]); j++)
            summary_print_seconds(
                (double)histogram_quantile(histogram, shares[j]) / SECOND, stream);
        summary_print_seconds((double)histogram->max / SECOND, stream);
        fputc('\n', stream);
    }
}

/* "980 published (95.1/s, 12.1 kB/s)" */
static void summary_print_rates(const struct simulate_summary *simulate, enum tally_count messages,
    enum tally_count bytes, FILE *stream)
{
    const int64_t *counts = simulate->tally.counts;
    char rate[QUANTITY_SIZE], volume[QUANTITY_SIZE];

    fprintf(stream, "%lld %s", (long long)counts[messages], tally_counts[messages].name);
    if (counts[messages] == 0 || simulate->seconds <= 0)
        return;
    quantity_rate((double)counts[messages] / simulate->seconds, rate);
    quantity_bytes((double)counts[bytes] / simulate->seconds, volume);
    fprintf(stream, " (%s, %s/s)", rate, volume);
}

static void summary_print_messages(const struct simulate_summary *simulate, FILE *stream)
{
    const int64_t *counts = simulate->tally.counts;
    char share[QUANTITY_SIZE];

    quantity_share((double)counts[TALLY_CONNECTED], (double)counts[TALLY_CLIENTS], share);
    fprintf(stream, "      %lld clients, %lld connected%s\n      ",
        (long long)counts[TALLY_CLIENTS], (long long)counts[TALLY_CONNECTED], share);
    summary_print_rates(simulate, TALLY_PUBLISHED, TALLY_BYTES_OUT, stream);
    quantity_share((double)counts[TALLY_ACKNOWLEDGED], (double)counts[TALLY_PUBLISHED], share);
    fprintf(stream, ", %lld acknowledged%s, ", (long long)counts[TALLY_ACKNOWLEDGED], share);
    summary_print_rates(simulate, TALLY_RECEIVED, TALLY_BYTES_IN, stream);
    fputc('\n', stream);
}

/* Counters that are zero in most runs: printed only when they are not. */
static void summary_print_counts(const struct tally *tally, const enum tally_count *which,
    size_t count, const char *color, const char *plain, FILE *stream)
{
    const char *separator = "      ";
    const double published = (double)tally->counts[TALLY_PUBLISHED];
    const double intended =
        published + (double)(tally->counts[TALLY_FAILED] + tally->counts[TALLY_DROPPED] +
                             tally->counts[TALLY_SKIPPED] + tally->counts[TALLY_ABANDONED]);
    char share[QUANTITY_SIZE] = "";

    for (size_t i = 0; i < count; i++) {
        if (tally->counts[which[i]] == 0)
            continue;
        if (which[i] != TALLY_RECONNECTS && which[i] != TALLY_RESUMED)
            quantity_share((double)tally->counts[which[i]],
                which[i] == TALLY_FAILED || which[i] == TALLY_DROPPED ||
                        which[i] == TALLY_SKIPPED || which[i] == TALLY_ABANDONED
                    ? intended
                    : published,
                share);
        fprintf(stream, "%s%s%lld %s%s%s", separator, color, (long long)tally->counts[which[i]],
            tally_counts[which[i]].name, share, plain);
        share[0] = '\0';
        separator = ", ";
    }
    if (*separator == ',')
        fprintf(stream, "\n");
}

static void summary_print_devices(const struct tally *tally, FILE *stream)
{
    size_t shown = 0;

    for (const struct tally_device *device = tally->devices; device; device = device->next) {
        if (!device->lost && !device->duplicates && !device->reordered && !device->late)
            continue;
        if (++shown > 5) {
            fprintf(stream, "      and further clients; --json has more of them\n");
            return;
        }
        fprintf(stream, "      client %lld: %u lost, %u duplicates, %u reordered, %u late\n",
            (long long)device->client, device->lost, device->duplicates, device->reordered,
            device->late);
    }
}

static void summary_print_metrics(const struct tally *tally, FILE *stream)
{
    for (const struct tally_metric *metric = tally->metrics; metric; metric = metric->next)
        fprintf(stream, "      %-12s count %.0f  sum %g  mean %g  min %g  p50 %g  p99 %g  max %g\n",
            metric->name, metric->count, metric->sum, metric->sum / metric->count, metric->min,
            tally_metric_quantile(metric, 0.5), tally_metric_quantile(metric, 0.99), metric->max);
}

static void summary_print_stage(const struct stage_summary *stage, size_t number, FILE *stream)
{
    char share[QUANTITY_SIZE], time[QUANTITY_SIZE];

    quantity_share((double)stage->reached, (double)stage->intended, share);
    quantity_time(stage->seconds, time);
    fprintf(stream, "      stage %zu%s%s, %s: %lld of %lld %s%s\n", number, stage->name ? " " : "",
        stage->name ? stage->name : "", time, (long long)stage->reached, (long long)stage->intended,
        stage->clients ? "clients" : "messages", share);
}

static void summary_print_simulate(
    const struct simulate_summary *simulate, FILE *stream, const char *red, const char *plain)
{
    static const enum tally_count bad[] = {TALLY_FAILED, TALLY_ABANDONED, TALLY_DROPPED,
        TALLY_SKIPPED, TALLY_LOST, TALLY_DUPLICATES, TALLY_REORDERED, TALLY_LATE};
    static const enum tally_count notable[] = {
        TALLY_RECONNECTS, TALLY_RESENT, TALLY_RESUMED, TALLY_VERIFIED};
    const struct tally *tally = &simulate->tally;

    summary_print_messages(simulate, stream);
    summary_print_counts(tally, bad, sizeof(bad) / sizeof(bad[0]), red, plain, stream);
    summary_print_counts(tally, notable, sizeof(notable) / sizeof(notable[0]), "", "", stream);
    summary_print_times(tally, stream);
    summary_print_metrics(tally, stream);
    for (size_t i = 0; i < simulate->stage_count; i++)
        summary_print_stage(&simulate->stages[i], i + 1, stream);
    if (simulate->glob.blocking)
        fprintf(stream, "      glob: scripts waited %lld times for the store, %.3f s in all\n",
            (long long)simulate->glob.blocking, simulate->glob.blocking_seconds);
    if (simulate->glob.failed)
        fprintf(stream, "      %sglob: %lld writes are not in the store%s: %s\n", red,
            (long long)simulate->glob.failed, plain, simulate->glob.error);
    if (simulate->saturated)
        fprintf(stream,
            "      %sgenerator saturated%s: this machine was the bottleneck (own delay p99 "
            "%.1f ms, busiest loop %.0f%%); do not trust the latencies\n",
            red, plain, (double)histogram_quantile(&tally->times[TALLY_LAG], 0.99) / 1e6,
            simulate->busy * 100);
    summary_print_devices(tally, stream);
    summary_print_failures(tally->failures, stream, red, plain);
}

/* ------------------------------------------------------------------ the verdict */

bool summary_verdict_of_step(const struct step_summary *step, struct iotify_buffer *out)
{
    const struct failure *failure = step->failures;

    if (!step->failed && !failure)
        return false;
    iotify_buffer_format(out, "FAILED: %s/%s", step->pipeline, step->name);
    if (step->total > 1 && step->failed)
        iotify_buffer_format(
            out, ": %lld of %lld", (long long)step->failed, (long long)step->total);
    if (failure)
        iotify_buffer_format(out, ": %s: %s", failure->code, failure->message);
    else if (step->simulate)
        iotify_buffer_string(out, " never connected");
    return true;
}

void summary_value_of_threshold(const struct threshold_summary *threshold, char *text)
{
    if (threshold->is_time)
        quantity_time(threshold->value, text);
    else
        snprintf(text, QUANTITY_SIZE,
            threshold->value == floor(threshold->value) ? "%.15g" : "%.4g", threshold->value);
}

bool summary_verdict_of_threshold(
    const struct threshold_summary *threshold, struct iotify_buffer *out)
{
    char value[QUANTITY_SIZE];

    if (threshold->ok)
        return false;
    iotify_buffer_string(out, "FAILED: ");
    if (threshold->is_one_of_several)
        iotify_buffer_format(out, "%s: ", threshold->simulate->name);
    iotify_buffer_format(out, "%s does not hold: ", threshold->expression);
    summary_value_of_threshold(threshold, value);
    iotify_buffer_string(out, *threshold->why ? threshold->why : value);
    return true;
}

void summary_verdict(const struct summary *summary, struct iotify_buffer *out)
{
    const struct step_summary *step = summary->steps;
    const struct threshold_summary *threshold = summary->thresholds;
    int64_t devices = 0, held = 0;

    if (summary->exit_code > 128) {
        iotify_buffer_format(out, "FAILED: interrupted by signal %d", summary->exit_code - 128);
        return;
    }
    while (step && !(summary->exit_code && summary_verdict_of_step(step, out))) {
        if (step->scope && strcmp(step->scope, "device") == 0)
            devices = step->total > devices ? step->total : devices;
        step = step->next;
    }
    if (step)
        return;
    for (; threshold; threshold = threshold->next, held++)
        if (summary->exit_code == SUMMARY_CROSSED && summary_verdict_of_threshold(threshold, out))
            return;
    if (summary->exit_code) {
        iotify_buffer_format(out, "FAILED: %s", summary->reason ? summary->reason : "see the log");
        return;
    }
    iotify_buffer_string(out, "PASSED: all steps done");
    if (devices)
        iotify_buffer_format(out, ", %lld devices", (long long)devices);
    if (summary->simulate.tally.counts[TALLY_CONNECTED])
        iotify_buffer_format(out, ", %lld messages acknowledged",
            (long long)summary->simulate.tally.counts[TALLY_ACKNOWLEDGED]);
    if (held)
        iotify_buffer_format(out, ", %lld thresholds held", (long long)held);
}

static void summary_print_threshold(
    const struct threshold_summary *threshold, FILE *stream, const char *color, const char *plain)
{
    char value[QUANTITY_SIZE];

    fprintf(stream, "  threshold %s%s%s: %s%s%s", threshold->expression,
        threshold->is_one_of_several ? " of " : "",
        threshold->is_one_of_several ? threshold->simulate->name : "", color,
        threshold->ok ? "ok" : "crossed", plain);
    summary_value_of_threshold(threshold, value);
    if (isnan(threshold->value))
        fprintf(stream, " (%s)\n", threshold->why);
    else
        fprintf(stream, " (%s)%s%s\n", value, *threshold->why ? ": " : "", threshold->why);
}

void summary_print(const struct summary *summary, FILE *stream, bool color)
{
    const char *red = color ? "\033[31m" : "", *green = color ? "\033[32m" : "";
    const char *plain = color ? "\033[0m" : "";
    struct iotify_buffer verdict;

    fprintf(stream, "%s: %s%s%s in %.1f s\n", summary->job, summary->exit_code ? red : green,
        summary->exit_code == 0                 ? "done"
        : summary->exit_code == SUMMARY_CROSSED ? "a threshold was crossed"
        : summary->exit_code > 128              ? "interrupted"
                                                : "failed",
        plain, summary->seconds);
    for (const struct step_summary *step = summary->steps; step; step = step->next) {
        summary_print_step(step, stream, red, plain);
        if (step->simulate && step->simulate->present)
            summary_print_simulate(step->simulate, stream, red, plain);
    }
    for (const struct threshold_summary *entry = summary->thresholds; entry; entry = entry->next)
        summary_print_threshold(entry, stream, entry->ok ? green : red, plain);
    iotify_buffer_init(&verdict, SUMMARY_VERDICT_MAX);
    summary_verdict(summary, &verdict);
    fprintf(
        stream, "%s%s%s\n", summary->exit_code ? red : green, iotify_buffer_text(&verdict), plain);
    iotify_buffer_clear(&verdict);
}
