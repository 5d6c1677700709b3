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

#include "core/output/exporter.h"
#include "core/report/live.h"
#include "core/report/summary.h"

/* Each NULL: none. `json` "-" is standard output. */
struct output_options {
    const char *series, *json, *junit, *report, *metrics_port;
};

struct output {
    struct output_options options;
    FILE *series, *json, *junit, *report;
    struct exporter *exporter;
    struct iotify_buffer rows; /* the series, for the report */
    bool headed;               /* the header of the series is written */
    bool broken;               /* writing the series has failed */
};

enum output_error { OUTPUT_OK, OUTPUT_BAD_OPTION, OUTPUT_FAILED };

/*
 * Open all of them. On failure `what` is what could not be done, and `*why` the cause, not to be
 * freed. The options must outlive the output; output_close() in either case.
 */
enum output_error output_open(struct output *output, const struct output_options *options,
    char *what, size_t size, const char **why);
/* A step has new numbers: about once per second, and at its end. */
void output_update(struct output *output, const struct live *live);
/* No step follows: close the series and the port. False when the series is not complete. */
bool output_end_live(struct output *output);
/*
 * Write report, JUnit file and summary. When one cannot be written, that is logged, and the
 * summary's exit code says so unless it has worse to say.
 */
void output_write(struct output *output, struct summary *summary);
void output_close(struct output *output);

#endif
