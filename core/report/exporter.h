/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers for Prometheus: a small HTTP server that gives out the text that it was given last. */
#ifndef CORE_REPORT_EXPORTER_H
#define CORE_REPORT_EXPORTER_H

#include <iotify/buffer.h>

struct exporter;

/*
 * Listen on `address`: "9100", for this machine alone, or "0.0.0.0:9100". Port 0 is any; the log
 * tells which. NULL after `*error` was set, one line.
 */
struct exporter *exporter_open(const char *address, const char **error);
/* From now on this is the answer to GET /metrics. The text is copied. */
void exporter_set(struct exporter *exporter, const struct iotify_buffer *text);
void exporter_close(struct exporter *exporter);

#endif
