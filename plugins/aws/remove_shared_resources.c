/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletes what all devices shared: the thing group, the policy with its versions, and the thing
 * type. Resources that this job did not create, or that are in use, are reported and kept.
 */
#include "plugins/aws/remove_shared_resources.h"

#include <jansson.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/iam_permissions.h"
#include "plugins/aws/job_record.h"

/* Pauses in nanoseconds, and how often to retry while a detach or a deprecation takes effect. */
#define PAUSE_MIN INT64_C(1000000000)
#define PAUSE_MAX INT64_C(10000000000)
#define CHECKS_MAX 45
#define LISTINGS_MAX 3

struct remove_shared_remove_options {
    bool enabled;
};

static const struct iotify_setting items[] = {
    {.name = "enabled",
        .type = IOTIFY_TYPE_BOOLEAN,
        .offset = offsetof(struct remove_shared_remove_options, enabled),
        .value = "false",
        .help = "true deletes group, policy and type too; takes 5 minutes, which AWS requires"},
};
static const struct iotify_settings settings =
    IOTIFY_SETTINGS(items, struct remove_shared_remove_options);

/* One resource to remove, with the word for it in messages. */
struct remove_shared {
    enum job_record_kind kind;
    const char *word, *name;
};

static enum iotify_result remove_shared_leave(
    struct iotify_call *call, const struct remove_shared *shared, const char *why)
{
    call->host->log(
        call, IOTIFY_LOG_WARNING, "the %s %s %s, and is left", shared->word, shared->name, why);
    return IOTIFY_RESULT_UNCHANGED;
}

static int64_t remove_shared_pause_of(int look)
{
    int64_t pause = PAUSE_MIN << (look < 4 ? look : 4);

    return pause < PAUSE_MAX ? pause : PAUSE_MAX;
}

/* Set `any` to whether a listing has entries. Repeats it: it may still show removed ones. */
static enum iotify_result remove_shared_has_any(struct aws_instance *instance,
    struct iotify_call *call, struct aws_request request, const char *member, bool *any)
{
    enum iotify_result result = IOTIFY_RESULT_OK;

    *any = true;
    for (int i = 0; i < LISTINGS_MAX && *any && result == IOTIFY_RESULT_OK; i++) {
        if (i > 0)
            result = call->host->wait(call, remove_shared_pause_of(i - 1));
        if (result == IOTIFY_RESULT_OK)
            result = aws_send(instance->client, call, &request);
        *any = json_array_size(json_object_get(request.answer, member)) > 0;
        json_decref(request.answer);
        request.answer = NULL;
    }
    return result;
}

/* ------------------------------------------------------------------ group */

/* Detach the job's policy from the group: an attached policy cannot be deleted. */
static enum iotify_result remove_shared_detach_policy(
    struct aws_instance *instance, struct iotify_call *call, const struct remove_shared *group)
{
    struct aws_request request = {.operation = AWS_DESCRIBE_THING_GROUP, .name = group->name};
    enum iotify_result result;
    json_t *body;

    if (!instance->names.group_has_policy || !instance->names.policy)
        return IOTIFY_RESULT_OK;
    result = aws_send(instance->client, call, &request);
    if (result == IOTIFY_RESULT_OK) {
        body = json_pack("{s:s}", "target", aws_text(request.answer, "thingGroupArn"));
        result = aws_remove(instance->client, call,
            (struct aws_request){
                .operation = AWS_DETACH_POLICY, .name = instance->names.policy, .body = body});
        json_decref(body);
    }
    json_decref(request.answer);
    return result;
}

/* Set `any` to whether the group has things. It may still list deleted ones: check each. */
static enum iotify_result remove_shared_has_members(struct aws_instance *instance,
    struct iotify_call *call, const struct remove_shared *group, bool *any)
{
    struct aws_request request = {.operation = AWS_LIST_THINGS_IN_THING_GROUP, .name = group->name};
    enum iotify_result result = aws_send(instance->client, call, &request);
    const json_t *things = json_object_get(request.answer, "things");

    *any = false;
    for (size_t i = 0; i < json_array_size(things) && result == IOTIFY_RESULT_OK && !*any; i++) {
        struct aws_request thing = {
            .operation = AWS_DESCRIBE_THING, .name = json_string_value(json_array_get(things, i))};

        result = aws_send(instance->client, call, &thing);
        *any = result == IOTIFY_RESULT_OK;
        json_decref(thing.answer);
        result = result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_OK : result;
    }
    json_decref(request.answer);
    return result;
}

static enum iotify_result remove_shared_remove_group(
    struct aws_instance *instance, struct iotify_call *call, const struct remove_shared *group)
{
    bool any;
    enum iotify_result result = remove_shared_has_members(instance, call, group, &any);

    if (result == IOTIFY_RESULT_OK && any)
        return remove_shared_leave(call, group, "has things that are not this job's");
    if (result == IOTIFY_RESULT_OK)
        result = remove_shared_detach_policy(instance, call, group);
    if (result == IOTIFY_RESULT_OK)
        result = aws_remove(instance->client, call,
            (struct aws_request){.operation = AWS_DELETE_THING_GROUP, .name = group->name});
    return result == IOTIFY_RESULT_INVALID ? remove_shared_leave(call, group, "has groups below it")
                                           : result;
}

/* ------------------------------------------------------------------ policy */

/* Delete all versions but the default one, as AWS requires before it deletes a policy. */
static enum iotify_result remove_shared_remove_versions(
    struct aws_instance *instance, struct iotify_call *call, const struct remove_shared *policy)
{
    struct aws_request request = {.operation = AWS_LIST_POLICY_VERSIONS, .name = policy->name};
    enum iotify_result result = aws_send(instance->client, call, &request);
    const json_t *versions = json_object_get(request.answer, "policyVersions");

    for (size_t i = 0; i < json_array_size(versions) && result == IOTIFY_RESULT_OK; i++) {
        const json_t *version = json_array_get(versions, i);

        if (!json_is_true(json_object_get(version, "isDefaultVersion")))
            result = aws_remove(instance->client, call,
                (struct aws_request){.operation = AWS_DELETE_POLICY_VERSION,
                    .name = policy->name,
                    .version = aws_text(version, "versionId")});
    }
    json_decref(request.answer);
    return result;
}

static enum iotify_result remove_shared_remove_policy(
    struct aws_instance *instance, struct iotify_call *call, const struct remove_shared *policy)
{
    const struct aws_request targets = {.operation = AWS_LIST_TARGETS_FOR_POLICY,
        .name = policy->name,
        .query = {{"pageSize", "1"}}};
    bool any = false;
    enum iotify_result result = remove_shared_has_any(instance, call, targets, "targets", &any);

    if (result == IOTIFY_RESULT_OK && any)
        return remove_shared_leave(call, policy, "is attached to objects of others");
    if (result == IOTIFY_RESULT_OK)
        result = remove_shared_remove_versions(instance, call, policy);
    /* AWS reports a conflict until earlier detachments have taken effect. */
    for (int i = 0; i < CHECKS_MAX && result == IOTIFY_RESULT_OK; i++) {
        result = aws_remove(instance->client, call,
            (struct aws_request){.operation = AWS_DELETE_POLICY, .name = policy->name});
        if (result != IOTIFY_RESULT_CONFLICT)
            return result;
        if (i + 1 < CHECKS_MAX)
            result = call->host->wait(call, remove_shared_pause_of(i));
    }
    return result;
}

/* ------------------------------------------------------------------ type */

static enum iotify_result remove_shared_is_deprecated(
    struct aws_instance *instance, struct iotify_call *call, const char *name, bool *deprecated)
{
    struct aws_request request = {.operation = AWS_DESCRIBE_THING_TYPE, .name = name};
    enum iotify_result result = aws_send(instance->client, call, &request);

    *deprecated = json_is_true(
        json_object_get(json_object_get(request.answer, "thingTypeMetadata"), "deprecated"));
    json_decref(request.answer);
    return result;
}

/* Deprecate the type unless it is deprecated: AWS counts the waiting time from the first time. */
static enum iotify_result remove_shared_deprecate(
    struct aws_instance *instance, struct iotify_call *call, const char *name)
{
    struct aws_request request = {
        .operation = AWS_DEPRECATE_THING_TYPE, .name = name, .body = json_object()};
    bool deprecated;
    enum iotify_result result = remove_shared_is_deprecated(instance, call, name, &deprecated);

    if (result == IOTIFY_RESULT_OK && !deprecated) {
        result = aws_send(instance->client, call, &request);
        json_decref(request.answer);
    }
    json_decref(request.body);
    return result;
}

static enum iotify_result remove_shared_remove_type(
    struct aws_instance *instance, struct iotify_call *call, const struct remove_shared *type)
{
    const struct aws_request things = {.operation = AWS_LIST_THINGS,
        .query = {{"maxResults", "1"}, {"thingTypeName", type->name}}};
    bool any = false;
    enum iotify_result result = remove_shared_has_any(instance, call, things, "things", &any);

    if (result == IOTIFY_RESULT_OK && any)
        return remove_shared_leave(call, type, "has things that are not this job's");
    if (result == IOTIFY_RESULT_OK)
        result = remove_shared_deprecate(instance, call, type->name);
    for (int i = 0; i < CHECKS_MAX && result == IOTIFY_RESULT_OK; i++) {
        result = aws_remove(instance->client, call,
            (struct aws_request){.operation = AWS_DELETE_THING_TYPE, .name = type->name});
        if (result != IOTIFY_RESULT_INVALID)
            return result;
        if (i == 0)
            call->host->log(call, IOTIFY_LOG_INFO,
                "the type %s is deprecated; AWS lets it be deleted 5 minutes after that, waiting. "
                "Once interrupted, the same command waits for the rest",
                type->name);
        if (i + 1 < CHECKS_MAX)
            result = call->host->wait(call, remove_shared_pause_of(i));
    }
    return result;
}

/* ------------------------------------------------------------------ all of them */

static size_t remove_shared_list(
    const struct aws_instance *instance, struct remove_shared shared[3])
{
    const struct remove_shared all[] = {{SHARED_GROUP, "group", instance->names.group},
        {SHARED_POLICY, "policy", instance->names.policy},
        {SHARED_TYPE, "thing type", instance->names.type}};
    size_t count = 0;

    for (size_t i = 0; i < 3; i++)
        if (all[i].name)
            shared[count++] = all[i];
    return count;
}

static enum iotify_result remove_shared_remove_one(
    struct aws_instance *instance, struct iotify_call *call, const struct remove_shared *shared)
{
    static enum iotify_result (*const removers[])(struct aws_instance * instance,
        struct iotify_call * call,
        const struct remove_shared *shared) = {[SHARED_GROUP] = remove_shared_remove_group,
        [SHARED_POLICY] = remove_shared_remove_policy,
        [SHARED_TYPE] = remove_shared_remove_type};
    bool made;
    enum iotify_result result = job_record_made(call, shared->kind, shared->name, &made);

    if (result != IOTIFY_RESULT_OK)
        return result;
    if (!made)
        return remove_shared_leave(call, shared, "was not made by this job");
    result = removers[shared->kind](instance, call, shared);
    if (result == IOTIFY_RESULT_NOT_FOUND)
        result = IOTIFY_RESULT_OK;
    return result == IOTIFY_RESULT_OK ? job_record_mark(call, shared->kind, shared->name, false)
                                      : result;
}

static enum iotify_result remove_shared_apply(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct remove_shared_remove_options *options = call->arguments;
    enum iotify_result result = IOTIFY_RESULT_UNCHANGED;
    struct remove_shared shared[3];
    size_t count = options->enabled ? remove_shared_list(instance, shared) : 0;

    for (size_t i = 0; i < count; i++) {
        enum iotify_result removed = remove_shared_remove_one(instance, call, &shared[i]);

        if (removed > IOTIFY_RESULT_UNCHANGED)
            return removed;
        result = removed == IOTIFY_RESULT_OK ? IOTIFY_RESULT_OK : result;
    }
    return result;
}

static enum iotify_result remove_shared_plan(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct remove_shared_remove_options *options = call->arguments;
    struct remove_shared shared[3];
    size_t count = options->enabled ? remove_shared_list(instance, shared) : 0;

    for (size_t i = 0; i < count; i++) {
        bool made;
        enum iotify_result result = job_record_made(call, shared[i].kind, shared[i].name, &made);

        if (result != IOTIFY_RESULT_OK)
            return result;
        call->host->plan_change(call, made ? IOTIFY_CHANGE_DELETE : IOTIFY_CHANGE_KEEP,
            shared[i].word, shared[i].name, NULL);
    }
    return IOTIFY_RESULT_OK;
}

static void remove_shared_permit(void *given, struct iotify_call *call)
{
    static const char *const group_actions[] = {"ListThingsInThingGroup", "DeleteThingGroup", NULL};
    static const char *const detach_actions[] = {"DescribeThingGroup", "DetachPolicy", NULL};
    static const char *const policy_actions[] = {
        "ListTargetsForPolicy", "ListPolicyVersions", "DeletePolicyVersion", "DeletePolicy", NULL};
    static const char *const type_actions[] = {
        "DescribeThingType", "DeprecateThingType", "DeleteThingType", NULL};
    static const char *const any_actions[] = {"ListThings", NULL};
    static const char *const member_actions[] = {"DescribeThing", NULL};
    const struct aws_instance *instance = given;
    const struct remove_shared_remove_options *options = call->arguments;

    if (!options->enabled)
        return;
    if (instance->names.group) {
        iam_permissions_add(call, instance, group_actions, "thinggroup", instance->names.group);
        iam_permissions_add(call, instance, member_actions, "thing", "*");
    }
    if (instance->names.group && instance->names.group_has_policy)
        iam_permissions_add(call, instance, detach_actions, "thinggroup", instance->names.group);
    if (instance->names.policy)
        iam_permissions_add(call, instance, policy_actions, "policy", instance->names.policy);
    if (instance->names.type) {
        iam_permissions_add(call, instance, type_actions, "thingtype", instance->names.type);
        iam_permissions_add(call, instance, any_actions, NULL, NULL);
    }
}

const struct iotify_action aws_remove_shared_action = {
    .name = "remove_shared",
    .summary = "delete group, policy and thing type",
    .scope = IOTIFY_SCOPE_JOB,
    .removes = true,
    .settings = &settings,
    .apply = remove_shared_apply,
    .plan = remove_shared_plan,
    .permit = remove_shared_permit,
};
