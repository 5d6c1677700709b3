/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress on stderr: on a terminal one redrawn line, otherwise one line a second.
 * Called from one thread.
 */
#ifndef CORE_REPORT_PROGRESS_H
#define CORE_REPORT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *label; /* "deploy/aws.device" */
    int64_t total;     /* 0: unknown */
    int64_t done, failed, retried, throttled;
    double seconds_left; /* 0: to be told from the rate so far */
    char detail[320];    /* more about the step; "" for none */
};

/* Once: `quiet` shows nothing. */
void progress_setup(bool quiet, bool color);
/* A step begins; ends the one before. */
void progress_begin(const char *label, int64_t total);
/* As things stand: draws when it is time. */
void progress_show(const struct progress *progress);
/* The step is over: takes the line off the terminal. */
void progress_end(void);

#endif
