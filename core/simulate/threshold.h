/* Thresholds: `publish.p99 < 500ms`, `failed == 0`. */
#ifndef CORE_SIMULATE_THRESHOLD_H
#define CORE_SIMULATE_THRESHOLD_H

#include <stdbool.h>

#include "core/report/summary.h"

/*
 * Check the form of an expression: NULL when it is good, else what is wrong, in the arena.
 */
const char *threshold_check(struct arena *arena, const char *expression);
/*
 * Evaluate one that is good. `value` is the metric's, in seconds where it is a time; a time that
 * was never measured holds against nothing.
 */
bool threshold_holds(const char *expression, const struct simulate_summary *results, double *value);

#endif
