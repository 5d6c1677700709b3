/* Operations beside the resources: where devices connect, and who is calling. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/operation.h"

static void describe_endpoint(const struct request *request, struct response *response)
{
    char address[64] = "localhost";

    if (request->options->mqtt_port != 8883)
        snprintf(address, sizeof(address), "localhost:%d", request->options->mqtt_port);
    response->body = json_pack("{s:s}", "endpointAddress", address);
}

static void security_token_service(const struct request *request, struct response *response)
{
    static const char identity[] =
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
        "<GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/sandbox</Arn>"
        "<UserId>AIDASANDBOX</UserId><Account>123456789012</Account></GetCallerIdentityResult>"
        "<ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId>"
        "</ResponseMetadata></GetCallerIdentityResponse>";

    if (strcmp(request->action, "GetCallerIdentity") == 0)
        response->text = strdup(identity);
    else
        respond_error(response, 404, "UnknownOperationException",
            "The sandbox knows no operation %s", request->action);
}

const struct operation other_operations[] = {
    {"DescribeEndpoint", "GET", "/endpoint", describe_endpoint},
    {"GetCallerIdentity", "POST", "/", security_token_service},
    {NULL, NULL, NULL, NULL},
};
