/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/api/service_quotas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/client_internal.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/api/signed_request.h"

/* Limits a listing that does not end. */
#define PAGES_MAX 100

struct service_quotas_page {
    struct client_sending sending;
    char token[2100];
    void (*found)(void *argument, enum aws_operation operation, double rate);
    void *argument;
};

/* Pass on a quota named "OPERATION API TPS". Other quotas end in the same way. */
static void service_quotas_take(struct service_quotas_page *page, const json_t *quota)
{
    static const char ending[] = " API TPS";
    const char *name = aws_text(quota, "QuotaName");
    size_t length = strlen(name);
    char operation[64];
    double rate = json_number_value(json_object_get(quota, "Value"));

    if (length < sizeof(ending) || strcmp(name + length - (sizeof(ending) - 1), ending) != 0)
        return;
    snprintf(operation, sizeof(operation), "%.*s", (int)(length - (sizeof(ending) - 1)), name);
    if (rate > 0 && aws_operation_by_name(operation) < AWS_OPERATIONS)
        page->found(page->argument, aws_operation_by_name(operation), rate);
}

static enum iotify_result service_quotas_once(struct iotify_call *call, void *argument)
{
    struct service_quotas_page *page = argument;
    struct http_response response;
    json_t *body = json_pack("{s:s, s:i}", "ServiceCode", "iotcore", "MaxResults", 100), *answer;
    enum iotify_result result;
    char *text;

    if (*page->token)
        json_object_set_new(body, "NextToken", json_string(page->token));
    text = json_dumps(body, JSON_COMPACT);
    page->sending.outgoing = (struct signed_request){.operation = "ListServiceQuotas",
        .method = "POST",
        .endpoint = page->sending.client->target.quotas_endpoint,
        .path = "/",
        .query = "",
        .service = "servicequotas",
        .content_type = "application/x-amz-json-1.1",
        .body = text ? text : "",
        .body_size = text ? strlen(text) : 0,
        .target = "ServiceQuotasV20190624.ListServiceQuotas"};
    result = signed_request_send(
        &page->sending.client->signer, call, &page->sending.outgoing, &response);
    answer = json_loadb(iotify_buffer_text(&response.body), response.body.size, 0, NULL);
    for (size_t i = 0;
         result == IOTIFY_RESULT_OK && i < json_array_size(json_object_get(answer, "Quotas")); i++)
        service_quotas_take(page, json_array_get(json_object_get(answer, "Quotas"), i));
    snprintf(page->token, sizeof(page->token), "%s", aws_text(answer, "NextToken"));
    json_decref(answer);
    json_decref(body);
    free(text);
    http_response_clear(&response);
    return result;
}

enum iotify_result aws_quotas(struct aws_client *client, struct iotify_call *call,
    void (*found)(void *argument, enum aws_operation operation, double rate), void *argument)
{
    struct service_quotas_page page = {
        .sending = {.client = client}, .found = found, .argument = argument};
    enum iotify_result result =
        client->target.quotas_endpoint ? IOTIFY_RESULT_OK : IOTIFY_RESULT_NOT_FOUND;
    int pages = 0;

    while (result == IOTIFY_RESULT_OK && (pages++ == 0 || *page.token) && pages < PAGES_MAX)
        result = call->host->perform(call, "ListServiceQuotas", service_quotas_once, &page);
    return result;
}
