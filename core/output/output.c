/* SPDX-License-Identifier: Apache-2.0 */
#include "core/output/output.h"

#include <errno.h>
#include <string.h>

#include "core/base/log.h"
#include "core/output/page.h"
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

/* Write the summary to one of the files; a failure is one of the run. */
static void output_write_one(struct output *output, struct summary *summary, FILE **stream,
    const char *path,
    bool (*write)(struct output *output, const struct summary *summary, FILE *stream))
{
    FILE *file = *stream;
    bool good;

    if (!file)
        return;
    good = write(output, summary, file);
    if (file != stdout) {
        *stream = NULL;
        good = fclose(file) == 0 && good;
    }
    if (good)
        return;
    fprintf(stderr, "iotifyd: cannot write the summary to %s: %s; name another file\n", path,
        strerror(errno));
    if (summary->exit_code == 0 || summary->exit_code == SUMMARY_CROSSED)
        summary->exit_code = SUMMARY_STEP_FAILED;
    if (!summary->reason)
        summary->reason = arena_format(&summary->arena, "cannot write the summary to %s", path);
}

static bool output_write_report(struct output *output, const struct summary *summary, FILE *stream)
{
    struct page_source source = {.summary = summary_to_json(summary),
        .series = iotify_buffer_text(&output->rows),
        .note = output->rows.failed ? "The series is longer than a report can hold." : NULL};
    const char *error;
    bool good = page_write(&source, stream, &error);

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

void output_write(struct output *output, struct summary *summary)
{
    const struct output_options *options = &output->options;

    output_write_one(output, summary, &output->report, options->report, output_write_report);
    output_write_one(output, summary, &output->junit, options->junit, output_write_junit);
    output_write_one(output, summary, &output->json, options->json, output_write_json);
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
