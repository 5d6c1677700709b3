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
 * Install the signal handlers and ignore SIGPIPE and SIGXFSZ. A signal that is already ignored
 * stays ignored. Call once, before any thread starts.
 */
void stop_install(void);
/* The signal that requested the stop, or 0. Any thread. */
int stop_requested(void);
/*
 * Have calls that were in flight at the stop had their time, a second, so that they are to be
 * abandoned? Any thread.
 */
bool stop_cancels(void);
/* Forget a stop: for tests that continue after one. */
void stop_forget(void);
/*
 * A descriptor that becomes readable when stop_cancels() becomes true, and stays so; -1: there is
 * none. Not to be read or closed. Any thread, after stop_install().
 */
int stop_descriptor(void);

#endif
