/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans: what the steps of pipelines would do, without doing it, and the permissions that they
 * need. One thread.
 */
#ifndef CORE_PIPELINE_PLANNING_H
#define CORE_PIPELINE_PLANNING_H

#include "core/pipeline/run.h"

/*
 * Call `function` of the step's connector, `plan` or one with the same contract, for each client of
 * the step. The planned changes are added to `plan`. False on failure or a stop request; most
 * failures are logged.
 */
bool planning_of_step(struct run *run, const struct pipeline *pipeline, const struct step *step,
    enum iotify_result (*function)(void *instance, struct iotify_call *call),
    struct forecast *plan);

/*
 * Print what the steps of the pipelines would do: changes, calls by operation, and the time for the
 * calls at the current limits. `json` (may be NULL) names a file for the same as JSON; "-" is the
 * standard output. False after a log line, or when a step would fail.
 */
bool planning_print(
    struct run *run, const struct pipeline *const *pipelines, size_t count, const char *json);

/*
 * Find the devices of this job at the service, without the store. Prints them, or with `for_real`
 * writes their records to the store, so that cleanup can remove them. False after a log line.
 */
bool planning_recover(struct run *run, bool for_real, int64_t *found);

/* Add the permissions that a connector's steps of a pipeline need. Works offline. */
void planning_permissions(const struct job *job, const struct pipeline *pipeline,
    const struct job_plugin *connector, struct forecast *plan);

#endif
