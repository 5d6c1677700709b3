/* SPDX-License-Identifier: Apache-2.0 */
/* The host functions for plugin calls inside a run, and the console output of scripts. */
#ifndef CORE_PIPELINE_HOST_H
#define CORE_PIPELINE_HOST_H

#include "core/pipeline/run.h"

/*
 * Initialise `call` with all host functions, for a plugin of the job (NULL: none). `context` must
 * live as long as the call. End it with call_clear().
 */
void host_call(struct run *run, struct call *call, struct run_context *context,
    const struct job_plugin *plugin, const char *where, struct run_counters *counters);

/* Write console output of scripts to the log; see script_services.console. Any thread. */
void host_console(
    void *context, enum iotify_level level, const struct script_turn *turn, const char *text);

#endif
