/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who takes part: devices join at the connect rate as the stages of the load ask for them, and are
 * parked when there are too many; storms break connections. On the thread of the loop.
 */
#ifndef CORE_SIMULATE_RAMP_H
#define CORE_SIMULATE_RAMP_H

#include "core/loop/loop.h"

struct simulate_loop;

struct ramp {
    size_t joined; /* this many devices, from the first on, are meant to take part */
    double tokens; /* connections that the rate allows now */
    int64_t at;    /* when tokens were last counted */
    size_t stage;  /* the next to begin */
    struct iotify_timer *timer, *stage_timer;
};

/* Begin with the loop's first turn. */
void ramp_begin(struct simulate_loop *loop);
void ramp_end(struct simulate_loop *loop);
/* Is the device one of those that are meant to take part? */
bool ramp_wants(const struct simulate_loop *loop, size_t device);

#endif
