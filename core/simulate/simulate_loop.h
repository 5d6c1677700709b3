/*
 * The simulation engine: one event loop with its share of the clients, its script machine and
 * its transport engine, on a thread of its own. Engines share nothing but the plan, which nobody
 * changes, and the barrier after init.
 */
#ifndef CORE_SIMULATE_SIMULATE_LOOP_H
#define CORE_SIMULATE_SIMULATE_LOOP_H

#include "core/report/tally.h"
#include "core/simulate/simulation.h"

struct engine;

/* An engine for the clients first + share, first + share + shares, …. NULL: no resources. */
struct engine *engine_new(const struct simulation *simulation, int64_t share, int64_t shares);
/* Start the thread; false when there is none to be had. */
bool engine_start(struct engine *engine);
bool engine_finished(const struct engine *engine);
/* Connections that are open just now. */
int64_t engine_connected(const struct engine *engine);
/* The share of the last second that the loop was at work, from 0 to 1. */
double engine_busy(const struct engine *engine);
/*
 * Ask to begin no more and to finish what is in flight: `stopped` by the user, in haste, or because
 * the run is over. Any thread.
 */
void engine_end(struct engine *engine, bool stopped);
/* Since when, by clock_now(), a script is at work; 0 when none is. Any thread. */
int64_t engine_busy_since(const struct engine *engine);
/* Move what was counted since the last time into `tally`. One thread, not the engine's own. */
void engine_collect(struct engine *engine, struct tally *tally);
/*
 * Wait for the thread, and collect the rest; `busy` becomes the share of its time that the loop
 * was at work. False: it could not be set up.
 */
bool engine_join(struct engine *engine, struct tally *tally, double *busy);
void engine_free(struct engine *engine);

#endif
