/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with the user's files: collected, sorted by place and printed all at once as
 * `file:line:column: text`.
 */
#ifndef CORE_BASE_DIAGNOSTICS_H
#define CORE_BASE_DIAGNOSTICS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/arena.h"

/* A place in a file. `line` and `column` count from 1; line 0: the file as a whole. */
struct location {
    const char *file;
    int line, column;
};

struct diagnostic {
    struct location location;
    const char *text;
};

struct diagnostics {
    struct arena arena;
    struct diagnostic *items;
    size_t count, capacity;
};

/* Diagnostics of zeros are empty and ready. */
void diagnostics_clear(struct diagnostics *diagnostics);

/* Note one problem. `place.file` must outlive the diagnostics. A repetition is dropped. */
void diagnostics_add(struct diagnostics *diagnostics, struct location location, const char *format,
    ...) __attribute__((format(printf, 3, 4)));
void diagnostics_vadd(struct diagnostics *diagnostics, struct location location, const char *format,
    va_list arguments) __attribute__((format(printf, 3, 0)));

/* All of them, in the order of their places. */
void diagnostics_print(struct diagnostics *diagnostics, FILE *stream);

#endif
