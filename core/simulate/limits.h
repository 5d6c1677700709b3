/* SPDX-License-Identifier: Apache-2.0 */
/* System limits of one process: file descriptors, and local ports. Main thread. */
#ifndef CORE_SIMULATE_LIMITS_H
#define CORE_SIMULATE_LIMITS_H

#include <stdint.h>

/* Raise the process's soft limit of file descriptors to its hard limit. */
void limits_raise(void);
/*
 * Log a warning, and how to raise the limit, when `sessions` simultaneous connections exceed a
 * limit of this system. `where` is for the log.
 */
void limits_check(const char *where, int64_t sessions);

#endif
