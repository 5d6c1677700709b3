/* SPDX-License-Identifier: Apache-2.0 */
/* The report: one HTML file that needs nothing else. Any thread. */
#ifndef CORE_OUTPUT_PAGE_H
#define CORE_OUTPUT_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include <iotify/buffer.h>

#include "core/base/arena.h"

/* What the page is made from. */
struct page_source {
    json_t *summary;    /* of the format iotify-summary/2 */
    const char *series; /* CSV; "": none */
    const char *note;   /* a sentence for its reader; NULL: none */
};

struct page {
    struct arena arena;
    struct iotify_buffer text; /* HTML */
};

/*
 * Make the page. False when the source is not valid, with `*error`, one line; it lives in the page.
 * page_clear() in either case.
 */
bool page_make(const struct page_source *source, struct page *page, const char **error);
/* Write it. False and errno on failure. */
bool page_write(const struct page *page, FILE *stream);
void page_clear(struct page *page);

#endif
