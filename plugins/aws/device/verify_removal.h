/* SPDX-License-Identifier: Apache-2.0 */
/* Verifies with listings of the account that removed devices no longer exist. */
#ifndef PLUGINS_AWS_DEVICE_VERIFY_REMOVAL_H
#define PLUGINS_AWS_DEVICE_VERIFY_REMOVAL_H

#include "plugins/aws/instance.h"

/*
 * List certificates and things, and delete the tombstones of devices that are not listed. Set the
 * records of devices that are still listed to RECORD_DELETING; `left` is their number. Blocks. Main
 * thread, in a call for the whole job.
 */
enum iotify_result verify_removal(
    struct aws_instance *instance, struct iotify_call *call, size_t *left);
/*
 * The same at the end of a removal: IOTIFY_RESULT_FAILED when a device is still listed. With `all`
 * every device of the job was to be removed: then also when things of the job remain that no record
 * names.
 */
enum iotify_result verify_removal_conclude(
    struct aws_instance *instance, struct iotify_call *call, bool all);

#endif
