/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of the reference, written as Markdown or as a manual page from the same calls. Texts are
 * plain; `code` in backquotes is set as code. One thread.
 */
#ifndef REFERENCE_PAGE_H
#define REFERENCE_PAGE_H

#include <stdbool.h>
#include <stdio.h>

#include <iotify/settings.h>

enum page_form { PAGE_MARKDOWN, PAGE_MANUAL };

struct page {
    enum page_form form;
    FILE *file;
    const char *name;
    bool two_columns;
};

/*
 * Begin a page in `folder`: NAME.md, or the manual page NAME.SECTION. Exits after a message when
 * the file cannot be created. `summary` is a phrase. End the page with page_close().
 */
struct page page_open(
    enum page_form form, const char *folder, const char *name, int section, const char *summary);
/* Close the file; exits after a message on a write error. */
void page_close(struct page *page);

void page_heading(struct page *page, const char *text);
/* A heading one level lower. */
void page_subheading(struct page *page, const char *text);
void page_text(struct page *page, const char *text);
void page_code(struct page *page, const char *text);

/*
 * Begin a table; `headings` are those of its three columns, for Markdown. When headings[1] is NULL,
 * the table has two columns.
 */
void page_begin_table(struct page *page, const char *const headings[3]);
/* One row; `middle` may be "" and is NULL in a table of two columns. */
void page_row(struct page *page, const char *name, const char *middle, const char *text);
void page_end_table(struct page *page);

/* Write a table of all settings; nothing if there are none. */
void page_settings(struct page *page, const struct iotify_settings *settings);

#endif
