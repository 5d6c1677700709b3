/* SPDX-License-Identifier: Apache-2.0 */
/* The proof, by listings, that nothing is left of removed devices. */
#ifndef PLUGINS_AWS_DEVICE_VERIFY_REMOVAL_H
#define PLUGINS_AWS_DEVICE_VERIFY_REMOVAL_H

#include "plugins/aws/instance.h"

/*
 * Show by listings that nothing is left of what tombstones name, then delete them. Of what is left
 * the records say DELETING again; `left` is how many these are. Call of the job.
 */
enum iotify_result verify_removal(
    struct aws_instance *instance, struct iotify_call *call, size_t *left);
/* The same at the end of a removal, where anything left is a failure. */
enum iotify_result verify_removal_conclude(struct aws_instance *instance, struct iotify_call *call);

#endif
