/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/instance.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/api/service_quotas.h"
#include "plugins/aws/api/sts.h"
#include "plugins/aws/device/account_view.h"
#include "plugins/aws/device/orphan.h"
#include "plugins/aws/iam_permissions.h"
#include "plugins/shared/aws/profile.h"

/* AWS IoT accepts this many per connection and silently drops the rest. */
#define PUBLISH_RATE 100
#define PAYLOAD_MAX (128 * 1024)
#define TEXT_MAX 2048
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ------------------------------------------------------------------ names */

static bool instance_check_characters(struct iotify_call *call, const char *setting,
    const char *name, const char *allowed, const char *words)
{
    if (*name && strlen(name) <= 128 && name[strspn(name, allowed)] == '\0')
        return true;
    if (call->client < 0)
        call->host->fail_setting(
            call, setting, "\"%s\" takes 1 to 128 %s, not \"%s\"", setting, words, name);
    else
        call->host->fail(call, IOTIFY_RESULT_INVALID, "BadName",
            "\"%s\" takes 1 to 128 %s, not \"%s\"", setting, words, name);
    return false;
}

#define WORD "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

bool aws_check_name(struct iotify_call *call, const char *setting, const char *name)
{
    return instance_check_characters(
        call, setting, name ? name : "", WORD ":-", "letters, digits, colons, _ and -");
}

bool aws_check_policy_name(struct iotify_call *call, const char *setting, const char *name)
{
    return instance_check_characters(
        call, setting, name ? name : "", WORD "+=,.@-", "letters, digits and _+=,.@-");
}

const char *aws_partition(const char *region)
{
    if (strncmp(region, "cn-", 3) == 0)
        return "aws-cn";
    return strncmp(region, "us-gov-", 7) == 0 ? "aws-us-gov" : "aws";
}

/* ------------------------------------------------------------------ the account */

static bool instance_is_account(const char *text, size_t length)
{
    return length == 12 && strspn(text, "0123456789") >= length;
}

static void instance_set_account(struct aws_instance *instance, const char *text, size_t length)
{
    if (!instance_is_account(text, length))
        return;
    pthread_mutex_lock(&instance->mutex);
    memcpy(instance->account, text, length);
    instance->account[length] = '\0';
    pthread_mutex_unlock(&instance->mutex);
}

void aws_instance_note_arn(struct aws_instance *instance, const char *arn)
{
    /* arn:aws:iot:region:account:… */
    for (int i = 0; i < 4 && arn; i++) {
        arn = strchr(arn, ':');
        arn = arn ? arn + 1 : NULL;
    }
    if (arn)
        instance_set_account(instance, arn, strcspn(arn, ":"));
}

const char *aws_instance_account(struct aws_instance *instance, struct iotify_call *call)
{
    char *copy = call->host->alloc(call, sizeof(instance->account));

    pthread_mutex_lock(&instance->mutex);
    snprintf(copy, sizeof(instance->account), "%s", *instance->account ? instance->account : "*");
    pthread_mutex_unlock(&instance->mutex);
    return copy;
}

/* ------------------------------------------------------------------ open */

static const char *instance_environment(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static bool instance_find_region(struct aws_instance *instance)
{
    const char *region = instance->options->region;

    if (!region)
        region = instance_environment("AWS_REGION");
    if (!region)
        region = instance_environment("AWS_DEFAULT_REGION");
    if (region)
        return iotify_buffer_string(&instance->region, region);
    return profile_get(
        PROFILE_CONFIG, profile_name(instance->options->profile), "region", &instance->region);
}

/* Append the default URL of a service. China has a separate domain. */
static void instance_default_endpoint(
    const struct aws_instance *instance, const char *service, struct iotify_buffer *out)
{
    const char *region = iotify_buffer_text(&instance->region);

    iotify_buffer_format(out, "https://%s.%s.amazonaws.com%s", service, region,
        strcmp(aws_partition(region), "aws-cn") == 0 ? ".cn" : "");
}

static void instance_trim_slashes(struct iotify_buffer *url)
{
    while (url->size && url->data[url->size - 1] == '/')
        url->data[--url->size] = '\0';
}

/*
 * Find the endpoint of a service other than IoT: the one in the environment, or AWS's default.
 * With a custom endpoint for IoT (`own`) there is no default: its credentials must not go to AWS.
 */
static void instance_find_other_endpoint(const struct aws_instance *instance, const char *own,
    const char *all, const char *variable, const char *service, struct iotify_buffer *out)
{
    const char *endpoint = instance_environment(variable);

    if (endpoint)
        iotify_buffer_string(out, endpoint);
    else if (!own && all)
        iotify_buffer_string(out, all);
    else if (!own)
        instance_default_endpoint(instance, service, out);
    instance_trim_slashes(out);
}

/*
 * The endpoint of all services that the profile sets, in `url`. A profile that sets them by service
 * is an error: its credentials must not go to another server than the profile's.
 */
static enum iotify_result instance_profile_endpoint(
    const struct aws_instance *instance, struct iotify_call *call, struct iotify_buffer *url)
{
    const char *profile = profile_name(instance->options->profile);
    const char *ignored = instance_environment("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");

    if (ignored && strcasecmp(ignored, "true") == 0)
        return IOTIFY_RESULT_OK;
    if (profile_get(PROFILE_CONFIG, profile, "services", url))
        return call->host->fail_setting(call, "endpoint",
            "the profile \"%s\" sets endpoints under services = %s, which iotifyd does not read; "
            "write endpoint: in the job, or set AWS_ENDPOINT_URL_IOT and AWS_ENDPOINT_URL_STS",
            profile, iotify_buffer_text(url));
    profile_get(PROFILE_CONFIG, profile, "endpoint_url", url);
    return IOTIFY_RESULT_OK;
}

static enum iotify_result instance_find_endpoints(
    struct aws_instance *instance, struct iotify_call *call)
{
    const char *own = instance->options->endpoint, *all = instance_environment("AWS_ENDPOINT_URL");
    enum iotify_result result = IOTIFY_RESULT_OK;
    struct iotify_buffer configured;

    iotify_buffer_init(&configured, TEXT_MAX);
    if (!own)
        own = instance_environment("AWS_ENDPOINT_URL_IOT");
    if (!own && !all)
        result = instance_profile_endpoint(instance, call, &configured);
    if (configured.size)
        all = iotify_buffer_text(&configured);
    instance_find_other_endpoint(
        instance, own, all, "AWS_ENDPOINT_URL_STS", "sts", &instance->sts_endpoint);
    instance_find_other_endpoint(instance, own, all, "AWS_ENDPOINT_URL_SERVICE_QUOTAS",
        "servicequotas", &instance->quotas_endpoint);
    if (own || all)
        iotify_buffer_string(&instance->endpoint, own ? own : all);
    else
        instance_default_endpoint(instance, "iot", &instance->endpoint);
    instance_trim_slashes(&instance->endpoint);
    iotify_buffer_clear(&configured);
    return result;
}

static enum iotify_result instance_check_endpoint(struct iotify_call *call, const char *url)
{
    const char *host = strstr(url, "://");

    if (host && (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0) && host[3] &&
        !strpbrk(host + 3, "/?# "))
        return IOTIFY_RESULT_OK;
    return call->host->fail_setting(call, "endpoint",
        "\"endpoint\" takes a URL such as http://127.0.0.1:7070 without a path, not \"%s\"", url);
}

void aws_instance_close(void *given)
{
    struct aws_instance *instance = given;

    aws_client_free(instance->client);
    iotify_buffer_clear(&instance->region);
    iotify_buffer_clear(&instance->endpoint);
    iotify_buffer_clear(&instance->sts_endpoint);
    iotify_buffer_clear(&instance->quotas_endpoint);
    orphan_reset(instance);
    account_view_free(instance->view);
    unique_names_clear(&instance->unique_names);
    pthread_mutex_destroy(&instance->orphans_mutex);
    pthread_mutex_destroy(&instance->mutex);
    free(instance);
}

/* Reject quotas of operations that the connector does not call: most likely typing errors. */
static enum iotify_result instance_check_quotas(
    const struct aws_instance *instance, struct iotify_call *call)
{
    const struct iotify_map *quotas = &instance->options->quotas;

    for (size_t i = 0; i < quotas->count; i++) {
        const char *name = quotas->entries[i].name;

        if (strcmp(name, "*") != 0 && strcmp(name, "GetCallerIdentity") != 0 &&
            strcmp(name, "ListServiceQuotas") != 0 && aws_default_rate(name) <= 0)
            return call->host->fail_setting(call, "quotas",
                "\"quotas\": iotifyd calls no operation \"%s\"; names are AWS's, such as "
                "AttachPolicy, and \"*\" for all others",
                name);
    }
    return IOTIFY_RESULT_OK;
}

static bool instance_allows(const struct iotify_list *list, const char *item)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], item) == 0)
            return true;
    return list->count == 0;
}

/* Check `accounts` and `regions`. YAML may shorten account numbers: 12 digits are required. */
static enum iotify_result instance_check_places(
    const struct aws_instance *instance, struct iotify_call *call)
{
    const struct iotify_list *accounts = &instance->options->accounts;

    for (size_t i = 0; i < accounts->count; i++)
        if (!instance_is_account(accounts->items[i], strlen(accounts->items[i])))
            return call->host->fail_setting(call, "accounts",
                "\"accounts\" takes account numbers of 12 digits in quotes, not \"%s\"",
                accounts->items[i]);
    if (!instance_allows(&instance->options->regions, iotify_buffer_text(&instance->region)))
        return call->host->fail_setting(call, "regions",
            "the region is %s, and \"regions\" does not allow it",
            iotify_buffer_text(&instance->region));
    if (accounts->count && !instance->sts_endpoint.size)
        return call->host->fail_setting(call, "accounts",
            "\"accounts\": only STS reports the account; set AWS_ENDPOINT_URL_STS, as the "
            "endpoint of IoT is not AWS's own");
    return IOTIFY_RESULT_OK;
}

static enum iotify_result instance_set_up(struct aws_instance *instance, struct iotify_call *call)
{
    const char *region, *ca = instance->options->ca;
    enum iotify_result result;

    if (!instance_find_region(instance))
        return call->host->fail_setting(call, "region",
            "the region is not known; write region: eu-central-1 or set AWS_REGION");
    region = iotify_buffer_text(&instance->region);
    if (!*region || region[strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-")])
        return call->host->fail_setting(
            call, "region", "invalid region \"%s\" (expected a name such as eu-central-1)", region);
    result = instance_find_endpoints(instance, call);
    if (result == IOTIFY_RESULT_OK)
        result = instance_check_quotas(instance, call);
    if (result == IOTIFY_RESULT_OK)
        result = instance_check_places(instance, call);
    if (result == IOTIFY_RESULT_OK)
        result = instance_check_endpoint(call, iotify_buffer_text(&instance->endpoint));
    if (result != IOTIFY_RESULT_OK)
        return result;
    instance->target = (struct aws_target){
        .region = region,
        .endpoint = iotify_buffer_text(&instance->endpoint),
        .sts_endpoint =
            instance->sts_endpoint.size ? iotify_buffer_text(&instance->sts_endpoint) : NULL,
        .quotas_endpoint =
            instance->quotas_endpoint.size ? iotify_buffer_text(&instance->quotas_endpoint) : NULL,
        .signing_name = instance->options->signing_name,
    };
    instance->client = aws_client_new(&instance->target, instance->options->profile,
        ca ? ca : instance_environment("AWS_CA_BUNDLE"));
    return instance->client
               ? IOTIFY_RESULT_OK
               : call->host->fail(call, IOTIFY_RESULT_FAILED, "NoMemory", "out of memory");
}

enum iotify_result aws_instance_open(struct iotify_call *call, const void *options, void **out)
{
    struct aws_instance *instance = calloc(1, sizeof(*instance));
    enum iotify_result result;

    if (!instance)
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "NoMemory", "out of memory");
    instance->options = options;
    pthread_mutex_init(&instance->mutex, NULL);
    pthread_mutex_init(&instance->orphans_mutex, NULL);
    unique_names_init(&instance->unique_names);
    iotify_buffer_init(&instance->region, TEXT_MAX);
    iotify_buffer_init(&instance->endpoint, TEXT_MAX);
    iotify_buffer_init(&instance->sts_endpoint, TEXT_MAX);
    iotify_buffer_init(&instance->quotas_endpoint, TEXT_MAX);
    result = instance_set_up(instance, call);
    if (result != IOTIFY_RESULT_OK) {
        aws_instance_close(instance);
        return result;
    }
    *out = instance;
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ connect, endpoint */

static void instance_note_quota(void *argument, enum aws_operation operation, double rate)
{
    ((struct aws_instance *)argument)->account_rates[operation] = rate;
}

/* Read the account's quotas. Without them the job continues with the default rates as guesses. */
static enum iotify_result instance_read_quotas(
    struct aws_instance *instance, struct iotify_call *call)
{
    enum iotify_result result = aws_quotas(instance->client, call, instance_note_quota, instance);

    if (result == IOTIFY_RESULT_CANCELLED)
        return result;
    if (result != IOTIFY_RESULT_OK && result != IOTIFY_RESULT_NOT_FOUND)
        call->host->log(call, IOTIFY_LOG_WARNING,
            "cannot read the account's quotas; calls begin at AWS's default rates, which are "
            "adjusted. Allow servicequotas:ListServiceQuotas, or set quotas:");
    return IOTIFY_RESULT_OK;
}

enum iotify_result aws_instance_connect(void *given, struct iotify_call *call, const char **realm)
{
    struct aws_instance *instance = given;
    const char *account;
    enum iotify_result result = aws_account(instance->client, call, &account);
    size_t size = instance->region.size + 64;
    char *text;

    if (result != IOTIFY_RESULT_OK)
        return result;
    if (account)
        instance_set_account(instance, account, strlen(account));
    if (!instance_allows(&instance->options->accounts, account ? account : "-"))
        return call->host->fail(call, IOTIFY_RESULT_DENIED, "WrongAccount",
            "the credentials are of the account %s, and accounts: does not allow it; nothing was "
            "done",
            account ? account : "(unknown)");
    text = call->host->alloc(call, size);
    snprintf(text, size, "%s/%s", account ? account : "-", instance->target.region);
    *realm = text;
    return instance_read_quotas(instance, call);
}

/*
 * The ports on which the service speaks a protocol; on others, as on 443, it tells the protocols
 * apart by these names.
 */
static const struct {
    const char *protocol, *alpn;
    uint16_t port;
} instance_protocols[] = {{"mqtts", "x-amzn-mqtt-ca", 8883}, {"https", "x-amzn-http-ca", 8443}};

/* DescribeEndpoint returns "host" or "host:port". */
enum iotify_result aws_instance_endpoint(
    void *given, struct iotify_call *call, const char *protocol, struct iotify_endpoint *out)
{
    struct aws_instance *instance = given;
    struct aws_request request = {
        .operation = AWS_DESCRIBE_ENDPOINT, .query = {{"endpointType", "iot:Data-ATS"}}};
    enum iotify_result result;
    const char *address, *colon;
    size_t length, at = 0;
    long port;

    while (at < COUNT(instance_protocols) && strcmp(instance_protocols[at].protocol, protocol) != 0)
        at++;
    if (at == COUNT(instance_protocols))
        return IOTIFY_RESULT_NOT_FOUND;
    result = aws_send(instance->client, call, &request);
    address = aws_text(request.answer, "endpointAddress");
    colon = strchr(address, ':');
    length = colon ? (size_t)(colon - address) : strlen(address);
    port = colon ? strtol(colon + 1, NULL, 10) : instance_protocols[at].port;
    if (result == IOTIFY_RESULT_OK && (length == 0 || port < 1 || port > 65535))
        result = call->host->fail(call, IOTIFY_RESULT_FAILED, "BadAnswer",
            "DescribeEndpoint: the answer names no endpoint");
    if (result == IOTIFY_RESULT_OK) {
        char *host = call->host->alloc(call, length + 1);

        memcpy(host, address, length);
        host[length] = '\0';
        out->host = host;
        out->port = (uint16_t)port;
        out->ca = instance->options->ca;
        out->alpn = port != instance_protocols[at].port ? instance_protocols[at].alpn : NULL;
        out->publish_rate = PUBLISH_RATE;
        out->payload_max = PAYLOAD_MAX;
    }
    json_decref(request.answer);
    return result;
}

double aws_instance_rate(void *given, const char *operation, bool *known)
{
    const struct aws_instance *instance = given;
    const struct iotify_map *quotas = &instance->options->quotas;
    enum aws_operation number = aws_operation_by_name(operation);
    double rate = -1;

    *known = true;
    for (size_t i = 0; i < quotas->count; i++) {
        if (strcmp(quotas->entries[i].name, operation) == 0)
            return quotas->entries[i].value;
        if (strcmp(quotas->entries[i].name, "*") == 0)
            rate = quotas->entries[i].value;
    }
    if (rate >= 0)
        return rate;
    if (number < AWS_OPERATIONS && instance->account_rates[number] > 0)
        return instance->account_rates[number];
    *known = false;
    return aws_default_rate(operation);
}

void aws_instance_permit(void *given, struct iotify_call *call)
{
    (void)given;
    iam_permissions_connector(call);
}

/* Builds one statement per resource: the permissions are sorted by resource. */
enum iotify_result aws_instance_grant(void *given, struct iotify_call *call,
    const struct iotify_permission *permissions, size_t count, const char **document)
{
    json_t *statements = json_array(), *actions = NULL, *policy;
    char *text;

    (void)given;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(permissions[i].resource, permissions[i - 1].resource) != 0) {
            actions = json_array();
            json_array_append_new(
                statements, json_pack("{s:s, s:o, s:s}", "Effect", "Allow", "Action", actions,
                                "Resource", permissions[i].resource));
        }
        json_array_append_new(actions, json_string(permissions[i].action));
    }
    policy = json_pack("{s:s, s:o}", "Version", "2012-10-17", "Statement", statements);
    text = json_dumps(policy, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(policy);
    if (!text)
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "NoMemory", "out of memory");
    *document = aws_keep(call, text);
    free(text);
    return IOTIFY_RESULT_OK;
}
