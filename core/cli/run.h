/* SPDX-License-Identifier: Apache-2.0 */
/* `iotifyd JOB.yaml [PIPELINE…]`, with --check, --print, --plan, --preview and --solo. */
#ifndef CORE_CLI_RUN_H
#define CORE_CLI_RUN_H

#include "core/cli/options.h"

/* Returns the exit status; errors are printed to stderr. Main thread. */
int command_run(const struct options *options);

#endif
