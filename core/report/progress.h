/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress on stderr: a block that is redrawn below the log of a terminal, else an event in the log
 * from time to time. One thread.
 */
#ifndef CORE_REPORT_PROGRESS_H
#define CORE_REPORT_PROGRESS_H

#include <stdbool.h>

#include "core/report/live.h"

struct progress_options {
    bool quiet;       /* nothing is shown */
    bool only_log;    /* no block, also on a terminal */
    int64_t interval; /* nanoseconds between two events of the log */
    size_t steps;     /* of the run */
};

/* Call once, before the others. */
void progress_setup(const struct progress_options *options);
/* The next step of the run begins. */
void progress_next_step(void);
/* Something that takes time begins; `where` is its name, as in the log, and lives until its end. */
void progress_begin(const char *where);
/*
 * Show the current numbers, unless the last output is too recent. `seconds_left` is the forecast;
 * it becomes what the pace of the last seconds says, once that is known, 0 when it is unknown.
 */
void progress_show(struct live *live);
/* It has ended: remove the block from the terminal. */
void progress_end(void);

#endif
