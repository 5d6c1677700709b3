/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cli/exit_code.h"
#include "core/cli/report.h"
#include "core/output/page_files.h"
#include "core/script/evaluate.h"

/* What compare.js of the page works on; NULL after a message. */
static json_t *compare_read(const struct options *options)
{
    json_t *before = report_read_summary(options->words[0]);
    json_t *after = before ? report_read_summary(options->words[1]) : NULL;
    json_t *limits = json_array();

    for (size_t i = 0; i < options->limits.count; i++) {
        json_t *limit = json_string(options->limits.items[i]);

        if (!limit) {
            fprintf(stderr, "iotifyd: --limit is not UTF-8\n");
            json_decref(after);
            after = NULL;
            break;
        }
        json_array_append_new(limits, limit);
    }
    if (after)
        return json_pack("{s:o, s:o, s:o, s:[s, s]}", "before", before, "after", after, "limits",
            limits, "names", options->words[0], options->words[1]);
    json_decref(before);
    json_decref(limits);
    return NULL;
}

static int compare_refuse(const char *error)
{
    fprintf(stderr, "iotifyd: cannot compare: %s\n", error);
    return EXIT_USAGE;
}

static int compare_save(const struct options *options, json_t *comparison)
{
    struct html_report report;
    const char *error;
    int status;

    if (html_report_compare(comparison, &report, &error))
        status = report_save(options, &report, options->report);
    else
        status = compare_refuse(error);
    html_report_clear(&report);
    return status;
}

/* The text of comparison.print(): the result, then lines of warnings, then the rest. */
static int compare_print(const struct options *options, const char *text)
{
    int status = *text == '1' ? EXIT_THRESHOLD : EXIT_DONE;

    for (text += strcspn(text, "\n") + 1; *text != '\n'; text += strcspn(text, "\n") + 1)
        fprintf(stderr, "iotifyd: warning: %.*s\n", (int)strcspn(text, "\n"), text);
    text++;
    if (options->quiet) {
        const char *last = text + strlen(text) - 1;

        /* Only the verdict. */
        while (last > text && last[-1] != '\n')
            last--;
        text = options->limits.count ? last : "";
    }
    /* A report on standard output has it for itself. */
    fputs(text, options->report && strcmp(options->report, "-") == 0 ? stderr : stdout);
    return status;
}

int command_compare(const struct options *options)
{
    struct arena arena = {0};
    const char *text, *error = "out of memory";
    json_t *comparison;
    char *data;
    int status = EXIT_USAGE, saved = EXIT_DONE;

    if (options->word_count != 2) {
        fprintf(stderr, "iotifyd: compare takes two files, the summaries of two runs\n");
        return EXIT_USAGE;
    }
    comparison = compare_read(options);
    if (!comparison)
        return EXIT_USAGE;
    data = json_dumps(comparison, JSON_COMPACT);
    text =
        data ? evaluate_with_text(&arena, page_file_page, "comparison.print", data, &error) : NULL;
    if (text && options->report)
        saved = compare_save(options, comparison);
    if (!text)
        status = compare_refuse(error);
    else if (saved != EXIT_USAGE)
        status = compare_print(options, text);
    free(data);
    json_decref(comparison);
    arena_clear(&arena);
    return saved != EXIT_DONE ? saved : status;
}
