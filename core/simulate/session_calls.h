/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of the transport, for a loop and its devices: what they return is checked, the
 * thread is marked to be in the plugin, and sessions that neither connect nor close are given up.
 * On the thread of the loop.
 */
#ifndef CORE_SIMULATE_SESSION_CALLS_H
#define CORE_SIMULATE_SESSION_CALLS_H

#include "core/plugin/call.h"
#include "core/simulate/device.h"

/* Create the loop's channel; false after a message in the log. */
bool session_calls_open(struct simulate_loop *loop);
/* Free it, after all its sessions. */
void session_calls_close(struct simulate_loop *loop);

/* Create device->session; on an error it is NULL, and `call` has the reason. */
enum iotify_result session_calls_new(struct device *device, struct call *call, const void *options,
    const char *const *subscriptions, size_t count);
void session_calls_free(struct simulate_loop *loop, void *session);
/* See struct iotify_transport. They need a session. */
void session_calls_connect(struct device *device);
enum iotify_result session_calls_publish(struct device *device, struct call *call,
    const void *options, struct iotify_bytes payload, uint64_t token);
void session_calls_disconnect(struct device *device);
void session_calls_drop(struct device *device);
size_t session_calls_unwritten(const struct device *device);
/*
 * Neither connected nor closed, or not closed, in its time: a fault of the plugin. The device
 * continues as if the session had closed.
 */
void session_calls_overdue(struct device *device);

#endif
