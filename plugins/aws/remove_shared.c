/* Taking away what all devices shared: group, policy with its versions, and the type. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "plugins/aws/aws.h"

/* A thing type can be deleted five minutes after it was deprecated; look every ten seconds. */
#define POLL INT64_C(10000000000)
#define POLLS_MAX 36

struct remove_options {
    bool enabled;
};

static const struct iotify_setting items[] = {
    {"enabled", IOTIFY_BOOLEAN, 0, offsetof(struct remove_options, enabled), "false", 0, 0, NULL,
        "true deletes group, policy and type too; takes the 5 minutes that AWS demands"},
};
static const struct iotify_settings settings = IOTIFY_SETTINGS(items, struct remove_options);

static enum iotify_result send(
    struct aws_instance *instance, struct iotify_call *call, struct aws_request request)
{
    enum iotify_result result = aws_send(instance->client, call, &request);

    json_decref(request.answer);
    return result == IOTIFY_NOT_FOUND ? IOTIFY_OK : result;
}

static enum iotify_result remove_group(struct aws_instance *instance, struct iotify_call *call)
{
    if (!instance->names.group)
        return IOTIFY_OK;
    return send(instance, call,
        (struct aws_request){.operation = AWS_DELETE_THING_GROUP, .name = instance->names.group});
}

/* All versions but the default one have to go first. */
static enum iotify_result remove_versions(struct aws_instance *instance, struct iotify_call *call)
{
    struct aws_request request = {
        .operation = AWS_LIST_POLICY_VERSIONS, .name = instance->names.policy};
    enum iotify_result result = aws_send(instance->client, call, &request);
    const json_t *versions = json_object_get(request.answer, "policyVersions");

    for (size_t i = 0; i < json_array_size(versions) && result == IOTIFY_OK; i++) {
        const json_t *version = json_array_get(versions, i);

        if (!json_is_true(json_object_get(version, "isDefaultVersion")))
            result = send(instance, call,
                (struct aws_request){.operation = AWS_DELETE_POLICY_VERSION,
                    .name = instance->names.policy,
                    .version = aws_text(version, "versionId")});
    }
    json_decref(request.answer);
    return result;
}

static enum iotify_result remove_policy(struct aws_instance *instance, struct iotify_call *call)
{
    enum iotify_result result;

    if (!instance->names.policy)
        return IOTIFY_OK;
    result = remove_versions(instance, call);
    if (result == IOTIFY_NOT_FOUND)
        return IOTIFY_OK;
    /* A detach takes a while to arrive. */
    for (int i = 0; i < POLLS_MAX && result == IOTIFY_OK; i++) {
        result = send(instance, call,
            (struct aws_request){.operation = AWS_DELETE_POLICY, .name = instance->names.policy});
        if (result != IOTIFY_CONFLICT)
            return result;
        if (i + 1 < POLLS_MAX)
            result = call->host->wait(call, POLL);
    }
    return result;
}

/* Are there things of the type? They are somebody else's: this job's own are gone by now. */
static enum iotify_result type_in_use(
    struct aws_instance *instance, struct iotify_call *call, bool *in_use)
{
    struct aws_request request = {.operation = AWS_LIST_THINGS,
        .query = {{"maxResults", "1"}, {"thingTypeName", instance->names.type}}};
    enum iotify_result result = aws_send(instance->client, call, &request);

    *in_use = json_array_size(json_object_get(request.answer, "things")) > 0;
    json_decref(request.answer);
    return result;
}

static enum iotify_result remove_type(struct aws_instance *instance, struct iotify_call *call)
{
    enum iotify_result result;
    bool in_use;

    if (!instance->names.type)
        return IOTIFY_OK;
    result = type_in_use(instance, call, &in_use);
    if (result == IOTIFY_OK && in_use) {
        call->host->log(call, IOTIFY_WARNING,
            "the type %s has things that are not this job's, and is left as it is",
            instance->names.type);
        return IOTIFY_OK;
    }
    if (result != IOTIFY_OK && result != IOTIFY_NOT_FOUND)
        return result;
    {
        struct aws_request request = {.operation = AWS_DEPRECATE_THING_TYPE,
            .name = instance->names.type,
            .body = json_object()};

        result = aws_send(instance->client, call, &request);
        json_decref(request.body);
        json_decref(request.answer);
    }
    if (result == IOTIFY_NOT_FOUND)
        return IOTIFY_OK;
    for (int i = 0; i < POLLS_MAX && result == IOTIFY_OK; i++) {
        result = send(instance, call,
            (struct aws_request){.operation = AWS_DELETE_THING_TYPE, .name = instance->names.type});
        if (result != IOTIFY_INVALID)
            return result;
        if (i == 0)
            call->host->log(call, IOTIFY_INFO,
                "the type %s is deprecated; AWS lets it be deleted in 5 minutes, waiting",
                instance->names.type);
        if (i + 1 < POLLS_MAX)
            result = call->host->wait(call, POLL);
    }
    return result;
}

static enum iotify_result apply(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct remove_options *options = call->arguments;
    enum iotify_result result;

    if (!options->enabled)
        return IOTIFY_UNCHANGED;
    result = remove_group(instance, call);
    if (result == IOTIFY_OK)
        result = remove_policy(instance, call);
    if (result == IOTIFY_OK)
        result = remove_type(instance, call);
    return result;
}

static const char *const permissions[] = {"iot:DeleteThingGroup", "iot:ListPolicyVersions",
    "iot:DeletePolicyVersion", "iot:DeletePolicy", "iot:ListThings", "iot:DeprecateThingType",
    "iot:DeleteThingType", NULL};

const struct iotify_action aws_remove_shared_action = {"remove_shared",
    "delete group, policy and thing type", IOTIFY_FOR_JOB, &settings, permissions, NULL, apply};
