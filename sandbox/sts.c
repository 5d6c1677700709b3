/* SPDX-License-Identifier: Apache-2.0 */
/* AWS STS: only GetCallerIdentity. */
#include <stdio.h>
#include <stdlib.h>

#include "sandbox/identity.h"
#include "sandbox/operation_tables.h"
#include "sandbox/request.h"
#include "sandbox/response.h"

static void sts_get_caller_identity(const struct request *request, struct response *response)
{
    char *id = identity_random();
    static const char format[] =
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
        "<GetCallerIdentityResult><Arn>arn:aws:iam::" ACCOUNT ":user/sandbox</Arn>"
        "<UserId>AIDASANDBOXSANDBOX12</UserId><Account>" ACCOUNT "</Account>"
        "</GetCallerIdentityResult><ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata>"
        "</GetCallerIdentityResponse>";

    (void)request;
    if (asprintf(&response->text, format, id) < 0)
        response->text = NULL;
    free(id);
}

static const struct parameter no_parameters[] = {
    END_OF_PARAMETERS,
};

/* No rate: it is not an operation of AWS IoT's control plane. */
const struct operation sts_operations[] = {
    {.name = "GetCallerIdentity",
        .method = "POST",
        .path = "/",
        .run = sts_get_caller_identity,
        .parameters = no_parameters},
    {},
};
