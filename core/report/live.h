/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot of a running simulation, as progress line, Prometheus metrics and CSV row. The
 * functions only read it, on any thread.
 */
#ifndef CORE_REPORT_LIVE_H
#define CORE_REPORT_LIVE_H

#include <stdio.h>

#include <iotify/buffer.h>

#include "core/report/summary.h"

struct live {
    const char *job, *step;
    double seconds;    /* since the step began */
    double period;     /* seconds that `last` covers */
    int64_t connected; /* connections that are open */
    double cpu, busy;  /* cores in use, and busy share of the busiest loop, in the period */
    const struct tally *last, *total;
};

/* Append the progress text, one line: connections, rates, delays, failures. */
void live_line(const struct live *live, struct iotify_buffer *out);
/* Append the totals in Prometheus' text format. */
void live_metrics(const struct live *live, struct iotify_buffer *out);
/* Write the header or a row of a series, as CSV. False and errno on failure. */
bool live_series_header(FILE *file);
bool live_series_row(const struct live *live, FILE *file);

#endif
