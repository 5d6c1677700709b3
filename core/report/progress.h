/* SPDX-License-Identifier: Apache-2.0 */
/* Progress on stderr: one redrawn line on a terminal, otherwise one line per second. One thread. */
#ifndef CORE_REPORT_PROGRESS_H
#define CORE_REPORT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *label; /* "deploy/aws.device" */
    int64_t total;     /* 0: unknown */
    int64_t done, failed, retried, throttled;
    double seconds_left; /* expected before the pace is known; 0: unknown */
    char detail[320];    /* more about the step; "" for none */
};

/* Call once, before the others. With `quiet` nothing is shown. */
void progress_setup(bool quiet);
/* Begin a step, and end the one before. */
void progress_begin(const char *label, int64_t total);
/* Show the current numbers; does nothing if the last output is too recent. */
void progress_show(const struct progress *progress);
/*
 * The seconds that are left, by the pace of the last seconds, or by the forecast while that is not
 * known; 0: unknown. After progress_show().
 */
double progress_seconds_left(const struct progress *progress);
/* End the step: remove the line from the terminal. */
void progress_end(void);

#endif
