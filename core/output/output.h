/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the numbers of a run go besides the terminal: files, a port for Prometheus, and the report.
 * Opened before anything starts. A failure while it runs is logged once, and the run continues.
 * On the main thread.
 */
#ifndef CORE_OUTPUT_OUTPUT_H
#define CORE_OUTPUT_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "core/output/dashboard.h"
#include "core/output/exporter.h"
#include "core/report/live.h"
#include "core/report/summary.h"

/* Each NULL: none. `json` "-" is standard output. */
struct output_options {
    const char *series, *json, *junit, *report, *metrics_port, *dashboard_port;
    int64_t metrics_linger; /* nanoseconds that the metrics stay after the end */
};

struct output {
    struct output_options options;
    FILE *series, *json, *junit, *report;
    struct exporter *exporter;
    struct dashboard *dashboard;
    const struct summary *summary; /* of the run, as it grows */
    struct iotify_buffer rows;     /* the series, for the report */
    /* Taken, and not sent yet: rows of the series, metrics, state of the live page. */
    struct iotify_buffer new_rows, new_metrics, new_state;
    bool headed; /* the header of the series is written */
    bool broken; /* writing the series has failed */
};

enum output_error { OUTPUT_OK, OUTPUT_BAD_OPTION, OUTPUT_FAILED };

/*
 * Open all of them. On failure `what` is what could not be done, and `*why` the cause, not to be
 * freed. The options must outlive the output; output_close() in either case.
 */
enum output_error output_open(struct output *output, const struct output_options *options,
    char *what, size_t size, const char **why);
/* The run begins: its summary, which grows until the end. */
void output_begin(struct output *output, const struct summary *summary);
/*
 * A step has new numbers: about once per second, and at its end. Take them, while no other thread
 * changes them and the summary; then send them, which may wait for a disk.
 */
void output_take(struct output *output, const struct live *live);
void output_send(struct output *output);
/* No step follows: close the series. False when it is not complete. */
bool output_end_live(struct output *output);
/*
 * Write report, JUnit file and summary, and end the live page. When one cannot be written, that is
 * logged, and the summary's exit code says so unless it has worse to say.
 */
void output_write(struct output *output, struct summary *summary);
/* Serve the last metrics for as long as the options say, or until the run is told to stop. */
void output_linger(struct output *output, const struct summary *summary);
void output_close(struct output *output);

#endif
