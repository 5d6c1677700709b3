/* SPDX-License-Identifier: Apache-2.0 */
#include "core/report/live.h"

#include <string.h>

#include "core/base/clock.h"

static double live_rate(const struct live *live, enum tally_count count)
{
    return live->period > 0 ? (double)live->last->counts[count] / live->period : 0;
}

static double live_quantile(const struct tally *tally, enum tally_time time, double share)
{
    return (double)histogram_quantile(&tally->times[time], share) / SECOND;
}

/* ------------------------------------------------------------------ progress line */

void live_line(const struct live *live, struct iotify_buffer *out)
{
    const struct failure *failure = live->total->failures;

    iotify_buffer_format(out, "%lld connected  out %.0f/s  in %.0f/s", (long long)live->connected,
        live_rate(live, TALLY_PUBLISHED), live_rate(live, TALLY_RECEIVED));
    if (live->last->times[TALLY_PUBLISH].count)
        iotify_buffer_format(out, "  publish p50 %.1f p99 %.1f ms",
            live_quantile(live->last, TALLY_PUBLISH, 0.5) * 1e3,
            live_quantile(live->last, TALLY_PUBLISH, 0.99) * 1e3);
    if (live->last->times[TALLY_END_TO_END].count)
        iotify_buffer_format(out, "  end to end p99 %.1f ms",
            live_quantile(live->last, TALLY_END_TO_END, 0.99) * 1e3);
    if (live->last->times[TALLY_LAG].count)
        iotify_buffer_format(
            out, "  lag p99 %.1f ms", live_quantile(live->last, TALLY_LAG, 0.99) * 1e3);
    iotify_buffer_format(out, "  cpu %.0f%%", live->cpu * 100);
    for (size_t shown = 0; failure && shown < 3; failure = failure->next, shown++)
        iotify_buffer_format(out, "  %s %lld", failure->code, (long long)failure->count);
    if (failure)
        iotify_buffer_string(out, "  …");
}

/* ------------------------------------------------------------------ Prometheus */

/* Escape a label value of the Prometheus text format. */
static void live_label(const char *text, struct iotify_buffer *out)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            iotify_buffer_char(out, '\\');
        iotify_buffer_char(out, *text == '\n' ? ' ' : *text);
    }
}

static void live_labels(
    const struct live *live, const char *name, const char *value, struct iotify_buffer *out)
{
    iotify_buffer_string(out, "{job_name=\"");
    live_label(live->job, out);
    iotify_buffer_string(out, "\",step=\"");
    live_label(live->step, out);
    if (name) {
        iotify_buffer_format(out, "\",%s=\"", name);
        live_label(value, out);
    }
    iotify_buffer_string(out, "\"}");
}

static void live_head(const char *name, const char *suffix, const char *type, const char *help,
    struct iotify_buffer *out)
{
    iotify_buffer_format(out, "# HELP iotifyd_%s%s %s\n# TYPE iotifyd_%s%s %s\n", name, suffix,
        help, name, suffix, type);
}

static void live_gauge(const struct live *live, const char *name, const char *help, double value,
    struct iotify_buffer *out)
{
    live_head(name, "", "gauge", help, out);
    iotify_buffer_format(out, "iotifyd_%s", name);
    live_labels(live, NULL, NULL, out);
    iotify_buffer_format(out, " %.15g\n", value);
}

static void live_times(const struct live *live, enum tally_time time, struct iotify_buffer *out)
{
    const struct histogram *histogram = &live->total->times[time];
    const char *name = tally_times[time].name;
    char share[16];

    live_head(name, "_seconds", "summary", tally_times[time].meaning, out);
    for (size_t i = 0; i < tally_quantile_count && histogram->count; i++) {
        snprintf(share, sizeof(share), "%g", tally_quantiles[i].share);
        iotify_buffer_format(out, "iotifyd_%s_seconds", name);
        live_labels(live, "quantile", share, out);
        iotify_buffer_format(
            out, " %.9g\n", live_quantile(live->total, time, tally_quantiles[i].share));
    }
    iotify_buffer_format(out, "iotifyd_%s_seconds_sum", name);
    live_labels(live, NULL, NULL, out);
    iotify_buffer_format(out, " %.9g\niotifyd_%s_seconds_count", histogram->sum / SECOND, name);
    live_labels(live, NULL, NULL, out);
    iotify_buffer_format(out, " %lld\n", (long long)histogram->count);
}

static bool live_has_code(const struct failure *failure, const char *code)
{
    return strcmp(failure->code, code) == 0;
}

/* One number per reason, summed over all locations in scripts. */
static void live_failures(
    const struct live *live, const struct failure *failure, struct iotify_buffer *out)
{
    const char *code = failure->code;
    int64_t count = 0;

    for (const struct failure *each = live->total->failures; each && each != failure;
         each = each->next)
        if (live_has_code(each, code))
            return;
    for (const struct failure *each = failure; each; each = each->next)
        count += live_has_code(each, code) ? each->count : 0;
    iotify_buffer_string(out, "iotifyd_failures_total");
    live_labels(live, "reason", code, out);
    iotify_buffer_format(out, " %lld\n", (long long)count);
}

void live_metrics(const struct live *live, struct iotify_buffer *out)
{
    live_gauge(live, "connections", "connections that are open", (double)live->connected, out);
    live_gauge(live, "cpu", "cores in use by the generator", live->cpu, out);
    live_gauge(
        live, "busy", "share of its time that the busiest event loop is at work", live->busy, out);
    for (size_t i = 0; i < TALLY_COUNTS; i++) {
        live_head(tally_counts[i].name, "_total", "counter", tally_counts[i].meaning, out);
        iotify_buffer_format(out, "iotifyd_%s_total", tally_counts[i].name);
        live_labels(live, NULL, NULL, out);
        iotify_buffer_format(out, " %lld\n", (long long)live->total->counts[i]);
    }
    for (size_t i = 0; i < TALLY_TIMES; i++)
        live_times(live, (enum tally_time)i, out);
    live_head("failures", "_total", "counter", "failures by reason", out);
    for (const struct failure *each = live->total->failures; each; each = each->next)
        live_failures(live, each, out);
    live_head("metric", "_sum", "gauge", "sums of the scripts' own metrics", out);
    for (const struct tally_metric *each = live->total->metrics; each; each = each->next) {
        iotify_buffer_string(out, "iotifyd_metric_sum");
        live_labels(live, "name", each->name, out);
        iotify_buffer_format(out, " %.15g\n", each->sum);
    }
    live_head("metric", "_count", "counter", "values of the scripts' own metrics", out);
    for (const struct tally_metric *each = live->total->metrics; each; each = each->next) {
        iotify_buffer_string(out, "iotifyd_metric_count");
        live_labels(live, "name", each->name, out);
        iotify_buffer_format(out, " %.15g\n", each->count);
    }
}
