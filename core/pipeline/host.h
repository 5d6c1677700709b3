/* SPDX-License-Identifier: Apache-2.0 */
/* The host of plugin calls: what host_call() puts into a call, and where the output of scripts
 * goes. */
#ifndef CORE_PIPELINE_HOST_H
#define CORE_PIPELINE_HOST_H

#include "core/pipeline/run.h"

/*
 * Make `call` one with everything the host offers, for a plugin of the job (NULL: none). `context`
 * must live as long as the call.
 */
void host_call(struct run *run, struct call *call, struct run_context *context,
    const struct job_plugin *plugin, const char *where, struct run_counters *counters);

/* What scripts print goes to the log; a service of theirs. Any thread. */
void host_console(
    void *context, enum iotify_level level, const struct script_turn *turn, const char *text);

#endif
