/* SPDX-License-Identifier: Apache-2.0 */
/* A simulation at a moment, in the forms that are read while it runs. */
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
    double cpu, busy;  /* cores, and the share of the busiest loop, in the period */
    const struct tally *last, *total;
};

/* One line for people: connections, rates, delays, what failed. */
void live_line(const struct live *live, struct iotify_buffer *out);
/* Prometheus' text form of the totals. */
void live_metrics(const struct live *live, struct iotify_buffer *out);
/* The header of a series, and a row of it. False when it cannot be written. */
bool live_series_header(FILE *file);
bool live_series_row(const struct live *live, FILE *file);

#endif
