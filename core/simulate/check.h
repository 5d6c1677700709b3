/* SPDX-License-Identifier: Apache-2.0 */
/* Values that both the check and the run of a simulate step need. */
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

#endif
