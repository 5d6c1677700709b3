/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/utf8.h"
#include "core/cli/exit_code.h"
#include "core/output/html_report.h"

#define FORMAT "iotify-summary/2"
#define DEFAULT_OUTPUT "report.html"
/* The series of two days. */
#define SERIES_MAX ((size_t)64 << 20)

json_t *report_read_summary(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    const char *format = json_string_value(json_object_get(root, "format"));

    if (!root) {
        if (error.line > 0)
            fprintf(stderr, "%s:%d:%d: %s\n", path, error.line, error.column, error.text);
        else
            fprintf(stderr, "iotifyd: %s\n", error.text);
        return NULL;
    }
    if (format && strcmp(format, FORMAT) == 0)
        return root;
    fprintf(stderr, "%s: not a summary of the format " FORMAT "%s%s; --json of a run writes one\n",
        path, format ? ", but of " : "",
        !format                 ? ""
        : utf8_is_plain(format) ? format
                                : "another");
    json_decref(root);
    return NULL;
}

/* False after a message. */
static bool report_read_series(const char *path, struct iotify_buffer *text)
{
    FILE *stream = fopen(path, "re");
    char chunk[65536];
    struct stat about;
    size_t got;
    bool good;

    if (!stream || fstat(fileno(stream), &about) != 0 || S_ISDIR(about.st_mode)) {
        fprintf(stderr, "iotifyd: cannot read %s: %s\n", path, strerror(stream ? EISDIR : errno));
        if (stream)
            fclose(stream);
        return false;
    }
    while ((got = fread(chunk, 1, sizeof(chunk), stream)) > 0)
        iotify_buffer_append(text, chunk, got);
    good = !ferror(stream) && !text->failed;
    if (!good)
        fprintf(stderr, "iotifyd: cannot read %s: %s\n", path,
            text->failed ? "it is larger than 64 MiB" : strerror(errno));
    fclose(stream);
    return good;
}

int report_save(const struct options *options, const struct html_report *report, const char *path)
{
    FILE *stream = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    bool good = stream && html_report_write(report, stream);

    if (stream && stream != stdout)
        good = fclose(stream) == 0 && good;
    if (!good)
        fprintf(stderr, "iotifyd: cannot write %s: %s\n", path, strerror(errno));
    else if (stream != stdout && !options->quiet)
        printf("%s\n", path);
    return good ? EXIT_DONE : EXIT_STEP_FAILED;
}

static int report_write(const struct options *options, const struct html_report_source *source)
{
    struct html_report report;
    const char *error;
    int status;

    if (!html_report_make(source, &report, &error)) {
        fprintf(stderr, "iotifyd: cannot make a report from %s%s%s: %s\n", options->words[0],
            options->series ? " and " : "", options->series ? options->series : "", error);
        html_report_clear(&report);
        return EXIT_USAGE;
    }
    status = report_save(options, &report, options->output ? options->output : DEFAULT_OUTPUT);
    html_report_clear(&report);
    return status;
}

int command_report(const struct options *options)
{
    struct html_report_source source = {.series = ""};
    struct iotify_buffer series;
    int status = EXIT_USAGE;

    if (options->word_count != 1) {
        fprintf(stderr, "iotifyd: report takes one file, the summary of a run\n");
        return EXIT_USAGE;
    }
    iotify_buffer_init(&series, SERIES_MAX);
    source.summary = report_read_summary(options->words[0]);
    if (source.summary && (!options->series || report_read_series(options->series, &series))) {
        source.series = iotify_buffer_text(&series);
        status = report_write(options, &source);
    }
    json_decref(source.summary);
    iotify_buffer_clear(&series);
    return status;
}
