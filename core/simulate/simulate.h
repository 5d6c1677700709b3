/* SPDX-License-Identifier: Apache-2.0 */
/* The `simulate` step: checks it, runs it, and evaluates its thresholds. Main thread. */
#ifndef CORE_SIMULATE_SIMULATE_H
#define CORE_SIMULATE_SIMULATE_H

#include "core/pipeline/run.h"
#include "core/simulate/settings.h"

/*
 * Check a simulate step without network access: its settings, thresholds and template. The template
 * file must exist, or a step that runs earlier in the `run_count` pipelines `run` must write it.
 * Problems are added to `diagnostics`; system limits that are too low are logged.
 */
void simulate_check(const struct job *job, const struct step *step,
    const struct pipeline *const *run, size_t run_count, struct diagnostics *diagnostics);

/*
 * Append the transport of a simulate step to `others`, which has `count` entries and room for one
 * more, unless the job lists that transport or `others` has it already. Returns the new count. A
 * step that is not a valid simulate step adds nothing. Allocates from `arena`.
 */
size_t simulate_add_transport(const struct job *job, const struct step *step, struct arena *arena,
    const struct job_plugin **others, size_t count);

/*
 * Run the step; the results go to `result` and to the run's summary. Returns false when the step
 * could not run, when no device connected, or when a glob write or the capture file failed. Failed
 * iterations and single devices that could not connect are results, not errors. When a script does
 * not return, sets `run->abandoned`: the process must exit without freeing anything of the run.
 */
bool simulate_run(struct run *run, const struct step *step, struct step_summary *result);

/* Evaluate the step's thresholds into the summary. Returns true only when all of them hold. */
bool simulate_judge(struct run *run, const struct step *step, const struct step_summary *result);

#endif
