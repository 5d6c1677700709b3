/* SPDX-License-Identifier: Apache-2.0 */
/* Inspects devices without changing them: for plans, and for a cleanup without the store. */
#ifndef PLUGINS_AWS_DEVICE_INSPECT_H
#define PLUGINS_AWS_DEVICE_INSPECT_H

#include "plugins/aws/device/device_options.h"
#include "plugins/aws/device/record.h"
#include "plugins/aws/instance.h"

/* Set `record` to the names that the record of a new device would have. */
void inspect_wanted(const struct aws_instance *instance, const struct device_options *options,
    struct record *record);

/* Compare the names in an existing record with those of the job; the first difference. */
enum inspect_difference { DIFFERS_NOT, DIFFERS_IN_KEYS, DIFFERS_IN_THING, DIFFERS_IN_SHARED };
enum inspect_difference inspect_compare(const struct record *record, const struct record *wanted);

/*
 * plan() and recover() of the device step, see iotify_action. The first call lists the account; all
 * devices use that listing. Main thread; block.
 */
enum iotify_result inspect_plan(void *instance, struct iotify_call *call);
enum iotify_result inspect_recover(void *instance, struct iotify_call *call);

#endif
