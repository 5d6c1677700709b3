/* SPDX-License-Identifier: Apache-2.0 */
/* The report: one HTML file that needs nothing else. Any thread. */
#ifndef CORE_OUTPUT_PAGE_H
#define CORE_OUTPUT_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* What the page is made from. */
struct page_source {
    json_t *summary;    /* of the format iotify-summary/2 */
    const char *series; /* CSV, UTF-8; "": none */
    const char *note;   /* a sentence for its reader; NULL: none */
};

/*
 * Write the page. False on failure, with `*error`, one line that stays valid until the next call of
 * this thread: the stream cannot be written (then errno says why), or the source is not valid.
 */
bool page_write(const struct page_source *source, FILE *stream, const char **error);

#endif
