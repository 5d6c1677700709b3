/* SPDX-License-Identifier: Apache-2.0 */
/* The transport's session of a device. On the thread of its loop. */
#ifndef CORE_SIMULATE_DEVICE_SESSION_H
#define CORE_SIMULATE_DEVICE_SESSION_H

#include "core/plugin/call.h"
#include "core/simulate/device.h"

/*
 * Make the session, with the device's values put into the expressions of the connection settings
 * and the subscriptions. On failure `call` says why.
 */
enum iotify_result device_session_new(struct device *device, struct call *call);
/* Count a connection that is ready. */
void device_session_count_connect(struct device *device, const struct iotify_connect_times *times);

#endif
