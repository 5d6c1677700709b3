/* SPDX-License-Identifier: Apache-2.0 */
/* struct simulate_loop, for the files of core/simulate that run on the loop's thread. */
#ifndef CORE_SIMULATE_SIMULATE_LOOP_INTERNAL_H
#define CORE_SIMULATE_SIMULATE_LOOP_INTERNAL_H

#include "core/base/clock.h"
#include "core/simulate/backlog.h"
#include "core/simulate/held.h"
#include "core/simulate/loop_report.h"
#include "core/simulate/loop_scripts.h"
#include "core/simulate/ramp.h"
#include "core/simulate/simulate_loop.h"

/* Offsets of settings in the transport's options; SIZE_MAX: it has no such setting. */
struct simulate_loop_offsets {
    size_t topic, qos, retain; /* of a message */
    size_t timeout;            /* of a connection */
};

/* How the loop has been asked to end. Each value includes those before it. */
enum simulate_loop_end {
    LOOP_RUNS,
    LOOP_ENDS, /* start no new iteration, finish what is in flight */
    LOOP_STOPS /* the same, with a shorter wait: the user interrupts the run */
};

struct simulate_loop_session {
    void *session;
    struct simulate_loop_session *next;
};

struct simulate_loop {
    const struct simulation *simulation;
    int64_t share, shares; /* its clients are first + share, first + share + shares, … */
    pthread_t thread;
    struct loop events;
    void *channel; /* of the transport plugin; NULL for `none` */
    const struct iotify_transport *operations;
    struct session_checks *checks; /* NULL: without strict checks */
    const void *publish_options;
    struct simulate_loop_offsets offsets;
    int64_t patience; /* nanoseconds for a session to connect, and to close */
    struct call call; /* reused for each message */
    struct device *devices;
    size_t count, done;
    int64_t began;
    int64_t begun;    /* iterations */
    size_t explained; /* devices whose failures are kept */
    struct ramp ramp;
    struct backlog backlog;
    struct held held;
    struct simulate_loop_session *freed_later;
    struct cause_topics *topics; /* NULL: scripts have named none */
    size_t causes;               /* looked for so far */
    struct loop_report report;
    struct loop_scripts scripts;
    struct iotify_timer *end_timer, *haste_timer;
    unsigned haste; /* device_hurry(), device_abort() and device_force() that were called for all */
    enum simulate_loop_end end_seen; /* the value of end_asked that was handled last */
    bool end_due;                    /* devices end at the end of this turn */
    bool ending;                     /* device_end() was called for all devices */
    bool solo_sent;                  /* with --solo: the current iteration has sent something */
    bool broken;                     /* could not be set up */
    bool overgrown;                  /* its scripts exceeded memory_limit */
    struct arena arena;
    pthread_mutex_t lock;
    bool deaf; /* under the lock: the loop is closing and must not be woken */
    /* Shared with other threads. */
    atomic_int end_asked; /* enum simulate_loop_end */
    atomic_bool finished;
};

/* The loop's clock, nanoseconds. */
int64_t simulate_loop_now(const struct simulate_loop *loop);
/* Free a session at the end of this turn: it cannot be freed inside one of its events. */
void simulate_loop_free_later(struct simulate_loop *loop, void *session);
/* Call device_end() for all devices at the end of this turn. */
void simulate_loop_end_devices(struct simulate_loop *loop);
/* Count a device that is done; the last one stops the loop. */
void simulate_loop_count_done(struct simulate_loop *loop);
/* Has the user stopped the run? */
bool simulate_loop_stopped(const struct simulate_loop *loop);

#endif
