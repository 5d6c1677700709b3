/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures of a device: counted by code and location. The first of each kind in the run is logged,
 * script errors with excerpt and stack. On the thread of the device's loop.
 */
#ifndef CORE_SIMULATE_DEVICE_FAILURE_H
#define CORE_SIMULATE_DEVICE_FAILURE_H

#include "core/simulate/device.h"

/* Count a failure of the device under `code`, with `text` (copied) for the first one. */
void device_fail(struct device *device, const char *code, const char *text);
/* Count an error of a script in the given turn. */
void device_fail_script(
    struct device *device, struct script_turn turn, const struct script_error *error);
/* An expression of a setting failed; `text` includes its location. */
void device_fail_expression(struct device *device, const char *text);
/* Its counters of lost, duplicate, reordered and late messages; made on first use. */
struct tally_device *device_trouble(struct device *device);

#endif
