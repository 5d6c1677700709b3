/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plugin/forecast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void forecast_clear(struct forecast *forecast)
{
    arena_clear(&forecast->arena);
    free(forecast->permissions);
    *forecast = (struct forecast){0};
}

static bool forecast_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

void forecast_add_change(struct forecast *forecast, enum iotify_change change, const char *kind,
    const char *name, const char *why)
{
    struct forecast_change **link = &forecast->changes;

    while (*link && !((*link)->change == change && forecast_equal((*link)->kind, kind) &&
                        forecast_equal((*link)->why, why)))
        link = &(*link)->next;
    if (!*link) {
        *link = arena_alloc(&forecast->arena, sizeof(**link));
        (*link)->change = change;
        (*link)->kind = arena_string(&forecast->arena, kind);
        (*link)->why = why ? arena_string(&forecast->arena, why) : NULL;
        (*link)->first = arena_string(&forecast->arena, name);
    }
    snprintf((*link)->last, sizeof((*link)->last), "%s", name);
    (*link)->count++;
}

void forecast_take_change(struct forecast *forecast, const struct forecast_change *from,
    enum iotify_change change, const char *kind)
{
    for (int64_t i = 0; i < from->count; i++)
        forecast_add_change(forecast, change, kind, i ? from->last : from->first, NULL);
}

void forecast_add_calls(struct forecast *forecast, const char *operation, int64_t count)
{
    struct forecast_calls **link = &forecast->calls;

    while (*link && strcmp((*link)->operation, operation) != 0)
        link = &(*link)->next;
    if (!*link) {
        *link = arena_alloc(&forecast->arena, sizeof(**link));
        (*link)->operation = arena_string(&forecast->arena, operation);
    }
    (*link)->count += count;
}

static int forecast_compare(const struct iotify_permission *a, const struct iotify_permission *b)
{
    int by_resource = strcmp(a->resource, b->resource);

    return by_resource ? by_resource : strcmp(a->action, b->action);
}

void forecast_add_permission(struct forecast *forecast, const char *action, const char *resource)
{
    const struct iotify_permission wanted = {action, resource};
    size_t at = 0;

    while (at < forecast->permission_count &&
           forecast_compare(&forecast->permissions[at], &wanted) < 0)
        at++;
    if (at < forecast->permission_count &&
        forecast_compare(&forecast->permissions[at], &wanted) == 0)
        return;
    if (forecast->permission_count == forecast->permission_capacity) {
        forecast->permission_capacity =
            forecast->permission_capacity ? 2 * forecast->permission_capacity : 32;
        forecast->permissions = memory_grow(
            forecast->permissions, forecast->permission_capacity, sizeof(*forecast->permissions));
    }
    memmove(forecast->permissions + at + 1, forecast->permissions + at,
        (forecast->permission_count - at) * sizeof(*forecast->permissions));
    forecast->permissions[at] = (struct iotify_permission){
        arena_string(&forecast->arena, action), arena_string(&forecast->arena, resource)};
    forecast->permission_count++;
}

int64_t forecast_count(const struct forecast *forecast, enum iotify_change change)
{
    int64_t count = 0;

    for (const struct forecast_change *item = forecast->changes; item; item = item->next)
        if (item->change == change)
            count += item->count;
    return count;
}
