/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Service Quotas: the calls per second that the account allows. Safe on any thread. */
#ifndef PLUGINS_AWS_API_SERVICE_QUOTAS_H
#define PLUGINS_AWS_API_SERVICE_QUOTAS_H

#include "plugins/aws/api/client.h"

/*
 * Call `found` for each quota of AWS IoT's API that the account has, by the operation's name.
 * IOTIFY_NOT_FOUND when there is no endpoint to ask.
 */
enum iotify_result aws_quotas(struct aws_client *client, struct iotify_call *call,
    void (*found)(void *argument, enum aws_operation operation, double rate), void *argument);

#endif
