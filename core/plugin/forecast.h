/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forecast of a plugin: changes by kind, calls by operation, and permissions. Filled in through
 * the host's plan_change(), plan_calls() and permit(). One thread.
 */
#ifndef CORE_PLUGIN_FORECAST_H
#define CORE_PLUGIN_FORECAST_H

#include <iotify/connector.h>

#include "core/base/arena.h"

/*
 * The things of one kind with the same change: the number, and the names of the first and the last.
 */
struct forecast_change {
    enum iotify_change change;
    const char *kind, *why; /* `why` is NULL except for IOTIFY_CHANGE_BLOCKED */
    const char *first;
    char last[160];
    int64_t count;
    struct forecast_change *next;
};

struct forecast_calls {
    const char *operation;
    int64_t count;
    struct forecast_calls *next;
};

/*
 * A zero-initialised forecast is empty and ready to use. Changes and calls keep the order in which
 * they were added; permissions are sorted by resource and action.
 */
struct forecast {
    struct arena arena;
    struct forecast_change *changes;
    struct forecast_calls *calls;
    struct iotify_permission *permissions;
    size_t permission_count, permission_capacity;
};

void forecast_clear(struct forecast *forecast);
void forecast_add_change(struct forecast *forecast, enum iotify_change change, const char *kind,
    const char *name, const char *why);
/* Add the things of one entry of another forecast, with another change and kind. */
void forecast_take_change(struct forecast *forecast, const struct forecast_change *from,
    enum iotify_change change, const char *kind);
void forecast_add_calls(struct forecast *forecast, const char *operation, int64_t count);
/* Add a permission, unless it is there already. */
void forecast_add_permission(struct forecast *forecast, const char *action, const char *resource);
/* The number of things with this change. */
int64_t forecast_count(const struct forecast *forecast, enum iotify_change change);

#endif
