/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of a run in Prometheus' text format, named by its conventions. Any thread, while no
 * other changes them.
 */
#ifndef CORE_OUTPUT_METRICS_H
#define CORE_OUTPUT_METRICS_H

#include <iotify/buffer.h>

#include "core/report/live.h"
#include "core/report/summary.h"

/* Append all of them; `live` is about the step that runs, NULL: none does. */
void metrics_write(
    const struct summary *summary, const struct live *live, struct iotify_buffer *out);

#endif
