/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The IAM permissions that the steps need, reported with host->permit(). Offline; safe on any
 * thread inside a call.
 */
#ifndef PLUGINS_AWS_IAM_PERMISSIONS_H
#define PLUGINS_AWS_IAM_PERMISSIONS_H

#include "plugins/aws/device/device_options.h"
#include "plugins/aws/instance.h"

/* Needed by every run: to read the account, its quotas and its endpoint for devices. */
void iam_permissions_connector(struct iotify_call *call);
/*
 * Report `actions` (without the prefix "iot:", ends with NULL) on the resource `resource` of the
 * type `kind`, in which expressions become "*". `kind` NULL: on any resource.
 */
void iam_permissions_add(struct iotify_call *call, const struct aws_instance *instance,
    const char *const *actions, const char *kind, const char *resource);
/* Needed to create devices. */
void iam_permissions_device(struct iotify_call *call, const struct aws_instance *instance,
    const struct device_options *options);
/* Needed to remove devices. */
void iam_permissions_removal(struct iotify_call *call, const struct aws_instance *instance);

#endif
