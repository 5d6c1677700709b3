/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of a device, from message() to the transport. On the thread of its loop.
 *
 * message() runs in batches, for all devices that are due in a turn of the loop. Its result is
 * queued after the commands that the call itself has queued, and sent when the loop carries out the
 * queue.
 */
#ifndef CORE_SIMULATE_MESSAGE_H
#define CORE_SIMULATE_MESSAGE_H

#include "core/simulate/device.h"

/* Queue the device for the next batch. */
struct held_message;

/* Hand a held message over: 0, or how long it has to wait again, in nanoseconds. */
int64_t message_hand_over_again(const struct held_message *held);
void message_due(struct device *device);
/* Run message() of at most SCRIPT_BATCH queued devices. False: none was ready. */
bool message_run_batch(struct simulate_loop *loop);
/* A promise of message() is settled. */
void message_settled(struct device *device, const struct script_output *output);

/* The result of message(), kept until the queue of commands is carried out. */
struct message_result {
    bool failed;     /* message() threw, or a promise was rejected */
    bool has_output; /* there is something to send */
    struct iotify_bytes payload;
    void *captured; /* the line of the capture, complete but for its outcome; NULL: none */
};
/* End the iteration: send the result, and schedule the next message. */
void message_end(struct device *device, const struct message_result *result);
/*
 * Send one message outside the schedule. The topic, QoS and retain flag that `asked` has replace
 * those of the template. A failure counts as one of the iteration, or of a response.
 */
void message_publish(struct device *device, const struct script_command *asked, bool of_iteration);
/* Send one item of the list that message() returned, unless the device is or goes offline. */
void message_return(struct device *device, const struct script_command *asked);

#endif
