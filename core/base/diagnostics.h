/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors in the user's files: collected, then sorted by location and printed together as
 * `file:line:column: text`. One thread.
 */
#ifndef CORE_BASE_DIAGNOSTICS_H
#define CORE_BASE_DIAGNOSTICS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/arena.h"

/* A location in a file. `line` and `column` start at 1; line 0 means the whole file. */
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

/*
 * Zero-initialised diagnostics are empty and ready to use. diagnostics_clear() frees all of them.
 */
void diagnostics_clear(struct diagnostics *diagnostics);

/* Add one error. `location.file` must outlive the diagnostics; an exact duplicate is dropped. */
void diagnostics_add(struct diagnostics *diagnostics, struct location location, const char *format,
    ...) __attribute__((format(printf, 3, 4)));
void diagnostics_vadd(struct diagnostics *diagnostics, struct location location, const char *format,
    va_list arguments) __attribute__((format(printf, 3, 0)));

/* Sort the diagnostics by location and print the first 100, then the number of the others. */
void diagnostics_print(struct diagnostics *diagnostics, FILE *stream);

#endif
