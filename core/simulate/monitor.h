/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main thread's view of a running simulation: once a second it adds up what the event loops
 * counted, and shows it on the terminal, in the series file, to whoever asks the metrics port, and
 * to the thresholds that may end the run.
 */
#ifndef CORE_SIMULATE_MONITOR_H
#define CORE_SIMULATE_MONITOR_H

#include "core/report/exporter.h"
#include "core/simulate/simulate_loop.h"

/* Where the numbers go besides the terminal; set up by the program, for all simulate steps. */
struct monitor_outputs {
    FILE *series;              /* NULL: none */
    const char *series_path;   /* for messages */
    struct exporter *exporter; /* NULL: none */
    bool headed;               /* the series has its first line */
    bool broken;               /* the series could not be written */
};

struct monitor {
    const struct simulation *simulation;
    struct simulate_loop *const *loops;
    size_t count;
    struct monitor_outputs *outputs;
    struct simulate_summary *results; /* of the step, filled in here */
    struct tally second;              /* since the last full second */
    int64_t began, cpu_began, second_at, cpu_at;
    bool stopping;
    const char *aborted; /* the threshold that ended the run; NULL: none did */
};

void monitor_init(struct monitor *monitor, const struct simulation *simulation,
    struct simulate_loop *const *loops, size_t count, struct monitor_outputs *outputs,
    struct simulate_summary *results);
/* Until all engines are done; false when one is stuck. */
bool monitor_watch(struct monitor *monitor);
/* All engines have ended: collect the rest. False: one of them could not be set up. */
bool monitor_finish(struct monitor *monitor);

#endif
