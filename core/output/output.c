/* SPDX-License-Identifier: Apache-2.0 */
#include "core/output/output.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/output/html_report.h"
#include "core/report/series.h"

#define METRICS_MAX (4u << 20)
#define ROW_MAX (64u << 10)
/* The series of five days. */
#define ROWS_MAX (128u << 20)

/* ------------------------------------------------------------------ open */

static bool output_open_file(const char *path, FILE **file, char *what, size_t size)
{
    if (!path)
        return true;
    *file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (*file)
        return true;
    snprintf(what, size, "cannot write %s", path);
    return false;
}

static enum output_error output_open_exporter(
    struct output *output, char *what, size_t size, const char **why)
{
    if (!output->options.metrics_port)
        return OUTPUT_OK;
    errno = 0;
    output->exporter = exporter_open(output->options.metrics_port, why);
    snprintf(what, size, "--metrics-port %s", output->options.metrics_port);
    return output->exporter ? OUTPUT_OK : errno ? OUTPUT_FAILED : OUTPUT_BAD_OPTION;
}

enum output_error output_open(struct output *output, const struct output_options *options,
    char *what, size_t size, const char **why)
{
    enum output_error error;

    *output = (struct output){.options = *options};
    iotify_buffer_init(&output->rows, ROWS_MAX);
    error = output_open_exporter(output, what, size, why);
    if (error != OUTPUT_OK)
        return error;
    if (output_open_file(options->series, &output->series, what, size) &&
        output_open_file(options->report, &output->report, what, size) &&
        output_open_file(options->junit, &output->junit, what, size) &&
        output_open_file(options->json, &output->json, what, size))
        return OUTPUT_OK;
    *why = strerror(errno);
    return OUTPUT_FAILED;
}

/* ------------------------------------------------------------------ while it runs */

static void output_write_row(struct output *output, const struct iotify_buffer *row)
{
    FILE *file = output->series;

    if (output->report)
        iotify_buffer_append(&output->rows, row->data, row->size);
    if (!file || output->broken)
        return;
    if (fwrite(row->data, 1, row->size, file) == row->size && fflush(file) == 0)
        return;
    output->broken = true;
    log_write(IOTIFY_ERROR, "", "cannot write %s: %m", output->options.series);
}

static void output_add_row(struct output *output, const struct live *live)
{
    struct iotify_buffer row;

    if (!output->series && !output->report)
        return;
    iotify_buffer_init(&row, ROW_MAX);
    if (!output->headed)
        series_header(&row);
    series_row(live, &row);
    if (!row.failed) {
        output->headed = true;
        output_write_row(output, &row);
    }
    iotify_buffer_clear(&row);
}

static void output_set_metrics(const struct output *output, const struct live *live)
{
    struct iotify_buffer text;

    if (!output->exporter || !live->total)
        return;
    iotify_buffer_init(&text, METRICS_MAX);
    live_metrics(live, &text);
    exporter_set(output->exporter, &text);
    iotify_buffer_clear(&text);
}

void output_update(struct output *output, const struct live *live)
{
    output_add_row(output, live);
    output_set_metrics(output, live);
}

bool output_end_live(struct output *output)
{
    exporter_close(output->exporter);
    output->exporter = NULL;
    if (output->series && fclose(output->series) != 0 && !output->broken) {
        output->broken = true;
        log_write(IOTIFY_ERROR, "", "cannot write %s: %m", output->options.series);
    }
    output->series = NULL;
    return !output->broken;
}

/* ------------------------------------------------------------------ at the end */

static bool output_write_report(struct output *output, const struct summary *summary, FILE *stream)
{
    struct html_report_source source = {.summary = summary_to_json(summary),
        .series = iotify_buffer_text(&output->rows),
        .note = output->rows.failed ? "The series is longer than a report can hold." : NULL};
    struct html_report report;
    const char *error;
    bool good = html_report_make(&source, &report, &error);

    if (!good)
        log_write(IOTIFY_ERROR, summary->job, "cannot make the report: %s", error);
    errno = EINVAL;
    good = good && html_report_write(&report, stream);
    if (good)
        log_write(IOTIFY_INFO, summary->job, "the report is in %s", output->options.report);
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
    bool failed;
};

/* The same file again: only a regular one forgets what was written before. */
static bool output_rewind(FILE *stream)
{
    struct stat about;

    return stream != stdout && fstat(fileno(stream), &about) == 0 && S_ISREG(about.st_mode) &&
           fseek(stream, 0, SEEK_SET) == 0 && ftruncate(fileno(stream), 0) == 0;
}

/* Write the summary to one of the files. False when that fails for the first time. */
static bool output_write_one(
    struct output *output, struct summary *summary, struct output_target *target)
{
    if (!target->stream || target->failed || target->write(output, summary, target->stream))
        return true;
    target->failed = true;
    fprintf(stderr, "iotifyd: cannot write the summary to %s: %s; name another file\n",
        target->path, strerror(errno));
    if (summary->exit_code == 0 || summary->exit_code == SUMMARY_CROSSED)
        summary->exit_code = SUMMARY_STEP_FAILED;
    if (!summary->reason)
        summary->reason =
            arena_format(&summary->arena, "cannot write the summary to %s", target->path);
    return false;
}

void output_write(struct output *output, struct summary *summary)
{
    const struct output_options *options = &output->options;
    struct output_target targets[] = {
        {.stream = output->report, .path = options->report, .write = output_write_report},
        {.stream = output->junit, .path = options->junit, .write = output_write_junit},
        {.stream = output->json, .path = options->json, .write = output_write_json}};
    const size_t count = sizeof(targets) / sizeof(targets[0]);

    for (size_t i = 0; i < count; i++) {
        if (output_write_one(output, summary, &targets[i]))
            continue;
        /* The verdict is another one now, also in what was written before. */
        for (size_t j = 0; j < i; j++)
            if (targets[j].stream && !targets[j].failed && output_rewind(targets[j].stream))
                output_write_one(output, summary, &targets[j]);
    }
}

void output_close(struct output *output)
{
    FILE *const files[] = {output->series, output->report, output->junit, output->json};

    exporter_close(output->exporter);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (files[i] && files[i] != stdout)
            fclose(files[i]);
    iotify_buffer_clear(&output->rows);
    *output = (struct output){0};
}
