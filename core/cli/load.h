/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the job file of a command and reports its problems. Main thread. */
#ifndef CORE_CLI_LOAD_H
#define CORE_CLI_LOAD_H

#include "core/cli/exit_code.h"
#include "core/cli/options.h"
#include "core/job/job.h"

/* The steps that the core itself provides. */
extern const struct core_step load_core_steps[];
extern const size_t load_core_step_count;

/*
 * Read the job file `file` with the overrides of the command line; problems are added to
 * `diagnostics`. The caller clears `job`, `registry` and `diagnostics` in any case.
 */
void load_read(const char *file, const struct options *options, struct registry *registry,
    struct job *job, struct diagnostics *diagnostics);
/*
 * Print the problems to stderr. EXIT_DONE: none; EXIT_USAGE: the job has errors; EXIT_STEP_FAILED:
 * a plugin was refused.
 */
int load_report(const struct job *job, struct diagnostics *diagnostics);
/* load_read(), then load_report(). The caller clears all three in any case. */
int load_job(const char *file, const struct options *options, struct registry *registry,
    struct job *job, struct diagnostics *diagnostics);

#endif
