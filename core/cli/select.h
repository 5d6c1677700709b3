/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a job that a command works on: pipelines, and one client or all. Main thread. */
#ifndef CORE_CLI_SELECT_H
#define CORE_CLI_SELECT_H

#include "core/cli/options.h"
#include "core/job/job.h"

struct selection {
    const struct pipeline **pipelines; /* in the order in which they run */
    size_t count;
    int64_t solo; /* the client of --solo; -1: all */
};

/*
 * Select by the words and options of the command line. False after a message on stderr. The caller
 * calls select_clear() in either case.
 */
bool select_make(const struct job *job, const struct options *options, struct selection *selection);
void select_clear(struct selection *selection);

#endif
