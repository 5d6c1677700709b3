/* SPDX-License-Identifier: Apache-2.0 */
#include "core/report/series.h"

#include <math.h>
#include <string.h>

#include "core/base/clock.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
/* More reasons than this are not named. */
#define REASONS_MAX 50

/* Counters and times of the period. */
static const enum tally_count series_counts[] = {TALLY_PUBLISHED, TALLY_ACKNOWLEDGED,
    TALLY_RECEIVED, TALLY_FAILED, TALLY_LOST, TALLY_DUPLICATES, TALLY_RECONNECTS, TALLY_CLOSED};
static const enum tally_time series_times[] = {TALLY_CONNECT, TALLY_PUBLISH, TALLY_END_TO_END,
    TALLY_SCRIPT, TALLY_LAG, TALLY_CONNECT_TCP, TALLY_CONNECT_TLS, TALLY_CONNECT_SESSION};
static const double series_shares[] = {0.5, 0.99, 1};
static const char *const series_share_names[] = {"p50", "p99", "max"};

const struct tally_name series_columns[] = {
    {"step",
        "name of the step: of a simulation its name in the summary, else as deploy/aws.device"},
    {"seconds", "time since the step began, at the end of the row's period"},
    {"connected", "connections that are open"},
    {"cpu", "cores in use by the generator in the period"},
    {"busy", "share of the period in which the busiest event loop is at work"},
    {"time", "wall-clock time of the row, UTC"},
    {"stage", "number of the stage, from 1"},
    {"intended_rate", "messages per second that the schedule asks for; empty with pacing: closed"},
    {"total", "of other steps than simulations: their devices"},
    {"done", "devices that are done since the step began, failed ones among them"},
    {"retried", "calls that were repeated since the step began"},
    {"throttled", "calls that were throttled since the step began"},
    {"reasons", "failures of the period by reason, as in Closed 3;Timeout 1"},
};
const size_t series_column_count = LENGTH(series_columns);

void series_header(struct iotify_buffer *out)
{
    iotify_buffer_string(out, "step,seconds,connected");
    for (size_t i = 0; i < LENGTH(series_counts); i++)
        iotify_buffer_format(out, ",%s", tally_counts[series_counts[i]].name);
    for (size_t i = 0; i < LENGTH(series_times); i++)
        for (size_t j = 0; j < LENGTH(series_shares); j++)
            iotify_buffer_format(
                out, ",%s_%s_seconds", tally_times[series_times[i]].name, series_share_names[j]);
    iotify_buffer_string(
        out, ",cpu,busy,time,stage,intended_rate,total,done,retried,throttled,reasons\n");
}

/* A text field; in quotes where it has to be. */
static void series_text(const char *text, struct iotify_buffer *out)
{
    if (text[strcspn(text, ",\"\r\n")] == '\0') {
        iotify_buffer_string(out, text);
        return;
    }
    iotify_buffer_char(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            iotify_buffer_char(out, '"');
        iotify_buffer_char(out, *text == '\n' || *text == '\r' ? ' ' : *text);
    }
    iotify_buffer_char(out, '"');
}

static void series_reasons(const struct tally *tally, struct iotify_buffer *out)
{
    const struct failure *failure = tally->failures;

    for (size_t i = 0; failure && i < REASONS_MAX; failure = failure->next, i++)
        iotify_buffer_format(
            out, "%s%s %lld", i ? ";" : "", failure->code, (long long)failure->count);
}

/* What a simulation has measured, up to the column `busy`; nothing for other steps. */
static void series_simulation(const struct live *live, struct iotify_buffer *out)
{
    const struct tally *tally = live->last;

    if (tally)
        iotify_buffer_format(out, ",%lld", (long long)live->connected);
    else
        iotify_buffer_char(out, ',');
    for (size_t i = 0; i < LENGTH(series_counts); i++) {
        iotify_buffer_char(out, ',');
        if (tally)
            iotify_buffer_format(out, "%lld", (long long)tally->counts[series_counts[i]]);
    }
    for (size_t i = 0; i < LENGTH(series_times); i++)
        for (size_t j = 0; j < LENGTH(series_shares); j++) {
            iotify_buffer_char(out, ',');
            /* Nothing was measured: an empty field, not a zero. */
            if (tally && tally->times[series_times[i]].count)
                iotify_buffer_format(out, "%.6f",
                    (double)histogram_quantile(&tally->times[series_times[i]], series_shares[j]) /
                        SECOND);
        }
    if (tally)
        iotify_buffer_format(out, ",%.3f,%.3f", live->cpu, live->busy);
    else
        iotify_buffer_string(out, ",,");
}

void series_row(const struct live *live, struct iotify_buffer *out)
{
    char wall[32];

    series_text(live->step, out);
    iotify_buffer_format(out, ",%.3f", live->seconds);
    series_simulation(live, out);
    clock_wall(wall, sizeof(wall));
    iotify_buffer_format(out, ",%s,", wall);
    if (live->stage)
        iotify_buffer_format(out, "%zu", live->stage);
    iotify_buffer_char(out, ',');
    if (live->intended_rate >= 0)
        iotify_buffer_format(out, "%.6g", live->intended_rate);
    if (live->last) {
        iotify_buffer_string(out, ",,,,,");
        series_reasons(live->last, out);
    } else {
        iotify_buffer_format(out, ",%lld,%lld,%lld,%lld,", (long long)live->total,
            (long long)live->done, (long long)live->retried, (long long)live->throttled);
    }
    iotify_buffer_char(out, '\n');
}
