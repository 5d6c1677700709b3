/* SPDX-License-Identifier: Apache-2.0 */
/* When the messages of a device are due. On the thread of its loop. */
#ifndef CORE_SIMULATE_SCHEDULE_H
#define CORE_SIMULATE_SCHEDULE_H

#include "core/simulate/device.h"

/* After connecting: schedule the first message, or the one that was due while disconnected. */
void schedule_begin(struct device *device);
/* After an iteration: schedule the next message, or drain the device. */
void schedule_next(struct device *device);
/* After an iteration that is the device's last: the next message is due, and will not be begun. */
void schedule_advance(struct device *device);
/* How many messages the schedule intended for the device that were not begun, when it is done. */
int64_t schedule_dropped(const struct device *device);
/* After an acknowledgement: schedule the message that waited for it. */
void schedule_answered(struct device *device);

#endif
