/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot of a running step, as progress line and Prometheus metrics. The functions only read
 * it, on any thread.
 */
#ifndef CORE_REPORT_LIVE_H
#define CORE_REPORT_LIVE_H

#include <iotify/buffer.h>

#include "core/report/summary.h"

struct live {
    const char *job, *step; /* of a simulation its name in the summary, else "deploy/aws.device" */
    double seconds;         /* since the step began */
    /* A simulation: */
    double period;        /* seconds that `last` covers */
    size_t stage;         /* from 1; 0: none */
    double intended_rate; /* messages per second that the schedule asks for; < 0: unknown */
    int64_t connected;    /* connections that are open */
    double cpu, busy;     /* cores in use, and busy share of the busiest loop, in the period */
    const struct tally *last, *total; /* NULL: the step is no simulation */
    /* Other steps, since they began: */
    int64_t devices, done, failed, retried, throttled;
    const char *operation; /* that sets the pace; NULL: none */
    double rate;           /* its calls per second */
    double seconds_left;   /* 0: unknown */
};

/* Append the progress text, one line: connections, rates, delays, failures. */
void live_line(const struct live *live, struct iotify_buffer *out);
/* Append the totals in Prometheus' text format. */
void live_metrics(const struct live *live, struct iotify_buffer *out);

#endif
