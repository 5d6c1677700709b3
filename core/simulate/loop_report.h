/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a loop has counted, on its way to the main thread: one tally is filled while another waits
 * to be taken.
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
    struct tally *handed;  /* under the lock: NULL when it was taken */
    int64_t worked;        /* nanoseconds in which the loop did not sleep, at its end */
    int64_t at, at_worked; /* when the share of work was last measured */
    struct iotify_timer *timer;
    /* Read by other threads. */
    _Atomic double busy;
    atomic_llong connected;
};

void loop_report_init(struct loop_report *report);
void loop_report_clear(struct loop_report *report);
/* The loop's thread: begin with its first turn, end after its last. */
void loop_report_begin(struct simulate_loop *loop);
void loop_report_end(struct simulate_loop *loop);
/* Count what metric.add() of scripts has collected. */
void loop_report_take_metrics(struct simulate_loop *loop);
/* Another thread: move what was handed over into `tally`. */
void loop_report_collect(struct loop_report *report, struct tally *tally);

#endif
