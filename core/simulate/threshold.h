/* SPDX-License-Identifier: Apache-2.0 */
/* Thresholds: `publish.p99 < 500ms`, `failed == 0`, `temperature.mean < 30`. */
#ifndef CORE_SIMULATE_THRESHOLD_H
#define CORE_SIMULATE_THRESHOLD_H

#include "core/report/summary.h"
#include "core/simulate/metric_names.h"

/* Check the form of an expression: NULL when it is good, else what is wrong, in the arena. */
const char *threshold_check(
    struct arena *arena, const char *expression, const struct metric_names *names);

enum threshold_state {
    THRESHOLD_HOLDS,
    THRESHOLD_CROSSED,
    THRESHOLD_UNMEASURED, /* there is no value yet: at the end of a run, that is not good enough */
    THRESHOLD_SATURATED   /* a latency that is the generator's as well */
};

/* Evaluate one that is good. `value` is the metric's, in seconds where it is a time. */
enum threshold_state threshold_evaluate(
    const char *expression, const struct simulate_summary *results, double *value);

/* A number of the generator that thresholds can name; besides counters and times of tally.h. */
struct threshold_generator {
    const char *name, *meaning;
    size_t offset; /* in struct simulate_summary */
    bool is_flag;  /* a bool, else a double */
};
extern const struct threshold_generator threshold_generators[];
extern const size_t threshold_generator_count;

#endif
