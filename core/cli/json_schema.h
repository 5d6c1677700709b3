/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `iotifyd schema [job|template]`: the JSON Schema of job or template files, from the tables of
 * the core and of all plugins. Main thread.
 */
#ifndef CORE_CLI_JSON_SCHEMA_H
#define CORE_CLI_JSON_SCHEMA_H

#include "core/cli/options.h"

/* Returns the exit status; errors are printed to stderr. */
int command_schema(const struct options *options);

#endif
