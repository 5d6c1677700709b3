/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drift: differences between what a READY record says and what AWS has, because somebody changed
 * the account, or the store was restored from a backup.
 */
#ifndef PLUGINS_AWS_DEVICE_DRIFT_H
#define PLUGINS_AWS_DEVICE_DRIFT_H

#include "plugins/aws/device/account_view.h"
#include "plugins/aws/device/device_options.h"

/* What differs; a set. */
enum drift {
    DRIFT_THING = 1,       /* the thing does not exist, or is not that of the record */
    DRIFT_CERTIFICATE = 2, /* the certificate does not exist */
    DRIFT_STATUS = 4,      /* it is not ACTIVE */
    DRIFT_POLICY = 8,      /* it does not have the policy */
    DRIFT_ATTACHMENT = 16, /* it is not attached to the thing; no listing shows this */
    DRIFT_GROUP = 32       /* the thing is not in the group */
};

/* Load the listings that drift_find() needs, if a device has a READY record. Main thread; blocks.
 */
enum iotify_result drift_prepare(
    struct aws_instance *instance, struct iotify_call *call, const struct record *wanted);
/* The drift of a READY record, as the listings show it. Any thread. */
unsigned drift_find(const struct aws_instance *instance, const struct record *record);
/* The drift in words, in the call's arena: "the thing and the policy". */
const char *drift_words(struct iotify_call *call, unsigned drift);

/*
 * Compare a READY record with AWS and repair the device, as the host's repair mode allows.
 * IOTIFY_RESULT_UNCHANGED without drift, IOTIFY_RESULT_OK after a repair, IOTIFY_RESULT_CONFLICT
 * for a drift that is not repaired. With `*replace` (and IOTIFY_RESULT_OK) nothing was changed: the
 * device cannot be repaired, and has to be removed and created anew. Blocks; any thread.
 */
enum iotify_result drift_settle(struct aws_instance *instance, struct iotify_call *call,
    const struct device_options *options, struct record *record, bool *replace);

#endif
