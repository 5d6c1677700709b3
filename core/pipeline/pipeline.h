/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the steps of a pipeline, and lists the clients that a step is for. Main thread. */
#ifndef CORE_PIPELINE_PIPELINE_H
#define CORE_PIPELINE_PIPELINE_H

#include "core/pipeline/run.h"

/* "device" or "job", for the summary. */
const char *pipeline_scope_name(const struct step *step);
/* The clients that a step's action applies to, in the call's arena; -1 for the job as a whole. */
enum iotify_result pipeline_list_clients(struct run *run, const struct step *step,
    struct call *call, const int64_t **clients, size_t *count);

/*
 * The clients that have a record but are not in the job, ascending, in the call's arena. 0 also
 * when the store fails.
 */
size_t pipeline_list_surplus(
    struct run *run, const struct step *step, struct call *call, int64_t **clients);

/* Run one pipeline; false when a step failed or a stop was requested. */
bool pipeline_run(struct run *run, const struct pipeline *pipeline);

#endif
