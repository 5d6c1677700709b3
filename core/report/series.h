/* SPDX-License-Identifier: Apache-2.0 */
/* The series: a CSV table with one row of numbers per period and step. Any thread. */
#ifndef CORE_REPORT_SERIES_H
#define CORE_REPORT_SERIES_H

#include <iotify/buffer.h>

#include "core/report/live.h"

/* Append the header, or the row of a period, each as a line with its end. */
void series_header(struct iotify_buffer *out);
void series_row(const struct live *live, struct iotify_buffer *out);

/* The columns that are neither counters nor times of the summary, and their meanings. */
extern const struct tally_name series_columns[];
extern const size_t series_column_count;

#endif
