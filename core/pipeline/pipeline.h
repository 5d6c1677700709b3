/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines, step after step, and the clients that a step is for. */
#ifndef CORE_PIPELINE_PIPELINE_H
#define CORE_PIPELINE_PIPELINE_H

#include "core/pipeline/run.h"

/* "device" or "job", for the summary. */
const char *pipeline_scope_name(const struct step *step);
/* For whom a step's action is; a list in the call's arena. */
enum iotify_result pipeline_list_clients(struct run *run, const struct step *step,
    struct call *call, const int64_t **clients, size_t *count);

/* Clients that have a record and are not in the job, ascending; in the call's arena. */
size_t pipeline_list_surplus(
    struct run *run, const struct step *step, struct call *call, int64_t **clients);

/* Run one pipeline; false when a step failed or a stop was requested. */
bool pipeline_run(struct run *run, const struct pipeline *pipeline);

#endif
