/* SPDX-License-Identifier: Apache-2.0 */
/* AWS STS: the account of the credentials. Safe on any thread. */
#ifndef PLUGINS_AWS_API_STS_H
#define PLUGINS_AWS_API_STS_H

#include "plugins/aws/api/client.h"

/*
 * Return the account number in the call's arena, or NULL when there is no endpoint for STS. Blocks.
 * IOTIFY_RESULT_DENIED when there are no valid credentials.
 */
enum iotify_result aws_account(
    struct aws_client *client, struct iotify_call *call, const char **account);

#endif
