/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of a simulate step without network access, and values that its run needs too. Main
 * thread.
 */
#ifndef CORE_SIMULATE_CHECK_H
#define CORE_SIMULATE_CHECK_H

#include "core/job/job.h"
#include "core/simulate/settings.h"

/* The part of `path` after the job file's folder, for messages; a path elsewhere is unchanged. */
const char *check_shown(const struct job *job, const char *path);
/* The index of the first client that takes part, and how many do. */
int64_t check_first_of(const struct job *job, const struct step *step);
int64_t check_clients_of(const struct job *job, const struct step *step);

/*
 * The JSON for getRunSettings() of scripts, allocated in `arena`; times in seconds, as
 * jobInterval() has them.
 */
const char *check_run_settings(const struct job *job, const struct simulate_options *options,
    int64_t first, int64_t clients, int64_t iterations, struct arena *arena);

/*
 * Check a simulate step without network access: its settings, thresholds and template. The template
 * file must exist, or a step that runs earlier in the `run_count` pipelines `run` must write it.
 * Problems are added to `diagnostics`; system limits that are too low are logged.
 */
void check_simulate(const struct job *job, const struct step *step,
    const struct pipeline *const *run, size_t run_count, struct diagnostics *diagnostics);

/*
 * Append the transport of a simulate step to `others`, which has `count` entries and room for one
 * more, unless the job lists that transport or `others` has it already. Returns the new count. A
 * step that is not a valid simulate step adds nothing. Allocates from `arena`.
 */
size_t check_add_transport(const struct job *job, const struct step *step, struct arena *arena,
    const struct job_plugin **others, size_t count);

#endif
