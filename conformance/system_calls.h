/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of the C library by which a storage changes files, as this program and the
 * libraries that it loads call them: what is not yet on the disk, the moments at which a process
 * dies, and a disk that fails. What goes past them (stdio, io_uring, system calls of one's own, a
 * server) is not seen. Any thread.
 */
#ifndef CONFORMANCE_SYSTEM_CALLS_H
#define CONFORMANCE_SYSTEM_CALLS_H

#include <stdbool.h>

/* Forget which files and folders have changed. */
void system_calls_forget(void);
/* How many have changed since then, or were synced. */
unsigned long system_calls_seen(void);
/* Whether one has changed since then that was not synced after its last change. */
bool system_calls_unsynced(void);

/* From now on: before the call of this number, 1 for the next one, the process kills itself. */
void system_calls_die_at(unsigned long number);

/*
 * From now on: the call of this number, 1 for the next one, fails with this error; 0: a write
 * writes half. A number of 0 ends this.
 */
void system_calls_fail_at(unsigned long number, int error);
/* Whether that call has come. */
bool system_calls_failed(void);

#endif
