/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paces the calls of a connector and limits retries. Each operation has its own rate; calls are
 * spaced evenly, so that no second has more calls than the rate allows. A rate that is a known
 * limit of the account is never exceeded; an estimated rate grows while it is fully used and no
 * call is throttled. Both fall by a third when a call is throttled, at most once for calls that
 * were in flight together. Safe on any thread.
 */
#ifndef CORE_PIPELINE_PACER_H
#define CORE_PIPELINE_PACER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/report/summary.h"

struct pacer;

/*
 * `rate` returns the calls per second of an operation, 0 for no limit, and sets `known` when that
 * is a limit of the account. It is called once per operation, on first use; `rate` may be NULL: no
 * limits.
 */
struct pacer *pacer_new(
    double (*rate)(void *argument, const char *operation, bool *known), void *argument);
void pacer_free(struct pacer *pacer);

/* Reserve the next turn of the operation; returns its time, in nanoseconds of clock_now(). */
int64_t pacer_take(struct pacer *pacer, const char *operation, int64_t now);
/* Report the answer to a call that was sent at `started`: throttled or not. */
void pacer_report(struct pacer *pacer, const char *operation, int64_t started, bool throttled);
/* The service asked to slow down: no call of the operation goes before `until`. */
void pacer_hold(struct pacer *pacer, const char *operation, int64_t until);
/* The call that was sent last failed, and will be repeated. */
void pacer_repeat(struct pacer *pacer, const char *operation);
/*
 * Add the calls since the last time to the entries of a list, or to its end, by the order of their
 * first use; entries and texts live in the arena.
 */
void pacer_take_counts(struct pacer *pacer, struct arena *arena, struct call_summary **list);
/* The current rate in calls per second; 0: no limit. */
double pacer_rate(struct pacer *pacer, const char *operation);
/* Format a rate for messages: "0.5/s", "15/s", "10000/s". */
#define PACER_RATE_SIZE 24
void pacer_format(double rate, char text[PACER_RATE_SIZE]);

/*
 * The budget of retries after failures other than throttling, shared by all operations. Successful
 * calls add to it, so that a failing service does not get many retries. False when it is used up.
 */
bool pacer_may_repeat(struct pacer *pacer);
void pacer_earn(struct pacer *pacer);

#endif
