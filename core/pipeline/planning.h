/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking ahead: what the steps of pipelines would do, without doing it; and what the service must
 * allow for it. One thread.
 */
#ifndef CORE_PIPELINE_PLANNING_H
#define CORE_PIPELINE_PLANNING_H

#include "core/pipeline/run.h"

/*
 * Ask the step's connector, for each client that the step is for, by `plan` or another of the
 * action's functions of the same kind. What it tells goes to `plan`. False after a log line.
 */
bool planning_of_step(struct run *run, const struct pipeline *pipeline, const struct step *step,
    enum iotify_result (*function)(void *instance, struct iotify_call *call),
    struct forecast *plan);

/*
 * Print what the steps of the pipelines would do: changes, calls by operation, and the time that
 * these take at the present limits. `json` (may be NULL) names a file that gets the same, "-" the
 * standard output. False after a log line, or when a step would fail.
 */
bool planning_print(
    struct run *run, const struct pipeline *const *pipelines, size_t count, const char *json);

/*
 * Find what the service has of this job's devices, without the store. Prints it, or `for_real`
 * writes records of it to the store, so that a cleanup removes it. False after a log line.
 */
bool planning_recover(struct run *run, bool for_real, int64_t *found);

/* Add up what the steps of a pipeline need; of connectors only. Offline. */
void planning_permissions(const struct job *job, const struct pipeline *pipeline,
    const struct job_plugin *connector, struct forecast *plan);

#endif
