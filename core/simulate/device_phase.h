/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The phases of a simulated device, and which phase may follow which. A diagram in
 * docs/simulation.md shows the same; a test compares them. Pure functions.
 */
#ifndef CORE_SIMULATE_DEVICE_PHASE_H
#define CORE_SIMULATE_DEVICE_PHASE_H

#include <stdbool.h>

enum device_phase {
    PHASE_WAITING,    /* until it may connect for the first time */
    PHASE_CONNECTING, /* until the session is established */
    PHASE_RUNNING,    /* sends its messages */
    PHASE_PAUSING,    /* before it connects again */
    PHASE_DRAINING,   /* sends no more, waits for answers */
    PHASE_HOLDING,    /* stays connected for a while after its last message */
    PHASE_OFFLINE,    /* its script has disconnected it, and may connect it again */
    PHASE_FINISHING,  /* finish() has run; it waits for answers or promises */
    PHASE_LEAVING,    /* disconnects; its goal says what follows */
    PHASE_PARKED,     /* disconnected; a stage may need it again */
    PHASE_DONE,
    PHASES
};

/* "waiting", "connecting", … */
const char *device_phase_name(enum device_phase phase);
/* May `next` follow `phase`? */
bool device_phase_allows(enum device_phase phase, enum device_phase next);

#endif
