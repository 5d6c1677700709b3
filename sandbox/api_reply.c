/* SPDX-License-Identifier: Apache-2.0 */
/* Sends the responses of the API. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/api_internal.h"
#include "sandbox/identity.h"
#include "sandbox/request.h"
#include "sandbox/response.h"

const char *api_query(void *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *api_header(void *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

enum MHD_Result api_send_text(struct MHD_Connection *connection, unsigned status, char *text,
    const char *type, const char *error)
{
    struct MHD_Response *answer;
    enum MHD_Result result;
    char *id;

    if (!text)
        return MHD_NO;
    id = identity_random();
    answer = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    MHD_add_response_header(answer, "Content-Type", type);
    MHD_add_response_header(answer, "x-amzn-RequestId", id);
    if (error)
        MHD_add_response_header(answer, "x-amzn-ErrorType", error);
    result = MHD_queue_response(connection, status, answer);
    MHD_destroy_response(answer);
    free(id);
    return result;
}

bool api_is_sts(const struct api_call *call)
{
    return strcmp(call->verdict.service, "sts") == 0;
}

/* STS sends errors in XML. */
static char *api_reply_sts_error(const struct response *response)
{
    const char *message = json_string_value(json_object_get(response->body, "message"));
    char *text = NULL;

    if (asprintf(&text,
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>"
            "<Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error>"
            "<RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>",
            response->error, message ? message : "") < 0)
        return NULL;
    return text;
}

enum MHD_Result api_send_response(struct api_call *call)
{
    struct response *response = &call->response;
    const char *type = "application/json";

    if (response->text)
        return api_send_text(
            call->connection, response->status, strdup(response->text), "text/xml", NULL);
    if (response->error && api_is_sts(call))
        return api_send_text(
            call->connection, response->status, api_reply_sts_error(response), "text/xml", NULL);
    if (!response->body)
        response->body = json_object();
    if (strcmp(call->verdict.service, "servicequotas") == 0) {
        type = "application/x-amz-json-1.1";
        if (response->error)
            json_object_set_new(response->body, "__type", json_string(response->error));
    }
    return api_send_text(call->connection, response->status,
        json_dumps(response->body, JSON_COMPACT), type, response->error);
}
