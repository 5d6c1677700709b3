/* SPDX-License-Identifier: Apache-2.0 */
/* What the caller of a step must be allowed to do, by IAM's actions and resources. Offline. */
#ifndef PLUGINS_AWS_IAM_PERMISSIONS_H
#define PLUGINS_AWS_IAM_PERMISSIONS_H

#include "plugins/aws/instance.h"

/* Each run: who am I, what are my quotas, and where do devices connect. */
void iam_permissions_connector(struct iotify_call *call);
/* `actions` without the prefix "iot:", ends with NULL; NULL `resource`: any. */
void iam_permissions_add(struct iotify_call *call, const struct aws_instance *instance,
    const char *const *actions, const char *kind, const char *resource);
/* What making a device takes. */
void iam_permissions_device(struct iotify_call *call, const struct aws_instance *instance,
    const struct device_options *options);
/* What taking devices away takes. */
void iam_permissions_removal(struct iotify_call *call, const struct aws_instance *instance);

#endif
