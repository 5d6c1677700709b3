/* SPDX-License-Identifier: Apache-2.0 */
#include "core/report/failure.h"

#include <string.h>

#include "core/base/utf8.h"

#define KINDS_MAX 200

/* Texts of scripts and servers may have several lines: make one line. */
static const char *failure_one_line(struct arena *arena, const char *text)
{
    char *copy = arena_string(arena, text);

    for (char *c = copy; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    return utf8_clean(copy);
}

bool failure_add(struct arena *arena, struct failure **list, const char *code, const char *location,
    const char *message, int64_t client, int64_t count)
{
    struct failure *failure, **alike = NULL;
    size_t kinds = 0;
    bool is_new;

    for (; *list; list = &(*list)->next, kinds++) {
        if (strcmp((*list)->code, code) != 0)
            continue;
        if (strcmp((*list)->location, location) == 0)
            break;
        alike = alike ? alike : list;
    }
    /* Scripts can produce any number of kinds. */
    if (!*list && kinds >= KINDS_MAX && alike)
        list = alike;
    is_new = *list == NULL;
    if (is_new) {
        failure = arena_alloc(arena, sizeof(*failure));
        failure->code = arena_string(arena, code);
        failure->location = arena_string(arena, location);
        failure->message = failure_one_line(arena, message);
        failure->first_client = client;
        *list = failure;
    }
    (*list)->count += count;
    if (client >= 0 && client < (*list)->first_client) {
        (*list)->first_client = client;
        (*list)->message = failure_one_line(arena, message);
    }
    return is_new;
}

void failure_merge(struct arena *arena, struct failure **list, const struct failure *from)
{
    for (; from; from = from->next)
        failure_add(arena, list, from->code, from->location, from->message, from->first_client,
            from->count);
}
