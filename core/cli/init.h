/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `iotifyd init [JOB.yaml]`: the wizard that writes a job file. Main thread; blocks for the
 * answers.
 */
#ifndef CORE_CLI_INIT_H
#define CORE_CLI_INIT_H

#include "core/cli/options.h"

/* Returns the exit status; errors are printed to stderr. */
int command_init(const struct options *options);

#endif
