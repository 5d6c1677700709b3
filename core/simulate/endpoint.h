/* SPDX-License-Identifier: Apache-2.0 */
/* Where devices connect when their template names no host. Main thread. */
#ifndef CORE_SIMULATE_ENDPOINT_H
#define CORE_SIMULATE_ENDPOINT_H

#include "core/plugin/call.h"
#include "core/simulate/simulation.h"

/*
 * Copy the connection settings of the template, in `arena`, into the simulation; the connector's
 * endpoint fills in a host that they omit. False after a failure of `call`. Blocks.
 */
bool endpoint_fill_in(
    struct run *run, struct simulation *simulation, struct arena *arena, struct call *call);

#endif
