/* SPDX-License-Identifier: Apache-2.0 */
/* Publish: sends a message over the signed API. */
#include "sandbox/operation_tables.h"
#include "sandbox/publisher.h"
#include "sandbox/request.h"
#include "sandbox/response.h"

#define PAYLOAD_MAX (128 * 1024)

static void data_publish(const struct request *request, struct response *response)
{
    const struct request_service *service = request->service;

    if (request->payload_size > PAYLOAD_MAX)
        response_error(response, 413, "RequestEntityTooLargeException",
            "The payload is larger than %d bytes", PAYLOAD_MAX);
    else if (!publisher_accepts(request_text(request, "topic")))
        response_invalid(response, "The topic is not valid for publishing");
    else if (!service->publish(service->argument, request_text(request, "topic"), request->payload,
                 request->payload_size, (int)request_number(request, "qos"),
                 request_flag(request, "retain")))
        response_error(response, 500, "InternalFailureException", "the broker does not answer");
}

static const struct parameter publish_parameters[] = {
    {.name = "topic", .location = IN_PATH, .type = TEXT, .required = true, .min = 1, .max = 256},
    {.name = "qos", .location = IN_QUERY, .type = NUMBER, .max = 1},
    {.name = "retain", .location = IN_QUERY, .type = FLAG},
    END_OF_PARAMETERS,
};

/* No rate: it is not an operation of AWS IoT's control plane. */
const struct operation data_operations[] = {
    {.name = "Publish",
        .method = "POST",
        .path = "/topics/{topic+}",
        .run = data_publish,
        .parameters = publish_parameters},
    {},
};
