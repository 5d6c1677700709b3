/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at devices without changing them: for plans, and for a cleanup without the store. */
#ifndef PLUGINS_AWS_DEVICE_INSPECT_H
#define PLUGINS_AWS_DEVICE_INSPECT_H

#include "plugins/aws/device/record.h"
#include "plugins/aws/instance.h"

/* What the record of a new device would say of names. */
void inspect_wanted(const struct aws_instance *instance, const struct device_options *options,
    struct record *record);

/* In what a device that was begun differs from what the job says now. */
enum inspect_difference { DIFFERS_NOT, DIFFERS_IN_KEYS, DIFFERS_IN_THING, DIFFERS_IN_SHARED };
enum inspect_difference inspect_compare(const struct record *record, const struct record *wanted);

/* See iotify_action: plan and recover of the device step. One listing serves all clients. */
enum iotify_result inspect_plan(void *instance, struct iotify_call *call);
enum iotify_result inspect_recover(void *instance, struct iotify_call *call);

void inspect_free(struct inspect_view *view);

#endif
