/* SPDX-License-Identifier: Apache-2.0 */
/* Issues the key and certificate of a device, and stores them before they can be used. */
#ifndef PLUGINS_AWS_DEVICE_ISSUER_H
#define PLUGINS_AWS_DEVICE_ISSUER_H

#include "plugins/aws/device/device_options.h"
#include "plugins/aws/device/record.h"
#include "plugins/aws/instance.h"

/*
 * Bring a record from RECORD_NONE or RECORD_INTENT to RECORD_SEALED, in the way that the setting
 * `issuer` or the stored intent prescribes. Afterwards the key, the certificate and its identifier
 * are in the record and stored; also `certificate_arn`, unless the certificate is not registered
 * at AWS yet. Blocks; called on worker threads. Errors are those of AWS, OpenSSL and the store.
 */
enum iotify_result issuer_issue(struct aws_instance *instance, struct iotify_call *call,
    const struct device_options *options, struct record *record);

#endif
