/* SPDX-License-Identifier: Apache-2.0 */
#include "core/output/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/stop.h"
#include "core/output/html_report.h"
#include "core/output/metrics.h"
#include "core/report/series.h"

#define LINGER_TICK (50 * MILLISECOND)
/* Buckets of a histogram that become one on the live page, which shows 20 per power of ten. */
#define LIVE_WIDTH 32
#define METRICS_MAX (4u << 20)
#define STATE_MAX (64u << 20)
#define ROW_MAX (64u << 10)
/* The series of a day. */
#define ROWS_MAX (32u << 20)

/* ------------------------------------------------------------------ open */

static bool output_open_file(const char *path, FILE **file, char *what, size_t size)
{
    if (!path)
        return true;
    *file = fopen(path, "we");
    if (*file)
        return true;
    snprintf(what, size, "cannot write %s", path);
    return false;
}

/* A port that could not be opened: is it the option, or the system? */
static enum output_error output_refuse(
    const char *option, const char *value, char *what, size_t size)
{
    snprintf(what, size, "%s %s", option, value);
    return errno && errno != ERANGE ? OUTPUT_FAILED : OUTPUT_BAD_OPTION;
}

static enum output_error output_open_ports(
    struct output *output, char *what, size_t size, const char **why)
{
    const struct output_options *options = &output->options;

    if (options->metrics_port) {
        output->exporter = exporter_open(options->metrics_port, why);
        if (!output->exporter)
            return output_refuse("--metrics-port", options->metrics_port, what, size);
    }
    if (options->dashboard_port) {
        output->dashboard = dashboard_open(options->dashboard_port, why);
        if (!output->dashboard)
            return output_refuse("--dashboard-port", options->dashboard_port, what, size);
    }
    return OUTPUT_OK;
}

enum output_error output_open(struct output *output, const struct output_options *options,
    char *what, size_t size, const char **why)
{
    enum output_error error;

    *output = (struct output){.options = *options};
    if (options->json && strcmp(options->json, "-") == 0)
        output->json = stdout;
    iotify_buffer_init(&output->rows, ROWS_MAX);
    iotify_buffer_init(&output->new_rows, ROW_MAX);
    iotify_buffer_init(&output->new_metrics, METRICS_MAX);
    iotify_buffer_init(&output->new_state, STATE_MAX);
    error = output_open_ports(output, what, size, why);
    if (error != OUTPUT_OK)
        return error;
    if (output_open_file(options->series, &output->series, what, size) &&
        output_open_file(options->report, &output->report, what, size) &&
        output_open_file(options->junit, &output->junit, what, size) &&
        (output->json || output_open_file(options->json, &output->json, what, size)))
        return OUTPUT_OK;
    *why = strerror(errno);
    return OUTPUT_FAILED;
}

/* ------------------------------------------------------------------ while it runs */

static void output_take_row(struct output *output, const struct live *live)
{
    struct iotify_buffer *row = &output->new_rows;

    iotify_buffer_reset(row);
    if (!output->series && !output->report && !output->dashboard)
        return;
    if (!output->headed)
        series_header(row);
    series_row(live, row);
    if (row->failed)
        iotify_buffer_reset(row);
    output->headed = output->headed || row->size > 0;
}

/* What the live page shows: the summary as it is now, and what is running. */
static void output_take_state(struct output *output, const struct live *live)
{
    json_t *root;
    char *text;

    iotify_buffer_reset(&output->new_state);
    if (!output->dashboard || !output->summary || !dashboard_is_watched(output->dashboard))
        return;
    root = json_pack("{s:o}", "summary", summary_to_json(output->summary, live ? LIVE_WIDTH : 1));
    if (live)
        json_object_set_new(root, "running",
            json_pack("{s:s, s:f, s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:s, s:f, s:f}", "step",
                live->step, "seconds", live->seconds, "unit", live->unit, "ends", live->ends,
                "total", (json_int_t)live->total, "done", (json_int_t)live->done, "failed",
                (json_int_t)live->failed, "retried", (json_int_t)live->retried, "throttled",
                (json_int_t)live->throttled, "operation", live->operation ? live->operation : "",
                "rate", live->rate, "seconds_left", live->seconds_left));
    text = json_dumps(root, JSON_COMPACT);
    if (text)
        iotify_buffer_string(&output->new_state, text);
    free(text);
    json_decref(root);
}

void output_begin(struct output *output, const struct summary *summary)
{
    output->summary = summary;
    if (!output->exporter)
        return;
    metrics_write(summary, NULL, &output->new_metrics);
    exporter_set(output->exporter, &output->new_metrics);
}

void output_take(struct output *output, const struct live *live)
{
    output_take_row(output, live);
    output_take_state(output, live);
    iotify_buffer_reset(&output->new_metrics);
    if (output->exporter && output->summary)
        metrics_write(output->summary, live, &output->new_metrics);
}

static void output_send_rows(struct output *output)
{
    const struct iotify_buffer *rows = &output->new_rows;

    if (output->report)
        iotify_buffer_append(&output->rows, rows->data, rows->size);
    if (output->dashboard)
        dashboard_add_rows(output->dashboard, rows->data, rows->size);
    if (!output->series || output->broken)
        return;
    if (fwrite(rows->data, 1, rows->size, output->series) == rows->size &&
        fflush(output->series) == 0)
        return;
    output->broken = true;
    log_write(IOTIFY_LOG_ERROR, "", "cannot write %s: %m", output->options.series);
}

static void output_send_state(struct output *output)
{
    if (output->new_state.size && !output->new_state.failed)
        dashboard_set_state(output->dashboard, output->new_state.data);
}

void output_send(struct output *output)
{
    if (output->new_rows.size)
        output_send_rows(output);
    output_send_state(output);
    if (output->exporter && output->new_metrics.size && !output->new_metrics.failed)
        exporter_set(output->exporter, &output->new_metrics);
}

bool output_end_live(struct output *output)
{
    if (output->series && fclose(output->series) != 0 && !output->broken) {
        output->broken = true;
        log_write(IOTIFY_LOG_ERROR, "", "cannot write %s: %m", output->options.series);
    }
    output->series = NULL;
    return !output->broken;
}

/* ------------------------------------------------------------------ at the end */

static bool output_write_report(struct output *output, const struct summary *summary, FILE *stream)
{
    struct html_report_source source = {.summary = summary_to_json(summary, 1),
        .series = iotify_buffer_text(&output->rows),
        .note = output->rows.failed ? "The series is longer than a report can hold." : NULL};
    struct html_report report;
    const char *error;
    bool good = html_report_make(&source, &report, &error);

    if (!good)
        log_write(IOTIFY_LOG_ERROR, summary->job, "cannot make the report: %s", error);
    errno = EINVAL;
    good = good && html_report_write(&report, stream);
    if (good)
        log_write(IOTIFY_LOG_INFO, summary->job, "the report is in %s", output->options.report);
    html_report_clear(&report);
    json_decref(source.summary);
    return good;
}

static bool output_write_junit(struct output *output, const struct summary *summary, FILE *stream)
{
    (void)output;
    return summary_write_junit(summary, stream);
}

static bool output_write_json(struct output *output, const struct summary *summary, FILE *stream)
{
    (void)output;
    return summary_write_json(summary, stream);
}

/* One of the files that the summary goes to. */
struct output_target {
    FILE *stream;
    const char *path;
    bool (*write)(struct output *output, const struct summary *summary, FILE *stream);
    bool regular; /* can be written again */
    bool written;
};

static bool output_is_regular(FILE *stream)
{
    struct stat about;

    return stream && stream != stdout && fstat(fileno(stream), &about) == 0 &&
           S_ISREG(about.st_mode);
}

/* Write the summary to one of the files. False when that fails. */
static bool output_write_one(
    struct output *output, struct summary *summary, struct output_target *target)
{
    target->written = target->write(output, summary, target->stream);
    if (target->written)
        return true;
    log_write(IOTIFY_LOG_ERROR, summary->job,
        "cannot write the summary to %s: %m; name another file", target->path);
    if (summary->exit_code == 0 || summary->exit_code == SUMMARY_CROSSED)
        summary->exit_code = SUMMARY_STEP_FAILED;
    if (!summary->reason)
        summary->reason =
            arena_format(&summary->arena, "cannot write the summary to %s", target->path);
    return false;
}

/* Write it; after a failure the verdict is another one, also in what was written before. */
static void output_write_target(struct output *output, struct summary *summary,
    struct output_target *targets, size_t count, struct output_target *target)
{
    if (!target->stream || output_write_one(output, summary, target))
        return;
    for (size_t i = 0; i < count; i++)
        if (targets[i].written && targets[i].regular &&
            fseek(targets[i].stream, 0, SEEK_SET) == 0 &&
            ftruncate(fileno(targets[i].stream), 0) == 0)
            output_write_one(output, summary, &targets[i]);
}

void output_write(struct output *output, struct summary *summary)
{
    const struct output_options *options = &output->options;
    struct output_target targets[] = {
        {.stream = output->json, .path = options->json, .write = output_write_json},
        {.stream = output->junit, .path = options->junit, .write = output_write_junit},
        {.stream = output->report, .path = options->report, .write = output_write_report}};
    const size_t count = sizeof(targets) / sizeof(targets[0]);

    /* What cannot be written again comes last, and of that the summary itself. */
    for (size_t i = 0; i < count; i++) {
        targets[i].regular = output_is_regular(targets[i].stream);
        if (targets[i].regular)
            output_write_target(output, summary, targets, count, &targets[i]);
    }
    for (size_t i = count; i-- > 0;)
        if (!targets[i].regular)
            output_write_target(output, summary, targets, count, &targets[i]);
    output_take_state(output, NULL);
    output_send_state(output);
    dashboard_close(output->dashboard);
    output->dashboard = NULL;
}

void output_linger(struct output *output, const struct summary *summary)
{
    const struct timespec tick = {.tv_nsec = LINGER_TICK};
    int64_t until = clock_now() + output->options.metrics_linger;

    if (!output->exporter || output->options.metrics_linger == 0 || stop_requested())
        return;
    iotify_buffer_reset(&output->new_metrics);
    metrics_write(summary, NULL, &output->new_metrics);
    if (!output->new_metrics.failed)
        exporter_set(output->exporter, &output->new_metrics);
    log_write(IOTIFY_LOG_INFO, summary->job, "the metrics stay for %.15g s",
        (double)output->options.metrics_linger / SECOND);
    while (clock_now() < until && !stop_requested())
        nanosleep(&tick, NULL);
}

void output_close(struct output *output)
{
    FILE *const files[] = {output->series, output->report, output->junit, output->json};

    exporter_close(output->exporter);
    dashboard_close(output->dashboard);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (files[i] && files[i] != stdout)
            fclose(files[i]);
    iotify_buffer_clear(&output->rows);
    iotify_buffer_clear(&output->new_rows);
    iotify_buffer_clear(&output->new_metrics);
    iotify_buffer_clear(&output->new_state);
    *output = (struct output){0};
}
