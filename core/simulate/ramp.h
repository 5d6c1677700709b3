/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The number of devices that take part: they join at the connect rate, up to the number of the load
 * profile, and are parked above it; storms break connections. On the thread of the loop.
 */
#ifndef CORE_SIMULATE_RAMP_H
#define CORE_SIMULATE_RAMP_H

#include "core/loop/loop.h"

struct simulate_loop;

/* What the loop has reached in a stage. */
struct ramp_stage {
    int64_t messages; /* iterations that began in it */
    int64_t clients;  /* connected at its end */
};

struct ramp {
    size_t joined;             /* this many devices, from the first on, take part */
    double tokens;             /* connections that the connect rate allows now */
    int64_t at;                /* when tokens were last added */
    size_t stage;              /* the next stage to begin */
    size_t ended;              /* this many have ended */
    int64_t begun;             /* iterations that the loop had begun when the current stage began */
    struct ramp_stage *stages; /* NULL: there are none */
    struct iotify_timer *timer, *stage_timer;
};

/* Start before the loop's first turn, end after its last one. */
void ramp_begin(struct simulate_loop *loop);
void ramp_end(struct simulate_loop *loop);
/* The current stage ends, if there is one: note what was reached. */
void ramp_end_stage(struct simulate_loop *loop);
/* Does the device with this index in the loop take part? */
bool ramp_wants(const struct simulate_loop *loop, size_t device);

#endif
