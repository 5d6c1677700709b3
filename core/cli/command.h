/* SPDX-License-Identifier: Apache-2.0 */
/* Which function runs which command. */
#ifndef CORE_CLI_COMMAND_H
#define CORE_CLI_COMMAND_H

#include "core/cli/options.h"

/* Run what the command line asks for. The exit status. Main thread. */
int command_dispatch(const struct options *options);

#endif
