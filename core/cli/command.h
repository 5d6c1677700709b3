/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the command that the command line names. */
#ifndef CORE_CLI_COMMAND_H
#define CORE_CLI_COMMAND_H

#include "core/cli/options.h"

/* Run the command, --help or --version. Returns the exit status. Main thread. */
int command_dispatch(const struct options *options);

#endif
