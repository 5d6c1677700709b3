/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of a transport's sessions, and a check of what they say: nothing is believed. On the
 * thread of the loop.
 */
#ifndef CORE_SIMULATE_SESSION_EVENTS_H
#define CORE_SIMULATE_SESSION_EVENTS_H

#include <iotify/transport.h>

#include "core/simulate/simulate_loop.h"

extern const struct iotify_session_events session_events;

/*
 * The transport broke a rule of the contract in an operation or an event: the simulation ends, and
 * its step fails with `PluginFault`, which names the first violation.
 */
void session_events_fault(struct simulate_loop *loop, const char *operation, const char *format,
    ...) __attribute__((format(printf, 3, 4)));
/* As call_checked(), and a violation ends the simulation. */
enum iotify_result session_events_checked(struct simulate_loop *loop, struct call *call,
    const char *operation, enum iotify_result result);

#endif
