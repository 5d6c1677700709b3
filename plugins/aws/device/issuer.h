/* SPDX-License-Identifier: Apache-2.0 */
/* How a device gets its key and certificate, stored before anything can connect with them. */
#ifndef PLUGINS_AWS_DEVICE_ISSUER_H
#define PLUGINS_AWS_DEVICE_ISSUER_H

#include "plugins/aws/device/record.h"
#include "plugins/aws/instance.h"

/*
 * From RECORD_NONE, RECORD_TOMBSTONE or RECORD_INTENT to RECORD_SEALED, in the way that the
 * settings or the intent say. Afterwards key, certificate and its identifier are in the record,
 * and stored; `certificate_arn` too when AWS knows the certificate.
 */
enum iotify_result issuer_issue(struct aws_instance *instance, struct iotify_call *call,
    const struct device_options *options, struct record *record);

#endif
