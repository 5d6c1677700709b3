/* Operations beside the resources: endpoints, registration, publishing, STS and Service Quotas. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/operation.h"
#include "sandbox/registration.h"
#include "sandbox/topic.h"

/* What stands for an operation that the sandbox lets through as often as one likes. */
#define RATE_UNLIMITED 10000
#define PAYLOAD_MAX (128 * 1024)

static void describe_endpoint(const struct request *request, struct response *response)
{
    static const char *const known[] = {"iot:Data-ATS", "iot:Data", "iot:CredentialProvider",
        "iot:Jobs", "iot:DeviceAdvisor", "iot:Data-Beta", NULL};
    const char *type =
        input_given(request, "endpointType") ? input_text(request, "endpointType") : "iot:Data";
    char address[64] = "localhost";
    size_t i = 0;

    while (known[i] && strcmp(known[i], type) != 0)
        i++;
    if (!known[i]) {
        respond_invalid(response, "Endpoint type %s is not known", type);
        return;
    }
    if (request->service->mqtt_port != 8883)
        snprintf(address, sizeof(address), "localhost:%d", request->service->mqtt_port);
    response->body = json_pack("{s:s}", "endpointAddress", address);
}

static void start_registration(const struct request *request, struct response *response)
{
    (void)request;
    respond_error(response, 400, "InvalidRequestException",
        "The sandbox does not run bulk registration tasks: they read from S3. Use RegisterThing "
        "for each thing");
}

/* ------------------------------------------------------------------ STS */

static void get_caller_identity(const struct request *request, struct response *response)
{
    char *id = make_id();
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

/* ------------------------------------------------------------------ Service Quotas */

struct quotas {
    const struct request *request;
    json_t *list;
    bool defaults;
};

/* A code of its own for each name, the same in every run. */
static void quota_code(const char *name, char code[16])
{
    uint32_t hash = 2166136261u;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    snprintf(code, 16, "L-%08X", hash);
}

static void add_quota(void *argument, const struct operation *operation)
{
    struct quotas *quotas = argument;
    const struct service *service = quotas->request->service;
    double value =
        quotas->defaults ? operation->rate : service->quota(service->argument, operation->name);
    char name[96], code[16], arn[128];

    if (operation->rate <= 0)
        return;
    snprintf(name, sizeof(name), "%s API TPS", operation->name);
    quota_code(name, code);
    snprintf(arn, sizeof(arn), "arn:aws:servicequotas:%s:" ACCOUNT ":iotcore/%s",
        quotas->request->region, code);
    json_array_append_new(quotas->list,
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:s, s:b, s:b, s:{s:i, s:s}}", "ServiceCode",
            "iotcore", "ServiceName", "AWS IoT Core", "QuotaArn", arn, "QuotaCode", code,
            "QuotaName", name, "Value", value > 0 ? value : RATE_UNLIMITED, "Unit", "None",
            "Adjustable", 1, "GlobalQuota", 0, "Period", "PeriodValue", 1, "PeriodUnit", "SECOND"));
}

/* All quotas, or NULL after an answer. */
static json_t *all_quotas(const struct request *request, struct response *response, bool defaults)
{
    struct quotas quotas = {request, NULL, defaults};

    if (strcmp(input_text(request, "ServiceCode"), "iotcore") != 0) {
        respond_error(response, 400, "NoSuchResourceException",
            "The request failed because the specified service does not exist.");
        return NULL;
    }
    quotas.list = json_array();
    operation_each(add_quota, &quotas);
    return quotas.list;
}

static void respond_quotas(const struct request *request, struct response *response, bool defaults)
{
    json_t *all = all_quotas(request, response, defaults), *list;
    size_t size = (size_t)input_number(request, "MaxResults");
    size_t first = (size_t)strtoul(input_text(request, "NextToken"), NULL, 10);
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

static void list_quotas(const struct request *request, struct response *response)
{
    respond_quotas(request, response, false);
}

static void list_default_quotas(const struct request *request, struct response *response)
{
    respond_quotas(request, response, true);
}

static void get_quota(const struct request *request, struct response *response)
{
    json_t *all = all_quotas(request, response, false);
    const char *code = input_text(request, "QuotaCode");

    if (!all)
        return;
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *quota = json_array_get(all, i);

        if (strcmp(json_string_value(json_object_get(quota, "QuotaCode")), code) == 0)
            response->body = json_pack("{s:O}", "Quota", quota);
    }
    if (!response->body)
        respond_error(response, 400, "NoSuchResourceException",
            "The request failed because the specified quota does not exist.");
    json_decref(all);
}

/* ------------------------------------------------------------------ publishing, signed */

static void publish(const struct request *request, struct response *response)
{
    const struct service *service = request->service;

    if (request->payload_size > PAYLOAD_MAX)
        respond_error(response, 413, "RequestEntityTooLargeException",
            "The payload is larger than %d bytes", PAYLOAD_MAX);
    else if (!topic_publishable(input_text(request, "topic")))
        respond_invalid(response, "The topic is none that can be published on");
    else if (!service->publish(service->argument, input_text(request, "topic"), request->payload,
                 request->payload_size, (int)input_number(request, "qos"),
                 input_flag(request, "retain")))
        respond_error(response, 500, "InternalFailureException", "the broker does not answer");
}

static const struct parameter endpoint_parameters[] = {
    {"endpointType", IN_QUERY, TEXT, false, 0, 128, ANYTHING, NULL, NULL},
    END_OF_PARAMETERS,
};
static const struct parameter register_parameters[] = {
    {"templateBody", IN_BODY, TEXT, true, 0, 10240, ANYTHING, NULL, NULL},
    {"parameters", IN_BODY, OBJECT, false, 0, 0, ANYTHING, NULL, NULL},
    END_OF_PARAMETERS,
};
static const struct parameter start_parameters[] = {
    {"templateBody", IN_BODY, TEXT, true, 0, 10240, ANYTHING, NULL, NULL},
    {"inputFileBucket", IN_BODY, TEXT, true, 3, 256, ANYTHING, NULL, NULL},
    {"inputFileKey", IN_BODY, TEXT, true, 1, 1024, ANYTHING, NULL, NULL},
    {"roleArn", IN_BODY, TEXT, true, 20, 2048, ANYTHING, NULL, NULL},
    END_OF_PARAMETERS,
};
static const struct parameter no_parameters[] = {
    END_OF_PARAMETERS,
};
static const struct parameter quotas_parameters[] = {
    {"ServiceCode", IN_BODY, TEXT, true, 1, 63, ANYTHING, NULL, NULL},
    {"NextToken", IN_BODY, TEXT, false, 0, 2048, ANYTHING, NULL, NULL},
    {"MaxResults", IN_BODY, NUMBER, false, 1, 100, ANYTHING, NULL, NULL},
    END_OF_PARAMETERS,
};
static const struct parameter quota_parameters[] = {
    {"ServiceCode", IN_BODY, TEXT, true, 1, 63, ANYTHING, NULL, NULL},
    {"QuotaCode", IN_BODY, TEXT, true, 1, 128, ANYTHING, NULL, NULL},
    END_OF_PARAMETERS,
};
static const struct parameter publish_parameters[] = {
    {"topic", IN_PATH, TEXT, true, 1, 256, ANYTHING, NULL, NULL},
    {"qos", IN_QUERY, NUMBER, false, 0, 1, ANYTHING, NULL, NULL},
    {"retain", IN_QUERY, FLAG, false, 0, 0, ANYTHING, NULL, NULL},
    END_OF_PARAMETERS,
};

/* Those without a rate are no operations of AWS IoT's control plane. */
const struct operation other_operations[] = {
    {"DescribeEndpoint", "GET", "/endpoint", 10, false, describe_endpoint, endpoint_parameters},
    {"RegisterThing", "POST", "/things", 10, true, register_thing, register_parameters},
    {"StartThingRegistrationTask", "POST", "/thing-registration-tasks", 10, false,
        start_registration, start_parameters},
    {"Publish", "POST", "/topics/{topic+}", 0, false, publish, publish_parameters},
    {"GetCallerIdentity", "POST", "/", 0, false, get_caller_identity, no_parameters},
    {"ListServiceQuotas", "POST", "/", 0, false, list_quotas, quotas_parameters},
    {"ListAWSDefaultServiceQuotas", "POST", "/", 0, false, list_default_quotas, quotas_parameters},
    {"GetServiceQuota", "POST", "/", 0, false, get_quota, quota_parameters},
    {NULL, NULL, NULL, 0, false, NULL, NULL},
};
