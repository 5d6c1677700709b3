/* SPDX-License-Identifier: Apache-2.0 */
/* Thresholds: `publish.p99 < 500ms`, `failed == 0`, `temperature.mean < 30`. Pure, any thread. */
#ifndef CORE_SIMULATE_THRESHOLD_H
#define CORE_SIMULATE_THRESHOLD_H

#include "core/report/summary.h"
#include "core/simulate/metric_names.h"

/*
 * Check an expression; `names` are the scripts' metrics. Returns NULL if it is valid, else what is
 * wrong, allocated in `arena`.
 */
const char *threshold_check(
    struct arena *arena, const char *expression, const struct metric_names *names);

/* Does a valid expression compare a time? */
bool threshold_is_time(const char *expression);

/* The thresholds of every step that has none of its own about the same metric. */
extern const char *const threshold_defaults[];
extern const size_t threshold_default_count;
/* True when two expressions are about the same metric. */
bool threshold_same_metric(const char *one, const char *other);

enum threshold_state {
    THRESHOLD_HOLDS,
    THRESHOLD_CROSSED,
    THRESHOLD_UNMEASURED, /* no value was measured; at the end of a run it counts as crossed */
    THRESHOLD_SATURATED   /* crossed by a latency while the generator was the bottleneck */
};

/*
 * Evaluate a valid expression. `*value` becomes the metric's value, times in seconds; 0:
 * unmeasured.
 */
enum threshold_state threshold_evaluate(
    const char *expression, const struct simulate_summary *results, double *value);

/* A value of the load generator that thresholds can name, besides counters and times of tally.h. */
struct threshold_generator {
    const char *name, *meaning;
    size_t offset; /* in struct simulate_summary */
    bool is_flag;  /* a bool, else a double */
};
extern const struct threshold_generator threshold_generators[];
extern const size_t threshold_generator_count;

#endif
