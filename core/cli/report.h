/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `iotifyd report SUMMARY.json`: writes the report of an earlier run from its summary and its
 * series. Main thread.
 */
#ifndef CORE_CLI_REPORT_H
#define CORE_CLI_REPORT_H

#include "core/cli/options.h"
#include "core/output/html_report.h"

/* Read the summary of a run; the caller releases it. NULL after a message. */
json_t *report_read_summary(const char *path);
/* Write a report to a file, "-" for standard output, and print its name; the exit status. */
int report_save(const struct options *options, const struct html_report *report, const char *path);
/* Returns the exit status. */
int command_report(const struct options *options);

#endif
