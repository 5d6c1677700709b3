/* SPDX-License-Identifier: Apache-2.0 */
/* init() of all devices of a loop, before the loop runs. On the loop's thread. */
#ifndef CORE_SIMULATE_INIT_PHASE_H
#define CORE_SIMULATE_INIT_PHASE_H

struct simulate_loop;

/*
 * Create the script states and run init() of all devices, in chunks. The glob keys that the first
 * devices read predict those of the others, which are read for a whole chunk at once.
 */
void init_phase_run(struct simulate_loop *loop);

#endif
