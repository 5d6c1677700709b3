/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of a running job: a small HTTP server for browsers on this machine, which get the report
 * and then, as server-sent events, the rows of the series and the summary as it grows. Read-only.
 * Its functions are called on the main thread.
 */
#ifndef CORE_OUTPUT_DASHBOARD_H
#define CORE_OUTPUT_DASHBOARD_H

#include <stdbool.h>
#include <stddef.h>

struct dashboard;

/* Listen on a port of the loopback interface; as http_listen(). */
struct dashboard *dashboard_open(const char *port, const char **error);
/* Does a browser follow the job? */
bool dashboard_is_watched(struct dashboard *dashboard);
/* Add rows of the series, whole lines; the first line of all is the header. */
void dashboard_add_rows(struct dashboard *dashboard, const char *rows, size_t size);
/* Set what has changed since, as JSON: {"summary": …, "running": …}. */
void dashboard_set_state(struct dashboard *dashboard, const char *json);
/*
 * The job is over, and no browser gets anything new: give them a second to read the rest, then
 * close the port and free it. NULL is allowed.
 */
void dashboard_close(struct dashboard *dashboard);

#endif
