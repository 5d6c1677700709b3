/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/diagnostics.h"

#include <stdlib.h>
#include <string.h>

/* Keeps a broken generated file from filling the screen. */
#define SHOWN_MAX 100

void diagnostics_clear(struct diagnostics *diagnostics)
{
    free(diagnostics->items);
    arena_clear(&diagnostics->arena);
    *diagnostics = (struct diagnostics){0};
}

static bool diagnostics_equal(
    const struct diagnostic *item, struct location location, const char *text)
{
    return item->location.line == location.line && item->location.column == location.column &&
           strcmp(item->location.file, location.file) == 0 && strcmp(item->text, text) == 0;
}

void diagnostics_vadd(struct diagnostics *diagnostics, struct location location, const char *format,
    va_list arguments)
{
    const char *text = arena_vformat(&diagnostics->arena, format, arguments);

    for (size_t i = 0; i < diagnostics->count; i++)
        if (diagnostics_equal(&diagnostics->items[i], location, text))
            return;
    if (diagnostics->count == diagnostics->capacity) {
        diagnostics->capacity = diagnostics->capacity ? diagnostics->capacity * 2 : 16;
        diagnostics->items =
            memory_grow(diagnostics->items, diagnostics->capacity, sizeof(*diagnostics->items));
    }
    diagnostics->items[diagnostics->count++] = (struct diagnostic){location, text};
}

void diagnostics_add(
    struct diagnostics *diagnostics, struct location location, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    diagnostics_vadd(diagnostics, location, format, arguments);
    va_end(arguments);
}

static int diagnostics_compare(const void *a, const void *b)
{
    const struct diagnostic *x = a, *y = b;
    int order = strcmp(x->location.file, y->location.file);

    if (order == 0)
        order = x->location.line - y->location.line;
    if (order == 0)
        order = x->location.column - y->location.column;
    return order ? order : strcmp(x->text, y->text);
}

void diagnostics_print(struct diagnostics *diagnostics, FILE *stream)
{
    size_t shown = diagnostics->count < SHOWN_MAX ? diagnostics->count : SHOWN_MAX;

    if (diagnostics->count)
        qsort(diagnostics->items, diagnostics->count, sizeof(*diagnostics->items),
            diagnostics_compare);
    for (size_t i = 0; i < shown; i++) {
        const struct diagnostic *item = &diagnostics->items[i];

        if (item->location.line)
            fprintf(stream, "%s:%d:%d: %s\n", item->location.file, item->location.line,
                item->location.column, item->text);
        else
            fprintf(stream, "%s: %s\n", item->location.file, item->text);
    }
    if (shown < diagnostics->count)
        fprintf(stream, "… and %zu more\n", diagnostics->count - shown);
}
