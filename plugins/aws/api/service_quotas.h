/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Service Quotas: the call rates that the account allows. Safe on any thread. */
#ifndef PLUGINS_AWS_API_SERVICE_QUOTAS_H
#define PLUGINS_AWS_API_SERVICE_QUOTAS_H

#include "plugins/aws/api/client.h"

/*
 * Call `found` on this thread with the account's quota of each operation in operations.h, in calls
 * per second. Blocks. IOTIFY_RESULT_NOT_FOUND when there is no endpoint for Service Quotas.
 */
enum iotify_result aws_quotas(struct aws_client *client, struct iotify_call *call,
    void (*found)(void *argument, enum aws_operation operation, double rate), void *argument);

#endif
