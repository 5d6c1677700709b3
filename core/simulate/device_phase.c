/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/device_phase.h"

#define TO(phase) (1u << PHASE_##phase)

static const struct {
    const char *name;
    unsigned next;
} device_phases[PHASES] = {
    [PHASE_WAITING] = {"waiting", TO(CONNECTING) | TO(RUNNING) | TO(DONE)},
    [PHASE_CONNECTING] = {"connecting",
        TO(RUNNING) | TO(PAUSING) | TO(FINISHING) | TO(LEAVING) | TO(DONE)},
    [PHASE_RUNNING] = {"running",
        TO(PAUSING) | TO(DRAINING) | TO(FINISHING) | TO(LEAVING) | TO(DONE)},
    [PHASE_PAUSING] = {"pausing", TO(CONNECTING) | TO(PARKED) | TO(DONE)},
    [PHASE_DRAINING] = {"draining", TO(RUNNING) | TO(PAUSING) | TO(HOLDING) | TO(FINISHING) |
                                        TO(LEAVING) | TO(PARKED) | TO(DONE)},
    [PHASE_HOLDING] = {"holding", TO(PAUSING) | TO(FINISHING) | TO(LEAVING) | TO(DONE)},
    [PHASE_OFFLINE] = {"offline", TO(CONNECTING) | TO(PARKED) | TO(DONE)},
    [PHASE_FINISHING] = {"finishing", TO(LEAVING) | TO(DONE)},
    [PHASE_LEAVING] = {"leaving", TO(OFFLINE) | TO(PARKED) | TO(DONE)},
    [PHASE_PARKED] = {"parked", TO(CONNECTING) | TO(RUNNING) | TO(DONE)},
    [PHASE_DONE] = {"done", 0},
};

const char *device_phase_name(enum device_phase phase)
{
    return device_phases[phase].name;
}

bool device_phase_allows(enum device_phase phase, enum device_phase next)
{
    return device_phases[phase].next & 1u << next;
}
