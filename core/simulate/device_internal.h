/* SPDX-License-Identifier: Apache-2.0 */
/* What device.c and device_connection.c share. On the thread of the device's loop. */
#ifndef CORE_SIMULATE_DEVICE_INTERNAL_H
#define CORE_SIMULATE_DEVICE_INTERNAL_H

#include "core/simulate/device.h"

/* The only function that changes the phase. */
void device_enter(struct device *device, enum device_phase phase);
/* Cancel the device's timer, if it runs. */
void device_stop_timer(struct device *device);
/* Does it wait for answers, or for a promise? */
bool device_waits(const struct device *device);
/* When the wait for answers ends, by the loop's clock; reconnects do not extend it. */
int64_t device_drain_end(const struct device *device);
bool device_out_of_time(const struct device *device);
/* Wait for the promise of message() no longer: its iteration is over. False if it does not wait. */
bool device_forget_message(struct device *device);
/* A held message was handed over: continue what waited for that. */
void device_drained_of_held(struct device *device);
/* Run finish(), unless it has run or init() did not succeed. */
void device_run_finish(struct device *device);
/* Disconnect, to be parked or for good. */
void device_leave(struct device *device);
/* Wait without a connection until a stage needs the device. */
void device_be_parked(struct device *device);
/* End the device for good, and account for what it has not sent. */
void device_be_done(struct device *device);
/*
 * End the device for good because of a failure. Its remaining messages count as one failure; none
 * after a stop request.
 */
void device_give_up(struct device *device, const char *code, const char *text);
/* Connect; without a transport, start to send. */
void device_connect(struct device *device);

#endif
