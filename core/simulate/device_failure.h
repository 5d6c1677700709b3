/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong with a device: counted by kind and location, reported to the log once per kind,
 * with everything that is known. On the thread of the device's loop.
 */
#ifndef CORE_SIMULATE_DEVICE_FAILURE_H
#define CORE_SIMULATE_DEVICE_FAILURE_H

#include "core/simulate/device.h"

void device_fail(struct device *device, const char *code, const char *text);
void device_fail_script(
    struct device *device, struct script_turn turn, const struct script_error *error);
/* An expression of a setting; `text` says where it is. */
void device_fail_expression(struct device *device, const char *text);
/* Its note of messages that went astray, made when first needed. */
struct tally_device *device_trouble(struct device *device);

#endif
