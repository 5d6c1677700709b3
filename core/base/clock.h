/* SPDX-License-Identifier: Apache-2.0 */
/* Time: intervals by the monotonic clock, the wall clock only for people to read. */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define SECOND INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)

/* Nanoseconds of the monotonic clock. */
int64_t clock_now(void);
/* Nanoseconds of CPU that this process has used. */
int64_t clock_cpu(void);
/* `2026-01-02T03:04:05.678Z` for the present moment; `text` needs 25 bytes. */
void clock_wall(char *text, size_t size);

/* A condition that waits on the monotonic clock. */
void clock_condition_init(pthread_cond_t *condition);
/* Wait until signalled or until `deadline` of clock_now(). */
void clock_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline);

#endif
