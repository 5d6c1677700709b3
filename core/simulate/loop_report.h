/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a loop hands its counters to the main thread: it fills one tally while the other waits to be
 * collected.
 */
#ifndef CORE_SIMULATE_LOOP_REPORT_H
#define CORE_SIMULATE_LOOP_REPORT_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/loop/loop.h"
#include "core/report/tally.h"

struct simulate_loop;

struct loop_report {
    struct tally *tally; /* being filled; the loop's thread */
    struct tally tallies[2];
    pthread_mutex_t lock;
    struct tally *handed;  /* under the lock; NULL: the main thread has collected it */
    int64_t worked;        /* nanoseconds in which the loop did not sleep; set at its end */
    int64_t at, at_worked; /* when `busy` was last measured */
    struct iotify_timer *timer;
    /* Read by other threads. */
    _Atomic double busy;
    atomic_llong connected;
};

void loop_report_init(struct loop_report *report);
void loop_report_clear(struct loop_report *report);
/* On the loop's thread, before the first turn and after the last one. */
void loop_report_begin(struct simulate_loop *loop);
void loop_report_end(struct simulate_loop *loop);
/* On the loop's thread: move what metric.add() of scripts collected into the tally. */
void loop_report_take_metrics(struct simulate_loop *loop);
/* On the main thread: add what was handed over to `tally`. */
void loop_report_collect(struct loop_report *report, struct tally *tally);

#endif
