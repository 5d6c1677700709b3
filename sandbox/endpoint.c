/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeEndpoint: the address of the data plane. */
#include <stdio.h>
#include <string.h>

#include "sandbox/operation_tables.h"
#include "sandbox/request.h"
#include "sandbox/response.h"

static void endpoint_describe(const struct request *request, struct response *response)
{
    static const char *const known[] = {"iot:Data-ATS", "iot:Data", "iot:CredentialProvider",
        "iot:Jobs", "iot:DeviceAdvisor", "iot:Data-Beta", NULL};
    const char *type =
        request_given(request, "endpointType") ? request_text(request, "endpointType") : "iot:Data";
    char address[64] = "localhost";
    size_t i = 0;

    while (known[i] && strcmp(known[i], type) != 0)
        i++;
    if (!known[i]) {
        response_invalid(response, "Endpoint type %s is not known", type);
        return;
    }
    if (request->service->mqtt_port != 8883)
        snprintf(address, sizeof(address), "localhost:%d", request->service->mqtt_port);
    response->body = json_pack("{s:s}", "endpointAddress", address);
}

static const struct parameter endpoint_parameters[] = {
    {.name = "endpointType", .location = IN_QUERY, .type = TEXT, .max = 128},
    END_OF_PARAMETERS,
};

const struct operation endpoint_operations[] = {
    {.name = "DescribeEndpoint",
        .method = "GET",
        .path = "/endpoint",
        .rate = 10,
        .run = endpoint_describe,
        .parameters = endpoint_parameters},
    {},
};
