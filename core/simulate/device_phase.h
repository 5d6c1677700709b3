/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The phases of a simulated device, and which one may follow which. The same diagram is in
 * docs/simulation.md; a test compares the two. Pure.
 */
#ifndef CORE_SIMULATE_DEVICE_PHASE_H
#define CORE_SIMULATE_DEVICE_PHASE_H

#include <stdbool.h>

enum device_phase {
    PHASE_WAITING,    /* for its first turn to connect */
    PHASE_CONNECTING, /* until the session is established */
    PHASE_RUNNING,    /* sends its messages */
    PHASE_PAUSING,    /* before it connects again */
    PHASE_DRAINING,   /* sends no more, waits for answers */
    PHASE_HOLDING,    /* stays connected for a while after its last message */
    PHASE_OFFLINE,    /* its script has disconnected it, and may connect it again */
    PHASE_FINISHING,  /* finish() has run; what it sent or waits for is not answered yet */
    PHASE_LEAVING,    /* disconnects; its goal says what comes then */
    PHASE_PARKED,     /* disconnected for now; a stage may want it back */
    PHASE_DONE,
    PHASES
};

/* "waiting", "connecting", … */
const char *device_phase_name(enum device_phase phase);
/* May `next` follow `phase`? */
bool device_phase_allows(enum device_phase phase, enum device_phase next);

#endif
