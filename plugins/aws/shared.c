/* What all devices share: the thing type, the thing group and the policy. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/aws.h"

struct name_options {
    const char *name;
};

/* Look a resource up by name; IOTIFY_NOT_FOUND is no failure here. */
static enum iotify_result describe(struct aws_instance *instance, struct iotify_call *call,
    enum aws_operation operation, const char *name, const char *arn, json_t **answer)
{
    struct aws_request request = {.operation = operation, .name = name};
    enum iotify_result result = aws_send(instance->client, call, &request);

    if (result == IOTIFY_OK)
        aws_note_arn(instance, aws_text(request.answer, arn));
    *answer = request.answer;
    return result;
}

/*
 * Create what is known to be absent. IOTIFY_EXISTS means that somebody else was faster, which is
 * as good.
 */
static enum iotify_result create(struct aws_instance *instance, struct iotify_call *call,
    enum aws_operation operation, const char *name, const char *arn, json_t *body)
{
    struct aws_request request = {.operation = operation, .name = name, .body = body};
    enum iotify_result result = aws_send(instance->client, call, &request);

    if (result == IOTIFY_OK)
        aws_note_arn(instance, aws_text(request.answer, arn));
    json_decref(request.answer);
    json_decref(body);
    return result == IOTIFY_EXISTS ? IOTIFY_UNCHANGED : result;
}

/* ------------------------------------------------------------------ thing type */

static const struct iotify_setting type_items[] = {
    {"name", IOTIFY_STRING, 0, offsetof(struct name_options, name), AWS_DEFAULT_TYPE, 0, 0, NULL,
        "name of the thing type"},
};
static const struct iotify_settings type_settings =
    IOTIFY_SETTINGS(type_items, struct name_options);

static enum iotify_result prepare_type(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct name_options *options = call->arguments;

    instance->names.type = options->name;
    return aws_check_name(call, "name", options->name) ? IOTIFY_OK : IOTIFY_INVALID;
}

static enum iotify_result apply_type(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct name_options *options = call->arguments;
    json_t *answer;
    enum iotify_result result =
        describe(instance, call, AWS_DESCRIBE_THING_TYPE, options->name, "thingTypeArn", &answer);

    if (result == IOTIFY_NOT_FOUND)
        result = create(instance, call, AWS_CREATE_THING_TYPE, options->name, "thingTypeArn",
            json_pack("{s:{s:s}}", "thingTypeProperties", "thingTypeDescription",
                "Virtual devices of iotifyd"));
    else if (result == IOTIFY_OK &&
             json_is_true(
                 json_object_get(json_object_get(answer, "thingTypeMetadata"), "deprecated")))
        result = call->host->fail(call, IOTIFY_CONFLICT, "Deprecated",
            "the thing type %s is deprecated and takes no new things; name another one, or undo "
            "it: aws iot deprecate-thing-type --undo-deprecate --thing-type-name %s",
            options->name, options->name);
    else if (result == IOTIFY_OK)
        result = IOTIFY_UNCHANGED;
    json_decref(answer);
    return result;
}

static const char *const type_permissions[] = {
    "iot:DescribeThingType", "iot:CreateThingType", NULL};

const struct iotify_action aws_thing_type_action = {"thing_type",
    "create the thing type unless it is there", IOTIFY_FOR_JOB, &type_settings, type_permissions,
    prepare_type, apply_type};

/* ------------------------------------------------------------------ thing group */

static const struct iotify_setting group_items[] = {
    {"name", IOTIFY_STRING, 0, offsetof(struct name_options, name), AWS_DEFAULT_GROUP, 0, 0, NULL,
        "name of the thing group that holds all devices"},
};
static const struct iotify_settings group_settings =
    IOTIFY_SETTINGS(group_items, struct name_options);

static enum iotify_result prepare_group(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct name_options *options = call->arguments;

    instance->names.group = options->name;
    return aws_check_name(call, "name", options->name) ? IOTIFY_OK : IOTIFY_INVALID;
}

static enum iotify_result apply_group(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct name_options *options = call->arguments;
    json_t *answer;
    enum iotify_result result =
        describe(instance, call, AWS_DESCRIBE_THING_GROUP, options->name, "thingGroupArn", &answer);

    json_decref(answer);
    if (result == IOTIFY_NOT_FOUND)
        return create(instance, call, AWS_CREATE_THING_GROUP, options->name, "thingGroupArn",
            json_pack("{s:{s:s}}", "thingGroupProperties", "thingGroupDescription",
                "Virtual devices of iotifyd"));
    return result == IOTIFY_OK ? IOTIFY_UNCHANGED : result;
}

static const char *const group_permissions[] = {
    "iot:DescribeThingGroup", "iot:CreateThingGroup", NULL};

const struct iotify_action aws_thing_group_action = {"thing_group",
    "create the thing group unless it is there", IOTIFY_FOR_JOB, &group_settings, group_permissions,
    prepare_group, apply_group};

/* ------------------------------------------------------------------ policy */

/* AWS counts the document without white space. */
#define DOCUMENT_MAX 2048

struct policy_options {
    const char *name, *document;
};

static const struct iotify_setting policy_items[] = {
    {"name", IOTIFY_STRING, 0, offsetof(struct policy_options, name), AWS_DEFAULT_POLICY, 0, 0,
        NULL, "name of the policy that each certificate gets"},
    {"document", IOTIFY_DOCUMENT, 0, offsetof(struct policy_options, document), NULL, 0, 0, NULL,
        "the policy; default: connect as the own thing, and use topics below iotify/<own thing>"},
};
static const struct iotify_settings policy_settings =
    IOTIFY_SETTINGS(policy_items, struct policy_options);

/* Text without the white space between JSON's tokens, as AWS measures it. */
static size_t compact_size(const char *document)
{
    json_t *json = json_loads(document, 0, NULL);
    char *text = json_dumps(json, JSON_COMPACT);
    size_t size = text ? strlen(text) : 0;

    free(text);
    json_decref(json);
    return size;
}

static enum iotify_result prepare_policy(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct policy_options *options = call->arguments;

    instance->names.policy = options->name;
    if (!aws_check_policy_name(call, "name", options->name))
        return IOTIFY_INVALID;
    if (options->document && compact_size(options->document) > DOCUMENT_MAX)
        return call->host->fail_setting(call, "document",
            "the policy has %zu characters without white space; AWS takes at most %d",
            compact_size(options->document), DOCUMENT_MAX);
    return IOTIFY_OK;
}

/*
 * A device may be itself and nobody else: connect under its thing's name, and use the topics
 * below it.
 */
static json_t *default_policy(struct aws_instance *instance, struct iotify_call *call)
{
    static const char thing[] = "${iot:Connection.Thing.ThingName}";
    const char *account = aws_known_account(instance, call);
    const char *partition = aws_partition(instance->target.region);
    char arn[160], client[256], topic[256], filter[256];

    snprintf(arn, sizeof(arn), "arn:%s:iot:%s:%s", partition, instance->target.region, account);
    snprintf(client, sizeof(client), "%s:client/%s", arn, thing);
    snprintf(topic, sizeof(topic), "%s:topic/iotify/%s/*", arn, thing);
    snprintf(filter, sizeof(filter), "%s:topicfilter/iotify/%s/*", arn, thing);
    return json_pack("{s:s, s:[{s:s, s:s, s:s}, {s:s, s:[s,s], s:s}, {s:s, s:s, s:s}]}", "Version",
        "2012-10-17", "Statement", "Effect", "Allow", "Action", "iot:Connect", "Resource", client,
        "Effect", "Allow", "Action", "iot:Publish", "iot:Receive", "Resource", topic, "Effect",
        "Allow", "Action", "iot:Subscribe", "Resource", filter);
}

/* The policy is there: it must say what the job wants, and is never changed. */
static enum iotify_result compare_policy(
    struct iotify_call *call, const json_t *answer, const json_t *wanted, const char *name)
{
    json_t *present = json_loads(aws_text(answer, "policyDocument"), 0, NULL);
    bool same = present && json_equal(present, wanted);

    json_decref(present);
    if (same)
        return IOTIFY_UNCHANGED;
    return call->host->fail(call, IOTIFY_EXISTS, "PolicyDiffers",
        "the policy %s is there with another document; it is left as it is. Name another one "
        "under name:, or give its document under document:",
        name);
}

static enum iotify_result apply_policy(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct policy_options *options = call->arguments;
    json_t *wanted =
        options->document ? json_loads(options->document, 0, NULL) : default_policy(instance, call);
    char *text = json_dumps(wanted, JSON_COMPACT);
    json_t *answer;
    enum iotify_result result =
        describe(instance, call, AWS_GET_POLICY, options->name, "policyArn", &answer);

    if (result == IOTIFY_OK)
        result = compare_policy(call, answer, wanted, options->name);
    else if (result == IOTIFY_NOT_FOUND)
        result = create(instance, call, AWS_CREATE_POLICY, options->name, "policyArn",
            json_pack("{s:s}", "policyDocument", text ? text : "{}"));
    json_decref(answer);
    json_decref(wanted);
    free(text);
    return result;
}

static const char *const policy_permissions[] = {"iot:GetPolicy", "iot:CreatePolicy", NULL};

const struct iotify_action aws_policy_action = {"policy", "create the policy unless it is there",
    IOTIFY_FOR_JOB, &policy_settings, policy_permissions, prepare_policy, apply_policy};
