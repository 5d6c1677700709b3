/* SPDX-License-Identifier: Apache-2.0 */
/* When the messages of a device are due. On the thread of its loop. */
#ifndef CORE_SIMULATE_SCHEDULE_H
#define CORE_SIMULATE_SCHEDULE_H

#include "core/simulate/device.h"

/* The first message of a connection, or the next that was due while there was none. */
void schedule_begin(struct device *device);
/* The current iteration is over: the next message. */
void schedule_next(struct device *device);
/* An answer came: what waited for it is scheduled. */
void schedule_answered(struct device *device);

#endif
