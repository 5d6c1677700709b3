/* SPDX-License-Identifier: Apache-2.0 */
/* `iotifyd plugins [NAME]`: the installed plugins, from their own tables. Main thread. */
#ifndef CORE_CLI_PLUGINS_H
#define CORE_CLI_PLUGINS_H

#include "core/cli/options.h"

/* Returns the exit status; errors are printed to stderr. */
int command_plugins(const struct options *options);

#endif
