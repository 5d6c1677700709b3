/* SPDX-License-Identifier: Apache-2.0 */
/* init() of all devices of a loop, before it runs. On the loop's thread. */
#ifndef CORE_SIMULATE_INIT_PHASE_H
#define CORE_SIMULATE_INIT_PHASE_H

struct simulate_loop;

/*
 * Make the states and run init() of all devices, some at a time: what the first ones read of the
 * glob tells what the others will, and that is read for many of them at once.
 */
void init_phase_run(struct simulate_loop *loop);

#endif
