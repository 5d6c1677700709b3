/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of a device: from message() through the transport. On the thread of its loop.
 *
 * message() runs for all devices that are due in a turn of the loop, in batches. What it returned
 * is sent when the loop carries out commands, after what it asked for by calls.
 */
#ifndef CORE_SIMULATE_MESSAGE_H
#define CORE_SIMULATE_MESSAGE_H

#include "core/simulate/device.h"

/* The device's message is due: it takes part in the next batch. */
void message_due(struct device *device);
/* Run message() of those that are due, at most SCRIPT_BATCH of them. False: there was none. */
bool message_run_batch(struct simulate_loop *loop);
/* A promise of message() is settled. */
void message_settled(struct device *device, const struct script_output *output);

/* What message() returned, kept until commands are carried out. */
struct message_result {
    bool failed;     /* message() threw, or a promise was rejected */
    bool has_output; /* there is something to send */
    struct iotify_bytes payload;
};
/* The iteration is over: send the result, and schedule the next. */
void message_end(struct device *device, const struct message_result *result);
/*
 * Send one message beside the schedule: `asked` says what; its topic, quality and retention take
 * the place of the template's.
 */
void message_publish(struct device *device, const struct script_command *asked);

#endif
