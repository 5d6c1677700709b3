/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `iotifyd compare OLD.json NEW.json`: prints what changed between two runs, and judges limits.
 * Main thread.
 */
#ifndef CORE_CLI_COMPARE_H
#define CORE_CLI_COMPARE_H

#include "core/cli/options.h"

/* Returns the exit status. */
int command_compare(const struct options *options);

#endif
