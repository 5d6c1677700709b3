/* SPDX-License-Identifier: Apache-2.0 */
/* Lines and columns of texts as editors count them: from 1, columns in UTF-16 code units. Pure. */
#ifndef CORE_BASE_TEXT_H
#define CORE_BASE_TEXT_H

#include <stddef.h>

/* The start of line `line`; the end of the text when it has fewer lines. */
const char *text_line(const char *text, int line);
/* The column of the position `at` in the line that starts at `line`. */
int text_column(const char *line, const char *at);
/* The byte offset of a column in a line of `length` bytes; `length` when the line is shorter. */
size_t text_byte(const char *line, size_t length, int column);

#endif
