/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls by which a storage changes files, as this program and the libraries that it
 * loads call them: counted, and the moments at which a process dies. Any thread.
 */
#ifndef CONFORMANCE_SYSTEM_CALLS_H
#define CONFORMANCE_SYSTEM_CALLS_H

/* How often the system was asked, by fsync() and its like, to make something durable. */
unsigned long system_calls_syncs(void);
/* From now on: before the call of this number, 1 for the next one, the process kills itself. */
void system_calls_die_at(unsigned long number);

#endif
