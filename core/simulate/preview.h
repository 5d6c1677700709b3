/* SPDX-License-Identifier: Apache-2.0 */
/* What a template sends, without sending it: init() and ten messages of one client. */
#ifndef CORE_SIMULATE_PREVIEW_H
#define CORE_SIMULATE_PREVIEW_H

#include "core/pipeline/run.h"

/*
 * Print them, and each state. Nothing is connected; the glob is an empty one that ends with the
 * preview. False when a function failed, or after an error on stderr.
 */
bool preview_run(
    const struct job *job, struct registry *registry, const struct step *step, int64_t client);

#endif
