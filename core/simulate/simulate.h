/* SPDX-License-Identifier: Apache-2.0 */
/* The `simulate` step: from a template to results. */
#ifndef CORE_SIMULATE_SIMULATE_H
#define CORE_SIMULATE_SIMULATE_H

#include "core/pipeline/run.h"
#include "core/simulate/settings.h"

/*
 * Check a simulate step without network: its settings across each other, its thresholds, and its
 * template, which exists or is written by a step of the pipelines that run. Problems become
 * diagnostics.
 */
void simulate_check(const struct job *job, const struct step *step,
    const struct pipeline *const *run, size_t run_count, struct diagnostics *diagnostics);

/*
 * Add the transport that the step uses to the `count` others, unless the job names it or it is
 * among them; in `arena`. The new count. A step that is not `simulate` has none.
 */
size_t simulate_add_transport(const struct job *job, const struct step *step, struct arena *arena,
    const struct job_plugin **others, size_t count);

/*
 * Run it; results go to the run's summary. False when it could not run or no client connected:
 * failed iterations, and single clients that could not connect, are results. When a script is
 * stuck, `run->abandoned` is set: the process must end without freeing anything of the run.
 */
bool simulate_run(struct run *run, const struct step *step, struct step_summary *result);

/* Evaluate the step's thresholds into the summary; false when one is crossed. */
bool simulate_judge(struct run *run, const struct step *step, const struct step_summary *result);

#endif
