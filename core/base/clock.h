/* SPDX-License-Identifier: Apache-2.0 */
/* Time: the monotonic clock for intervals, the wall clock for texts. Any thread. */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define SECOND INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)

/* The monotonic clock, in nanoseconds. */
int64_t clock_now(void);
/* CPU time used by this process, in nanoseconds. */
int64_t clock_cpu(void);
/* Write the current UTC time as `2026-01-02T03:04:05.678Z`; `text` needs 25 bytes. */
void clock_wall(char *text, size_t size);

/* Initialise a condition variable that waits on the monotonic clock. */
void clock_condition_init(pthread_cond_t *condition);
/*
 * Wait until signalled or until clock_now() reaches `deadline` (ns); may wake early. Needs `mutex`.
 */
void clock_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline);

#endif
