/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device removed from AWS, as its record says. Every call is idempotent.
 */
#ifndef PLUGINS_AWS_DEVICE_REMOVE_DEVICE_H
#define PLUGINS_AWS_DEVICE_REMOVE_DEVICE_H

#include "plugins/aws/device/record.h"
#include "plugins/aws/instance.h"

/*
 * Delete certificates and thing of a record from AWS, in AWS's order; what is gone already is no
 * error, and a thing that was made for another certificate stays. The record is not touched.
 */
enum iotify_result remove_device_made(
    struct aws_instance *instance, struct iotify_call *call, struct record *record);
/*
 * The whole removal: the record says DELETING, then what it names goes, then the record is a
 * tombstone. IOTIFY_UNCHANGED when it is one already.
 */
enum iotify_result remove_device_recorded(
    struct aws_instance *instance, struct iotify_call *call, struct record *record);

/* What a removal of the client's device would do, for plans. */
enum iotify_result remove_device_plan(struct aws_instance *instance, struct iotify_call *call);

/* The calls that a removal takes, for estimates and plans; `count` devices. */
void remove_device_calls(
    struct iotify_call *call, const struct aws_instance *instance, int64_t count);

/* The step `remove_device`. */
extern const struct iotify_action aws_remove_device_action;

#endif
