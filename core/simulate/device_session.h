/* SPDX-License-Identifier: Apache-2.0 */
/* The transport's session of a device. On the thread of its loop. */
#ifndef CORE_SIMULATE_DEVICE_SESSION_H
#define CORE_SIMULATE_DEVICE_SESSION_H

#include "core/plugin/call.h"
#include "core/simulate/device.h"

/*
 * Create device->session, with the expressions of connection settings and subscriptions evaluated
 * for the device. On failure `call` has the reason.
 */
enum iotify_result device_session_new(struct device *device, struct call *call);
/* Count a connection that is established. */
void device_session_count_connect(struct device *device, const struct iotify_connect_times *times);

#endif
