/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When may the next call of an operation go, and may a failed one be repeated? Each operation of a
 * connector has a rate of its own; calls are spaced evenly, so that no second holds more than the
 * rate allows. A rate that is the account's limit is kept to; one that is a guess grows while it
 * is used up and nothing is throttled. Either falls by a third when a call is throttled, at most
 * once for the calls that were under way together. Safe on any thread.
 */
#ifndef CORE_PIPELINE_PACER_H
#define CORE_PIPELINE_PACER_H

#include <stdbool.h>
#include <stdint.h>

struct pacer;

/*
 * `rate` gives the calls a second of an operation, 0 for no limit, and whether that is known; asked
 * once an operation, when it is first used.
 */
struct pacer *pacer_new(
    double (*rate)(void *argument, const char *operation, bool *known), void *argument);
void pacer_free(struct pacer *pacer);

/* Take the next turn of the operation: the moment of clock_now() at which it comes. */
int64_t pacer_take(struct pacer *pacer, const char *operation, int64_t now);
/* A call that went at `started` was answered: throttled or not. */
void pacer_report(struct pacer *pacer, const char *operation, int64_t started, bool throttled);
/* The service asked to slow down: nobody else goes before `until`. */
void pacer_hold(struct pacer *pacer, const char *operation, int64_t until);
/* Calls a second at present; 0: no limit. */
double pacer_rate(struct pacer *pacer, const char *operation);
/* A rate for people: "0.5/s", "15/s", "10000/s". */
#define PACER_RATE_SIZE 24
void pacer_format(double rate, char text[PACER_RATE_SIZE]);

/*
 * The budget of repeats after failures other than throttling, shared by all operations: calls that
 * succeed earn it, so that a service in trouble is not buried under repeats. False: it is used up.
 */
bool pacer_may_repeat(struct pacer *pacer);
void pacer_earn(struct pacer *pacer);

#endif
