/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics for Prometheus: a small HTTP server that answers with the text that was set last. */
#ifndef CORE_OUTPUT_EXPORTER_H
#define CORE_OUTPUT_EXPORTER_H

#include <iotify/buffer.h>

struct exporter;

/*
 * Listen on `address`: "9100", for this machine alone, or "0.0.0.0:9100". Port 0 lets the system
 * choose; the log has the port. On failure NULL, and `*error` is one line, not to be freed.
 */
struct exporter *exporter_open(const char *address, const char **error);
/* Set the answer to GET /metrics. The text is copied. Any thread. */
void exporter_set(struct exporter *exporter, const struct iotify_buffer *text);
/* Stop the server and free it. NULL is allowed. */
void exporter_close(struct exporter *exporter);

#endif
