/* SPDX-License-Identifier: Apache-2.0 */
/* Creates a device on AWS from its stored record. Idempotent. */
#ifndef PLUGINS_AWS_DEVICE_PROVISION_H
#define PLUGINS_AWS_DEVICE_PROVISION_H

#include "plugins/aws/device/device_options.h"
#include "plugins/aws/device/record.h"
#include "plugins/aws/instance.h"

/*
 * Register or activate the certificate of a RECORD_SEALED record, create the thing, attach both,
 * and set the record to RECORD_READY. Blocks; called on worker threads. IOTIFY_RESULT_EXISTS: the
 * thing exists and is not this job's. IOTIFY_RESULT_CONFLICT: another run changed the record in the
 * meantime; if it removed the device, this function removes what it created, too.
 */
enum iotify_result provision(struct aws_instance *instance, struct iotify_call *call,
    const struct device_options *options, struct record *record);

/* Report the calls that provisioning `count` devices needs, for estimates and plans. */
void provision_calls(struct iotify_call *call, const struct aws_instance *instance,
    const struct device_options *options, int64_t count);

#endif
