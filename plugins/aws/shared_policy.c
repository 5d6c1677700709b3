/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/shared_policy.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/iam_permissions.h"
#include "plugins/aws/policy/policy_compare.h"
#include "plugins/aws/shared_internal.h"

/* Maximum size of a document without white space, as AWS counts it. */
#define DOCUMENT_MAX 2048

enum shared_attach { ATTACH_CERTIFICATE, ATTACH_GROUP };

struct shared_policy_options {
    const char *name, *document;
    int attach; /* enum shared_attach */
};

static const char *const attach_choices[] = {"certificate", "group", NULL};

static const struct iotify_setting policy_items[] = {
    {.name = "name",
        .type = IOTIFY_TYPE_STRING,
        .offset = offsetof(struct shared_policy_options, name),
        .value = AWS_DEFAULT_POLICY,
        .help = "name of the policy that each certificate gets"},
    {.name = "document",
        .type = IOTIFY_TYPE_DOCUMENT,
        .offset = offsetof(struct shared_policy_options, document),
        .help = "the policy; default: connect as the own thing, and use topics below iotify/<own "
                "thing>"},
    {.name = "attach",
        .type = IOTIFY_TYPE_CHOICE,
        .offset = offsetof(struct shared_policy_options, attach),
        .value = "certificate",
        IOTIFY_CHOICES(attach_choices),
        .help = "what the policy is attached to: each certificate, or the thing group once"},
};
static const struct iotify_settings policy_settings =
    IOTIFY_SETTINGS(policy_items, struct shared_policy_options);

/* The size of a document without the white space between its tokens. */
static size_t shared_compact_size(const char *document)
{
    json_t *json = json_loads(document, 0, NULL);
    char *text = json_dumps(json, JSON_COMPACT);
    size_t size = text ? strlen(text) : 0;

    free(text);
    json_decref(json);
    return size;
}

static enum iotify_result shared_prepare_policy(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct shared_policy_options *options = call->arguments;

    instance->names.policy = options->name;
    if (instance->names.policy_count < AWS_POLICIES_MAX)
        instance->names.policies[instance->names.policy_count++] =
            (struct aws_policy_step){options->name, options->document};
    if (!aws_check_policy_name(call, "name", options->name))
        return IOTIFY_RESULT_INVALID;
    if (options->document && shared_compact_size(options->document) > DOCUMENT_MAX)
        return call->host->fail_setting(call, "document",
            "the policy has %zu characters without white space; AWS takes at most %d",
            shared_compact_size(options->document), DOCUMENT_MAX);
    instance->names.group_has_policy = options->attach == ATTACH_GROUP;
    if (options->attach == ATTACH_GROUP && !instance->names.group)
        return call->host->fail_setting(call, "attach",
            "\"attach\": no step before this one makes a thing group; add thing_group to the "
            "pipeline, above policy");
    return IOTIFY_RESULT_OK;
}

/* The default policy: a device may connect with the name of its thing, and use its topics. */
static json_t *shared_default_policy(struct aws_instance *instance, struct iotify_call *call)
{
    static const char thing[] = "${iot:Connection.Thing.ThingName}";
    const char *account = aws_instance_account(instance, call);
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

char *aws_policy_document(
    struct aws_instance *instance, struct iotify_call *call, const char *document)
{
    json_t *wanted =
        document ? json_loads(document, 0, NULL) : shared_default_policy(instance, call);
    char *text = json_dumps(wanted, JSON_COMPACT);

    json_decref(wanted);
    return text;
}

static enum iotify_result shared_make_policy(
    struct aws_instance *instance, struct iotify_call *call)
{
    const struct shared_policy_options *options = call->arguments;
    json_t *answer;
    enum iotify_result result =
        shared_describe(instance, call, AWS_GET_POLICY, options->name, "policyArn", &answer);
    /* Only after that answer: it may be the first with the account, which the policy contains. */
    char *text = aws_policy_document(instance, call, options->document);

    if (result == IOTIFY_RESULT_OK)
        result = policy_same(aws_text(answer, "policyDocument"), text)
                     ? IOTIFY_RESULT_UNCHANGED
                     : call->host->fail(call, IOTIFY_RESULT_EXISTS, "PolicyDiffers",
                           "the policy %s exists with another document, and is not changed. Set "
                           "another name under name:, or its document under document:",
                           options->name);
    else if (result == IOTIFY_RESULT_NOT_FOUND)
        result = shared_create(instance, call,
            &(struct shared_creation){SHARED_POLICY, AWS_CREATE_POLICY, options->name, "policyArn",
                json_pack("{s:s}", "policyDocument", text ? text : "{}")});
    json_decref(answer);
    free(text);
    return result;
}

/*
 * Attach the policy to the group, if this job created the group: in another group the policy would
 * give rights to things that are not the job's. Only DescribeThingGroup returns the group's ARN.
 */
static enum iotify_result shared_attach_to_group(
    struct aws_instance *instance, struct iotify_call *call)
{
    const struct shared_policy_options *options = call->arguments;
    struct aws_request request = {.operation = AWS_ATTACH_POLICY, .name = options->name};
    json_t *group;
    bool made;
    enum iotify_result result = job_record_made(call, SHARED_GROUP, instance->names.group, &made);

    if (result != IOTIFY_RESULT_OK)
        return result;
    if (!made)
        return call->host->fail(call, IOTIFY_RESULT_EXISTS, "GroupDiffers",
            "the group %s existed before this job, and a policy on it would give rights to all of "
            "its things; set attach: certificate, or another name for the group",
            instance->names.group);
    result = shared_describe(
        instance, call, AWS_DESCRIBE_THING_GROUP, instance->names.group, "thingGroupArn", &group);

    if (result == IOTIFY_RESULT_OK) {
        request.body = json_pack("{s:s}", "target", aws_text(group, "thingGroupArn"));
        result = aws_send(instance->client, call, &request);
        json_decref(request.body);
        json_decref(request.answer);
    }
    json_decref(group);
    return result;
}

static enum iotify_result shared_apply_policy(void *given, struct iotify_call *call)
{
    const struct shared_policy_options *options = call->arguments;
    enum iotify_result result = shared_make_policy(given, call), attached;

    if (result > IOTIFY_RESULT_UNCHANGED || options->attach != ATTACH_GROUP)
        return result;
    attached = aws_wait_until_visible(call, shared_attach_to_group(given, call));
    return attached == IOTIFY_RESULT_OK ? result : attached;
}

static enum iotify_result shared_plan_policy(void *given, struct iotify_call *call)
{
    const struct shared_policy_options *options = call->arguments;
    json_t *answer;
    enum iotify_result result =
        shared_describe(given, call, AWS_GET_POLICY, options->name, "policyArn", &answer);
    /* Only after that answer: it may be the first with the account, which the policy contains. */
    char *text = aws_policy_document(given, call, options->document);
    bool same = policy_same(aws_text(answer, "policyDocument"), text);

    json_decref(answer);
    free(text);
    if (result == IOTIFY_RESULT_OK && !same) {
        call->host->plan_change(call, IOTIFY_CHANGE_BLOCKED, "policy", options->name,
            "it exists with another document; set name: or document:");
        return IOTIFY_RESULT_OK;
    }
    if (result != IOTIFY_RESULT_OK && result != IOTIFY_RESULT_NOT_FOUND)
        return result;
    return shared_plan(
        given, call, AWS_GET_POLICY, AWS_CREATE_POLICY, "policy", options->name, "policyArn", NULL);
}

static void shared_permit_policy(void *given, struct iotify_call *call)
{
    static const char *const actions[] = {"GetPolicy", "CreatePolicy", NULL};
    static const char *const attaching[] = {"AttachPolicy", "DescribeThingGroup", NULL};
    const struct aws_instance *instance = given;
    const struct shared_policy_options *options = call->arguments;

    iam_permissions_add(call, instance, actions, "policy", options->name);
    if (options->attach == ATTACH_GROUP)
        iam_permissions_add(call, instance, attaching, "thinggroup", instance->names.group);
}

const struct iotify_action aws_policy_action = {
    .name = "policy",
    .summary = "create the policy unless it exists",
    .scope = IOTIFY_SCOPE_JOB,
    .settings = &policy_settings,
    .prepare = shared_prepare_policy,
    .apply = shared_apply_policy,
    .plan = shared_plan_policy,
    .permit = shared_permit_policy,
};
