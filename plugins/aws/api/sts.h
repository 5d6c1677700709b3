/* SPDX-License-Identifier: Apache-2.0 */
/* AWS STS: whose credentials they are. Safe on any thread. */
#ifndef PLUGINS_AWS_API_STS_H
#define PLUGINS_AWS_API_STS_H

#include "plugins/aws/api/client.h"

/* The account of the credentials, in the call's arena; NULL text when STS cannot be asked. */
enum iotify_result aws_account(
    struct aws_client *client, struct iotify_call *call, const char **account);

#endif
