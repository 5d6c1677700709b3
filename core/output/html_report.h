/* SPDX-License-Identifier: Apache-2.0 */
/* The report: one HTML file that needs nothing else. Any thread. */
#ifndef CORE_OUTPUT_HTML_REPORT_H
#define CORE_OUTPUT_HTML_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include <iotify/buffer.h>

#include "core/base/arena.h"

/* What the page is made from. */
struct html_report_source {
    json_t *summary;    /* of the format iotify-summary/2 */
    const char *series; /* CSV; "": none */
    const char *note;   /* a sentence for its reader; NULL: none */
};

struct html_report {
    struct arena arena;
    struct iotify_buffer text; /* HTML */
};

/*
 * Make the page. False when the source is not valid, with `*error`, one line; it lives in the page.
 * html_report_clear() in either case.
 */
bool html_report_make(
    const struct html_report_source *source, struct html_report *report, const char **error);
/* The same of two runs: {before, after, limits}, two summaries and a list of texts. */
bool html_report_compare(json_t *comparison, struct html_report *report, const char **error);
/* Append the page of a running job, which asks for its data under events. */
void html_report_live(struct iotify_buffer *out);
/* Write it. False and errno on failure. */
bool html_report_write(const struct html_report *report, FILE *stream);
void html_report_clear(struct html_report *report);

#endif
