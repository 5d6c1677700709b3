/* SPDX-License-Identifier: Apache-2.0 */
/* Removes a device from AWS, as recorded. Idempotent. */
#ifndef PLUGINS_AWS_DEVICE_REMOVE_DEVICE_H
#define PLUGINS_AWS_DEVICE_REMOVE_DEVICE_H

#include "plugins/aws/device/record.h"
#include "plugins/aws/instance.h"

/*
 * Delete the certificates and the thing of a record from AWS. Missing objects are not errors. A
 * thing that was created for another certificate is kept, and an adopted thing only loses what the
 * job added. Does not write the record. Blocks; any thread.
 */
enum iotify_result remove_device_made(
    struct aws_instance *instance, struct iotify_call *call, struct record *record);
/*
 * The complete removal, in stages: while AWS detaches, IOTIFY_RESULT_LATER of host->later(); the
 * caller returns it and calls this again with the call of the next stage. It sets the record to
 * RECORD_DELETING and, when everything is removed, replaces it by a tombstone. For a tombstone only
 * delete leftover glob entries: IOTIFY_RESULT_UNCHANGED when there are none. Blocks; any thread.
 */
enum iotify_result remove_device_recorded(
    struct aws_instance *instance, struct iotify_call *call, struct record *record);

/* Report in a plan what the removal of the device of this call would do. */
enum iotify_result remove_device_plan(struct aws_instance *instance, struct iotify_call *call);

/* Report the calls that removing `count` devices needs, for estimates and plans. */
void remove_device_calls(
    struct iotify_call *call, const struct aws_instance *instance, int64_t count);

/* The step `remove_device`. */
extern const struct iotify_action aws_remove_device_action;

#endif
