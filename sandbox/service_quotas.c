/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Service Quotas for the service code iotcore: the calls per second of each operation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <iotify/text.h>

#include "sandbox/operation_tables.h"
#include "sandbox/request.h"
#include "sandbox/response.h"

/* The reported value of an operation that the sandbox does not limit. */
#define RATE_UNLIMITED 10000

struct service_quotas_list {
    const struct request *request;
    json_t *list;
    bool defaults;
};

/* The quota code of a name; the same in every run. */
static void service_quotas_code(const char *name, char code[16])
{
    snprintf(code, 16, "L-%08X", (unsigned)iotify_hash(IOTIFY_HASH_START, name));
}

static void service_quotas_add(void *argument, const struct operation *operation)
{
    struct service_quotas_list *quotas = argument;
    const struct request_service *service = quotas->request->service;
    double value =
        quotas->defaults ? operation->rate : service->quota(service->argument, operation->name);
    char name[96], code[16], arn[128];

    if (operation->rate <= 0)
        return;
    snprintf(name, sizeof(name), "%s API TPS", operation->name);
    service_quotas_code(name, code);
    snprintf(arn, sizeof(arn), "arn:aws:servicequotas:%s:" ACCOUNT ":iotcore/%s",
        quotas->request->region, code);
    json_array_append_new(quotas->list,
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:s, s:b, s:b, s:{s:i, s:s}}", "ServiceCode",
            "iotcore", "ServiceName", "AWS IoT Core", "QuotaArn", arn, "QuotaCode", code,
            "QuotaName", name, "Value", value > 0 ? value : RATE_UNLIMITED, "Unit", "None",
            "Adjustable", 1, "GlobalQuota", 0, "Period", "PeriodValue", 1, "PeriodUnit", "SECOND"));
}

/* All quotas, or NULL after an error. */
static json_t *service_quotas_all(
    const struct request *request, struct response *response, bool defaults)
{
    struct service_quotas_list quotas = {request, NULL, defaults};

    if (strcmp(request_text(request, "ServiceCode"), "iotcore") != 0) {
        response_error(response, 400, "NoSuchResourceException",
            "The request failed because the specified service does not exist.");
        return NULL;
    }
    quotas.list = json_array();
    operation_each(service_quotas_add, &quotas);
    return quotas.list;
}

static void service_quotas_respond(
    const struct request *request, struct response *response, bool defaults)
{
    json_t *all = service_quotas_all(request, response, defaults), *list;
    size_t size = (size_t)request_number(request, "MaxResults");
    size_t first = (size_t)strtoul(request_text(request, "NextToken"), NULL, 10);
    char token[24];

    if (!all)
        return;
    if (size == 0)
        size = 100;
    list = json_array();
    for (size_t i = first; i < first + size && i < json_array_size(all); i++)
        json_array_append(list, json_array_get(all, i));
    response->body = json_pack("{s:o}", "Quotas", list);
    if (first + size < json_array_size(all)) {
        snprintf(token, sizeof(token), "%zu", first + size);
        json_object_set_new(response->body, "NextToken", json_string(token));
    }
    json_decref(all);
}

static void service_quotas_list(const struct request *request, struct response *response)
{
    service_quotas_respond(request, response, false);
}

static void service_quotas_list_default(const struct request *request, struct response *response)
{
    service_quotas_respond(request, response, true);
}

static void service_quotas_get(const struct request *request, struct response *response)
{
    json_t *all = service_quotas_all(request, response, false);
    const char *code = request_text(request, "QuotaCode");

    if (!all)
        return;
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *quota = json_array_get(all, i);

        if (strcmp(json_string_value(json_object_get(quota, "QuotaCode")), code) == 0)
            response->body = json_pack("{s:O}", "Quota", quota);
    }
    if (!response->body)
        response_error(response, 400, "NoSuchResourceException",
            "The request failed because the specified quota does not exist.");
    json_decref(all);
}

static const struct parameter quotas_parameters[] = {
    {.name = "ServiceCode",
        .location = IN_BODY,
        .type = TEXT,
        .required = true,
        .min = 1,
        .max = 63},
    {.name = "NextToken", .location = IN_BODY, .type = TEXT, .max = 2048},
    {.name = "MaxResults", .location = IN_BODY, .type = NUMBER, .min = 1, .max = 100},
    END_OF_PARAMETERS,
};
static const struct parameter quota_parameters[] = {
    {.name = "ServiceCode",
        .location = IN_BODY,
        .type = TEXT,
        .required = true,
        .min = 1,
        .max = 63},
    {.name = "QuotaCode",
        .location = IN_BODY,
        .type = TEXT,
        .required = true,
        .min = 1,
        .max = 128},
    END_OF_PARAMETERS,
};

/* No rates: they are not operations of AWS IoT's control plane. */
const struct operation quota_operations[] = {
    {.name = "ListServiceQuotas",
        .method = "POST",
        .path = "/",
        .run = service_quotas_list,
        .parameters = quotas_parameters},
    {.name = "ListAWSDefaultServiceQuotas",
        .method = "POST",
        .path = "/",
        .run = service_quotas_list_default,
        .parameters = quotas_parameters},
    {.name = "GetServiceQuota",
        .method = "POST",
        .path = "/",
        .run = service_quotas_get,
        .parameters = quota_parameters},
    {},
};
