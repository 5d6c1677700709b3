/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One device under the magnifying glass: what it does, as it does it, on the standard output. All
 * on the thread of its loop, and only where plan->solo is set.
 */
#ifndef CORE_SIMULATE_SOLO_H
#define CORE_SIMULATE_SOLO_H

#include "core/simulate/device.h"

void solo_started(struct device *device); /* init() is done */
void solo_connected(struct device *device, const struct iotify_connect_times *times);
void solo_message(struct device *device, const void *options, struct iotify_bytes payload);
void solo_acknowledged(struct device *device, int64_t intended);
/* message() has failed. */
void solo_error(struct device *device, const struct script_error *error);
/* The end of an iteration: the state, and whether it sent anything or failed. */
void solo_state(struct device *device, bool sent);
void solo_received(struct device *device, const char *topic, struct iotify_bytes payload);
void solo_finished(struct device *device);
void solo_closed(struct device *device, const char *text);
void solo_console(struct simulate_loop *loop, enum iotify_level level, const char *text);

/* A payload on one line: text as it is, other bytes in hexadecimal; long ones are cut. */
void solo_payload(struct iotify_bytes payload, struct iotify_buffer *out);

#endif
