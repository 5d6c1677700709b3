/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes back to a device: acknowledgements, losses, messages of its subscriptions; and the
 * final account of its messages. On the thread of its loop; `user` is the struct device.
 */
#ifndef CORE_SIMULATE_ANSWERS_H
#define CORE_SIMULATE_ANSWERS_H

#include "core/simulate/device.h"

void answers_on_acknowledged(void *user, uint64_t token);
/* QoS 0, not written before the connection ended: no retry follows. */
void answers_on_lost(void *user, uint64_t token);
void answers_on_received(void *user, const char *topic, struct iotify_bytes payload);
/* The run is over for the device: report and count what was never heard of again. */
void answers_account(struct device *device);

#endif
