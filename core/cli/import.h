/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `iotifyd import FILE.json`: writes a template and a job from a template that IoTIFY has exported.
 * Main thread.
 */
#ifndef CORE_CLI_IMPORT_H
#define CORE_CLI_IMPORT_H

#include "core/cli/options.h"

/* Returns the exit status; what could not be carried over is printed with its reason. */
int command_import(const struct options *options);

#endif
