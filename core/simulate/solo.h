/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The output of --solo: the events of one device, printed to standard output. On the thread of its
 * loop, and only when simulation->solo is set.
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
/* The end of an iteration: print the state; and that nothing was sent, unless it sent or failed. */
void solo_state(struct device *device, bool failed);
void solo_received(struct device *device, const char *topic, struct iotify_bytes payload);
void solo_finished(struct device *device);
void solo_closed(struct device *device, const char *text);
void solo_console(struct simulate_loop *loop, enum iotify_level level, const char *text);

/*
 * Append a payload as one line: text as text, other bytes in hexadecimal; cut after 2000 bytes. Any
 * thread.
 */
void solo_payload(struct iotify_bytes payload, struct iotify_buffer *out);

#endif
