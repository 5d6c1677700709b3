/* SPDX-License-Identifier: Apache-2.0 */
/* Lines and columns of texts, as editors have them: from 1 on, columns in UTF-16 units. Pure. */
#ifndef CORE_BASE_TEXT_H
#define CORE_BASE_TEXT_H

#include <stddef.h>

/* Where a line begins; the text's end when it has fewer. */
const char *text_line(const char *text, int line);
/* The column of `at` in the line that begins at `line`. */
int text_column(const char *line, const char *at);
/* The byte at which a column of a line of `length` bytes begins; `length` behind its end. */
size_t text_byte(const char *line, size_t length, int column);

#endif
