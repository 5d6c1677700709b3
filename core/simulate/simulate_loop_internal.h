/* SPDX-License-Identifier: Apache-2.0 */
/* One loop with its devices, as the files of core/simulate that run on its thread share it. */
#ifndef CORE_SIMULATE_SIMULATE_LOOP_INTERNAL_H
#define CORE_SIMULATE_SIMULATE_LOOP_INTERNAL_H

#include "core/base/clock.h"
#include "core/simulate/loop_report.h"
#include "core/simulate/loop_scripts.h"
#include "core/simulate/ramp.h"
#include "core/simulate/simulate_loop.h"

/* Where settings of a message are in the transport's options; SIZE_MAX: it has none such. */
struct simulate_loop_offsets {
    size_t topic, qos, retain;
};

/* How the loop is to end. Each value includes those before it. */
enum simulate_loop_end {
    LOOP_RUNS,
    LOOP_ENDS, /* begin nothing more, finish what is in flight */
    LOOP_STOPS /* the same in haste: the user has stopped the run */
};

struct simulate_loop {
    const struct simulation *simulation;
    int64_t share, shares; /* its clients are first + share, first + share + shares, … */
    pthread_t thread;
    struct loop events;
    void *transport; /* the plugin's engine; NULL for `none` */
    const struct iotify_transport *operations;
    const void *publish_options;
    struct simulate_loop_offsets offsets;
    struct call call; /* of messages, used again and again */
    struct device *devices;
    size_t count, done;
    int64_t began;
    struct ramp ramp;
    struct loop_report report;
    struct loop_scripts scripts;
    struct iotify_timer *end_timer, *haste_timer;
    enum simulate_loop_end end_seen; /* of end_asked, as far as it was carried out */
    bool end_due;                    /* devices are to end at the end of this turn */
    bool ending;                     /* and have been told so */
    bool broken;                     /* could not be set up */
    bool overgrown;                  /* its scripts took too much memory */
    struct arena arena;
    pthread_mutex_t lock;
    bool deaf; /* under the lock: the loop is being closed and must not be woken */
    /* Written by other threads. */
    atomic_int end_asked; /* enum simulate_loop_end */
    atomic_bool finished;
};

/* The loop's clock, nanoseconds. */
int64_t simulate_loop_now(const struct simulate_loop *loop);
/* Have all devices end, at the end of this turn. */
void simulate_loop_end_devices(struct simulate_loop *loop);
/* A device is done. */
void simulate_loop_count_done(struct simulate_loop *loop);
/* Has the user stopped the run? */
bool simulate_loop_stopped(const struct simulate_loop *loop);

#endif
