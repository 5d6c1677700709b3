/* SPDX-License-Identifier: Apache-2.0 */
/* The `simulate` step: checks it, runs it, and evaluates its thresholds. Main thread. */
#ifndef CORE_SIMULATE_SIMULATE_H
#define CORE_SIMULATE_SIMULATE_H

#include "core/pipeline/run.h"
#include "core/simulate/settings.h"

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
