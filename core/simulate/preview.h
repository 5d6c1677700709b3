/* SPDX-License-Identifier: Apache-2.0 */
/* The output of --preview: init(), ten messages and finish() of one client, without a network. */
#ifndef CORE_SIMULATE_PREVIEW_H
#define CORE_SIMULATE_PREVIEW_H

#include "core/pipeline/run.h"

/*
 * Run the functions of the step's template and print messages and states to standard output. The
 * glob is an empty store in memory. False when a function or an assertion failed, or after an error
 * on stderr. Main thread.
 */
bool preview_run(
    const struct job *job, struct registry *registry, const struct step *step, int64_t client);

#endif
