/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plugin says that it would do: changes by kind, calls by operation, permissions. Filled in
 * through the host's plan_change(), plan_calls() and permit(). One thread.
 */
#ifndef CORE_PLUGIN_FORECAST_H
#define CORE_PLUGIN_FORECAST_H

#include <iotify/connector.h>

#include "core/base/arena.h"

/* Things of one kind that meet the same fate: how many, and the names of the first and the last. */
struct forecast_change {
    enum iotify_change change;
    const char *kind, *why; /* `why` is NULL but for IOTIFY_BLOCKED */
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

/* A forecast of zeros is empty and ready; order is that of telling. */
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
/* As many things as another forecast has, with another fate and kind. */
void forecast_take_change(struct forecast *forecast, const struct forecast_change *from,
    enum iotify_change change, const char *kind);
void forecast_add_calls(struct forecast *forecast, const char *operation, int64_t count);
/* Once each, sorted. */
void forecast_add_permission(struct forecast *forecast, const char *action, const char *resource);
/* How many things meet this fate. */
int64_t forecast_count(const struct forecast *forecast, enum iotify_change change);

#endif
