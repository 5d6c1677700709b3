/*
 * When may the next call of an operation go? Each operation of a connector has its own rate;
 * calls are spaced evenly, so that no second holds more than the rate allows.
 * Safe on any thread.
 */
#ifndef CORE_PIPELINE_PACER_H
#define CORE_PIPELINE_PACER_H

#include <stdint.h>

struct pacer;

/* `rate` gives the calls a second of an operation, 0 for no limit; asked once an operation. */
struct pacer *pacer_new(double (*rate)(void *argument, const char *operation), void *argument);
void pacer_free(struct pacer *pacer);

/* Take the next turn of the operation: the moment of clock_now() at which it comes. */
int64_t pacer_take(struct pacer *pacer, const char *operation, int64_t now);
/* The service asked to slow down: nobody else goes before `until`. */
void pacer_hold(struct pacer *pacer, const char *operation, int64_t until);

#endif
