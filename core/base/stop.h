/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGINT, SIGTERM and SIGHUP: the first asks the run to finish what is in flight, the second
 * leaves at once. Process-wide by nature.
 */
#ifndef CORE_BASE_STOP_H
#define CORE_BASE_STOP_H

#include <stdbool.h>

/* Take the signals over, and ignore SIGPIPE. Once, before any thread starts. */
void stop_install(void);
/* The signal that asked to stop, or 0. Any thread. */
int stop_requested(void);

#endif
