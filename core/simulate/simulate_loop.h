/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop of a simulation: one event loop with its share of the clients, a script context and a
 * transport of its own, on its own thread. Loops share nothing but the simulation, which does not
 * change, and the barrier after init.
 */
#ifndef CORE_SIMULATE_SIMULATE_LOOP_H
#define CORE_SIMULATE_SIMULATE_LOOP_H

#include "core/report/tally.h"
#include "core/simulate/simulation.h"

struct simulate_loop;

/*
 * A loop for the clients first + share, first + share + shares, …. NULL: the system has no
 * resources for it. Free it with simulate_loop_free().
 */
struct simulate_loop *simulate_loop_new(
    const struct simulation *simulation, int64_t share, int64_t shares);
/* Start the thread; false when the system has none. */
bool simulate_loop_start(struct simulate_loop *loop);

/* The following are for any thread but the loop's. */

bool simulate_loop_finished(const struct simulate_loop *loop);
/* Connections that are open now. */
int64_t simulate_loop_connected(const struct simulate_loop *loop);
/* The share of the last second in which the loop was at work, from 0 to 1. */
double simulate_loop_busy(const struct simulate_loop *loop);
/*
 * Ask it to begin nothing more and to finish what is in flight: because the run is over, or, with
 * `stopped`, because the user wants it to stop soon.
 */
void simulate_loop_end(struct simulate_loop *loop, bool stopped);
/* Since when, by clock_now(), a script runs; 0 when none does. */
int64_t simulate_loop_busy_since(const struct simulate_loop *loop);
/* Move what was counted since the last call into `tally`. One thread. */
void simulate_loop_collect(struct simulate_loop *loop, struct tally *tally);
/*
 * Wait for the thread and collect the rest; `busy` becomes the share of its time in which the loop
 * was at work. False: it could not be set up, or took too much memory.
 */
bool simulate_loop_join(struct simulate_loop *loop, struct tally *tally, double *busy);
void simulate_loop_free(struct simulate_loop *loop);

#endif
