/* SPDX-License-Identifier: Apache-2.0 */
/* Wrapped text, for the help of the programs. One thread per stream. */
#ifndef CORE_BASE_WRAP_H
#define CORE_BASE_WRAP_H

#include <stdio.h>

/* Columns of a line. */
#define WRAP_WIDTH 100

/*
 * Print `text` and a line break, wrapped at spaces. The cursor is at `column`; further lines begin
 * at column `indent`. A word that does not fit into a line is not broken.
 */
void wrap_print(FILE *stream, const char *text, int column, int indent);

#endif
