/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop of a simulation: a thread with an event loop, a share of the devices, a script context and
 * a channel of the transport. Loops share only the simulation, and a barrier after init().
 */
#ifndef CORE_SIMULATE_SIMULATE_LOOP_H
#define CORE_SIMULATE_SIMULATE_LOOP_H

#include "core/report/summary.h"
#include "core/simulate/simulation.h"

struct simulate_loop;

/*
 * Make the loop for the clients first + share, first + share + shares, … Main thread. NULL when the
 * system has no resources for it. The caller frees it with simulate_loop_free().
 */
struct simulate_loop *simulate_loop_new(
    const struct simulation *simulation, int64_t share, int64_t shares);
/* Start the thread; false when the system cannot create it. */
bool simulate_loop_start(struct simulate_loop *loop);

/* The following functions may be called by any thread except the loop's. */

bool simulate_loop_finished(const struct simulate_loop *loop);
/* Connections that are open now. */
int64_t simulate_loop_connected(const struct simulate_loop *loop);
/* The share of time in which the loop did not sleep, 0 to 1; updated every half second. */
double simulate_loop_busy(const struct simulate_loop *loop);
/*
 * Ask the loop to start no new iteration and to finish what is in flight. With `stopped`, because
 * the user interrupts the run, it waits for answers for a shorter time.
 */
void simulate_loop_end(struct simulate_loop *loop, bool stopped);
/* CPU time that the loop's thread has used, in nanoseconds; 0 when it has ended. Any thread. */
int64_t simulate_loop_cpu(const struct simulate_loop *loop);
/* The start of the running script call, by clock_now(); 0 when no script runs. */
int64_t simulate_loop_busy_since(const struct simulate_loop *loop);
/* Add what the loop has handed over since the last call to `tally`. Main thread. */
void simulate_loop_collect(struct simulate_loop *loop, struct tally *tally);
/*
 * Wait for the thread to end, and add its remaining counters to `tally`. `*busy` becomes the share
 * of its run time in which the loop did not sleep. False: it could not be set up, or its scripts
 * exceeded memory_limit.
 */
bool simulate_loop_join(struct simulate_loop *loop, struct tally *tally, double *busy);
/* After simulate_loop_join(): add what the loop has reached in each stage. */
void simulate_loop_add_stages(const struct simulate_loop *loop, struct stage_summary *stages);
/* After simulate_loop_join(), or if it never started. NULL is allowed. */
void simulate_loop_free(struct simulate_loop *loop);

#endif
