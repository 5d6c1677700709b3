/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `iotifyd glob list|get|set|delete JOB [KEY]`: the keys and values of a job's store. Main thread;
 * blocks for the store.
 */
#ifndef CORE_CLI_GLOB_H
#define CORE_CLI_GLOB_H

#include "core/cli/options.h"

/* Returns the exit status; errors are printed to stderr. */
int command_glob(const struct options *options);

#endif
