/* SPDX-License-Identifier: Apache-2.0 */
/* Declarations that client.c, sts.c and service_quotas.c share. */
#ifndef PLUGINS_AWS_API_CLIENT_INTERNAL_H
#define PLUGINS_AWS_API_CLIENT_INTERNAL_H

#include "plugins/aws/api/client.h"
#include "plugins/aws/api/signed_request.h"

struct aws_client {
    struct aws_target target;
    struct signed_request_signer signer;
};

/* The argument of one host->perform(). */
struct client_sending {
    struct aws_client *client;
    struct aws_request *request;
    struct signed_request outgoing;
};

#endif
