/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `iotifyd report SUMMARY.json`: writes the report of an earlier run from its summary and its
 * series. Main thread.
 */
#ifndef CORE_CLI_REPORT_H
#define CORE_CLI_REPORT_H

#include "core/cli/options.h"

/* Returns the exit status. */
int command_report(const struct options *options);

#endif
