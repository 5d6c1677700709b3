/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device on AWS, made and tied together from its stored record. Every call is idempotent.
 */
#ifndef PLUGINS_AWS_DEVICE_PROVISION_H
#define PLUGINS_AWS_DEVICE_PROVISION_H

#include "plugins/aws/device/record.h"
#include "plugins/aws/instance.h"

/*
 * Make certificate, thing and all ties of a record that is RECORD_SEALED, then the record
 * RECORD_READY. When another run took the device away meanwhile, what this one made goes too.
 */
enum iotify_result provision(struct aws_instance *instance, struct iotify_call *call,
    const struct device_options *options, struct record *record);

/* The calls that provisioning takes, for estimates and plans; `count` devices. */
void provision_calls(struct iotify_call *call, const struct aws_instance *instance,
    const struct device_options *options, int64_t count);

#endif
