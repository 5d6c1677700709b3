#include "core/plugin/forecast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void forecast_clear(struct forecast *plan)
{
    arena_clear(&plan->arena);
    free(plan->permissions);
    *plan = (struct forecast){0};
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

void forecast_add_change(struct forecast *plan, enum iotify_change change, const char *kind,
    const char *name, const char *why)
{
    struct forecast_change **link = &plan->changes;

    while (*link &&
           !((*link)->change == change && same((*link)->kind, kind) && same((*link)->why, why)))
        link = &(*link)->next;
    if (!*link) {
        *link = arena_alloc(&plan->arena, sizeof(**link));
        (*link)->change = change;
        (*link)->kind = arena_string(&plan->arena, kind);
        (*link)->why = why ? arena_string(&plan->arena, why) : NULL;
        (*link)->first = arena_string(&plan->arena, name);
    }
    snprintf((*link)->last, sizeof((*link)->last), "%s", name);
    (*link)->count++;
}

void forecast_add_calls(struct forecast *plan, const char *operation, int64_t count)
{
    struct forecast_calls **link = &plan->calls;

    while (*link && strcmp((*link)->operation, operation) != 0)
        link = &(*link)->next;
    if (!*link) {
        *link = arena_alloc(&plan->arena, sizeof(**link));
        (*link)->operation = arena_string(&plan->arena, operation);
    }
    (*link)->count += count;
}

static int compare(const struct iotify_permission *a, const struct iotify_permission *b)
{
    int by_resource = strcmp(a->resource, b->resource);

    return by_resource ? by_resource : strcmp(a->action, b->action);
}

void forecast_add_permission(struct forecast *plan, const char *action, const char *resource)
{
    const struct iotify_permission wanted = {action, resource};
    size_t at = 0;

    while (at < plan->permission_count && compare(&plan->permissions[at], &wanted) < 0)
        at++;
    if (at < plan->permission_count && compare(&plan->permissions[at], &wanted) == 0)
        return;
    if (plan->permission_count == plan->permission_capacity) {
        plan->permission_capacity = plan->permission_capacity ? 2 * plan->permission_capacity : 32;
        plan->permissions =
            memory_grow(plan->permissions, plan->permission_capacity, sizeof(*plan->permissions));
    }
    memmove(plan->permissions + at + 1, plan->permissions + at,
        (plan->permission_count - at) * sizeof(*plan->permissions));
    plan->permissions[at] = (struct iotify_permission){
        arena_string(&plan->arena, action), arena_string(&plan->arena, resource)};
    plan->permission_count++;
}

int64_t forecast_count(const struct forecast *plan, enum iotify_change change)
{
    int64_t count = 0;

    for (const struct forecast_change *item = plan->changes; item; item = item->next)
        if (item->change == change)
            count += item->count;
    return count;
}
