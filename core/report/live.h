/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of a running step at one moment: what progress, series, metrics and live page show.
 */
#ifndef CORE_REPORT_LIVE_H
#define CORE_REPORT_LIVE_H

#include "core/report/tally.h"

struct live {
    const char *job, *step; /* of a simulation its name in the summary, else "deploy/aws.device" */
    double seconds;         /* since the step began */
    const char *unit;       /* what `total` and `done` count, such as "devices" */
    int64_t total, done;    /* total 0: unknown */
    double ends;            /* the seconds after which it ends by its settings; 0: none */
    double seconds_left;    /* expected; 0: unknown */
    int64_t failed, retried, throttled;
    /* Other steps than simulations: */
    const char *operation; /* that sets the pace; NULL: none */
    double rate;           /* its calls per second */
    /* A simulation: */
    double period; /* seconds that `last` covers */
    size_t stage;  /* from 1; 0: none */
    size_t stages;
    double intended_rate; /* messages per second that the schedule asks for; < 0: unknown */
    int64_t connected;    /* connections that are open */
    double cpu, busy;     /* cores in use, and busy share of the busiest loop, in the period */
    const struct tally *last, *all; /* of the period, and so far; NULL: the step is no simulation */
};

#endif
