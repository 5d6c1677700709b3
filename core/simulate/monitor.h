/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main thread's view of a running simulation: it collects the counters of the loops twenty
 * times per second; once per second it updates progress line and outputs, and
 * checks the thresholds that may end the run.
 */
#ifndef CORE_SIMULATE_MONITOR_H
#define CORE_SIMULATE_MONITOR_H

#include "core/output/output.h"
#include "core/simulate/simulate_loop.h"

struct monitor {
    const struct simulation *simulation;
    struct simulate_loop *const *loops;
    size_t count;
    struct output *output;
    struct simulate_summary *results; /* results of the step, filled in here */
    struct tally second;              /* counters since the last update */
    int64_t began, cpu_began, second_at, cpu_at;
    double busy_seconds;            /* of the busiest loop, by samples */
    int64_t churn;                  /* connections made since memory was returned */
    struct monitor_script *scripts; /* one per loop */
    bool stopping, finishing;
};

void monitor_init(struct monitor *monitor, const struct simulation *simulation,
    struct simulate_loop *const *loops, size_t count, struct output *output,
    struct simulate_summary *results);
/* Wait until all loops have finished; false when a script does not return. */
bool monitor_watch(struct monitor *monitor);
/*
 * Join all loops and complete the results. False: one could not be set up, or exceeded
 * memory_limit.
 */
bool monitor_finish(struct monitor *monitor);

#endif
