/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IOTIFY_PLUGIN_CHECKS=strict, for the sessions of a channel: events on a foreign thread, inside of
 * the host's calls, for no session or out of order, messages that are settled twice, and callbacks
 * that block. With the checks of the loop. On the loop's thread.
 */
#ifndef CORE_SIMULATE_SESSION_CHECKS_H
#define CORE_SIMULATE_SESSION_CHECKS_H

#include <iotify/transport.h>

#include "core/simulate/device.h"

struct session_checks;

/* Events that are checked before they are those of session_events.h. */
extern const struct iotify_session_events session_checks_events;

/* Before the channel is made; sets loop->checks, which is NULL unless the environment asks. */
void session_checks_begin(struct simulate_loop *loop);
/* After the channel is freed. */
void session_checks_end(struct simulate_loop *loop);

/*
 * What the host does with a device's session, for loops with checks: a new session was made; one is
 * about to connect, or to be ended; a message was accepted.
 */
void session_checks_made(const struct device *device);
void session_checks_connect(const struct device *device);
void session_checks_end_session(const struct device *device);
void session_checks_published(const struct device *device, uint64_t token);

#endif
