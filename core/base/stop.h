/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles SIGINT, SIGTERM and SIGHUP: the first signal asks the run to finish what is in flight,
 * the second exits the process at once. The state is process-wide.
 */
#ifndef CORE_BASE_STOP_H
#define CORE_BASE_STOP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Install the signal handlers and ignore SIGPIPE. A signal that is already ignored stays ignored.
 * Call once, before any thread starts.
 */
void stop_install(void);
/* The signal that requested the stop, or 0. Any thread. */
int stop_requested(void);
/* Was the stop requested more than this time ago? Any thread. */
bool stop_overdue(int64_t nanoseconds);

#endif
