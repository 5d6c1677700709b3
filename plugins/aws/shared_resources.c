/* SPDX-License-Identifier: Apache-2.0 */
/* The steps `thing_type` and `thing_group`, and the functions of shared_internal.h. */
#include "plugins/aws/shared_resources.h"

#include <jansson.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/iam_permissions.h"
#include "plugins/aws/job_record.h"
#include "plugins/aws/shared_internal.h"

struct shared_name_options {
    const char *name;
};

enum iotify_result shared_describe(struct aws_instance *instance, struct iotify_call *call,
    enum aws_operation operation, const char *name, const char *arn, json_t **answer)
{
    struct aws_request request = {.operation = operation, .name = name};
    enum iotify_result result = aws_send(instance->client, call, &request);

    if (result == IOTIFY_RESULT_OK)
        aws_instance_note_arn(instance, aws_text(request.answer, arn));
    *answer = request.answer;
    return result;
}

enum iotify_result shared_create(
    struct aws_instance *instance, struct iotify_call *call, const struct shared_creation *creation)
{
    struct aws_request request = {
        .operation = creation->operation, .name = creation->name, .body = creation->body};
    enum iotify_result unmarked,
        result = job_record_mark(call, creation->kind, creation->name, true);

    if (result == IOTIFY_RESULT_OK) {
        result = aws_send(instance->client, call, &request);
        if (result == IOTIFY_RESULT_OK)
            aws_instance_note_arn(instance, aws_text(request.answer, creation->arn));
    }
    json_decref(request.answer);
    json_decref(creation->body);
    if (result == IOTIFY_RESULT_OK || request.uncertain)
        return result == IOTIFY_RESULT_EXISTS ? IOTIFY_RESULT_UNCHANGED : result;
    /* Another process created it, or it was not created. */
    unmarked = job_record_mark(call, creation->kind, creation->name, false);
    if (result == IOTIFY_RESULT_EXISTS)
        return unmarked == IOTIFY_RESULT_OK ? IOTIFY_RESULT_UNCHANGED : unmarked;
    return result;
}

enum iotify_result shared_plan(struct aws_instance *instance, struct iotify_call *call,
    enum aws_operation operation, enum aws_operation making, const char *kind, const char *name,
    const char *arn, const char *(*unfit)(const json_t *answer))
{
    json_t *answer;
    enum iotify_result result = shared_describe(instance, call, operation, name, arn, &answer);
    const char *why = result == IOTIFY_RESULT_OK && unfit ? unfit(answer) : NULL;

    json_decref(answer);
    if (result != IOTIFY_RESULT_OK && result != IOTIFY_RESULT_NOT_FOUND)
        return result;
    call->host->plan_change(call,
        why                          ? IOTIFY_CHANGE_BLOCKED
        : result == IOTIFY_RESULT_OK ? IOTIFY_CHANGE_KEEP
                                     : IOTIFY_CHANGE_CREATE,
        kind, name, why);
    call->host->plan_calls(call, aws_operation_name(operation), 1);
    if (result == IOTIFY_RESULT_NOT_FOUND)
        call->host->plan_calls(call, aws_operation_name(making), 1);
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ thing type */

static const struct iotify_setting type_items[] = {
    {.name = "name",
        .type = IOTIFY_TYPE_STRING,
        .offset = offsetof(struct shared_name_options, name),
        .value = AWS_DEFAULT_TYPE,
        .help = "name of the thing type"},
};
static const struct iotify_settings type_settings =
    IOTIFY_SETTINGS(type_items, struct shared_name_options);

static enum iotify_result shared_prepare_type(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct shared_name_options *options = call->arguments;

    instance->names.type = options->name;
    return aws_check_name(call, "name", options->name) ? IOTIFY_RESULT_OK : IOTIFY_RESULT_INVALID;
}

static bool shared_is_deprecated(const json_t *answer)
{
    return json_is_true(
        json_object_get(json_object_get(answer, "thingTypeMetadata"), "deprecated"));
}

/* Undo the deprecation of a type that this job created, after an interrupted removal. */
static enum iotify_result shared_use_deprecated(
    struct aws_instance *instance, struct iotify_call *call, const char *name)
{
    struct aws_request request = {.operation = AWS_DEPRECATE_THING_TYPE, .name = name};
    bool made;
    enum iotify_result result = job_record_made(call, SHARED_TYPE, name, &made);

    if (result != IOTIFY_RESULT_OK)
        return result;
    if (!made)
        return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "Deprecated",
            "the thing type %s is deprecated and takes no new things; name another one, or undo "
            "it: aws iot deprecate-thing-type --undo-deprecate --thing-type-name %s",
            name, name);
    request.body = json_pack("{s:b}", "undoDeprecate", 1);
    result = aws_send(instance->client, call, &request);
    json_decref(request.body);
    json_decref(request.answer);
    return result;
}

static enum iotify_result shared_apply_type(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct shared_name_options *options = call->arguments;
    json_t *answer;
    enum iotify_result result = shared_describe(
        instance, call, AWS_DESCRIBE_THING_TYPE, options->name, "thingTypeArn", &answer);
    bool deprecated = shared_is_deprecated(answer);

    json_decref(answer);
    if (result == IOTIFY_RESULT_OK)
        return deprecated ? shared_use_deprecated(instance, call, options->name)
                          : IOTIFY_RESULT_UNCHANGED;
    if (result != IOTIFY_RESULT_NOT_FOUND)
        return result;
    return shared_create(instance, call,
        &(struct shared_creation){SHARED_TYPE, AWS_CREATE_THING_TYPE, options->name, "thingTypeArn",
            json_pack("{s:{s:s}}", "thingTypeProperties", "thingTypeDescription",
                "Virtual devices of iotifyd")});
}

static const char *shared_unfit_type(const json_t *answer)
{
    return shared_is_deprecated(answer) ? "it is deprecated" : NULL;
}

static enum iotify_result shared_plan_type(void *given, struct iotify_call *call)
{
    const struct shared_name_options *options = call->arguments;
    bool made = false;
    enum iotify_result result = job_record_made(call, SHARED_TYPE, options->name, &made);

    if (result != IOTIFY_RESULT_OK)
        return result;
    /* apply() undoes the deprecation of a type that this job created. */
    return shared_plan(given, call, AWS_DESCRIBE_THING_TYPE, AWS_CREATE_THING_TYPE, "thing type",
        options->name, "thingTypeArn", made ? NULL : shared_unfit_type);
}

static void shared_permit_type(void *given, struct iotify_call *call)
{
    static const char *const actions[] = {
        "DescribeThingType", "CreateThingType", "DeprecateThingType", NULL};
    const struct shared_name_options *options = call->arguments;

    iam_permissions_add(call, given, actions, "thingtype", options->name);
}

const struct iotify_action aws_thing_type_action = {
    .name = "thing_type",
    .summary = "create the thing type unless it exists",
    .scope = IOTIFY_SCOPE_JOB,
    .settings = &type_settings,
    .prepare = shared_prepare_type,
    .apply = shared_apply_type,
    .plan = shared_plan_type,
    .permit = shared_permit_type,
};

/* ------------------------------------------------------------------ thing group */

static const struct iotify_setting group_items[] = {
    {.name = "name",
        .type = IOTIFY_TYPE_STRING,
        .offset = offsetof(struct shared_name_options, name),
        .value = AWS_DEFAULT_GROUP,
        .help = "name of the thing group that holds all devices"},
};
static const struct iotify_settings group_settings =
    IOTIFY_SETTINGS(group_items, struct shared_name_options);

static enum iotify_result shared_prepare_group(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct shared_name_options *options = call->arguments;

    instance->names.group = options->name;
    return aws_check_name(call, "name", options->name) ? IOTIFY_RESULT_OK : IOTIFY_RESULT_INVALID;
}

static enum iotify_result shared_apply_group(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct shared_name_options *options = call->arguments;
    json_t *answer;
    enum iotify_result result = shared_describe(
        instance, call, AWS_DESCRIBE_THING_GROUP, options->name, "thingGroupArn", &answer);
    bool dynamic = *aws_text(answer, "queryString") != '\0';

    json_decref(answer);
    if (result == IOTIFY_RESULT_NOT_FOUND)
        return shared_create(instance, call,
            &(struct shared_creation){SHARED_GROUP, AWS_CREATE_THING_GROUP, options->name,
                "thingGroupArn",
                json_pack("{s:{s:s}}", "thingGroupProperties", "thingGroupDescription",
                    "Virtual devices of iotifyd")});
    if (result == IOTIFY_RESULT_OK && dynamic)
        return call->host->fail(call, IOTIFY_RESULT_EXISTS, "GroupDiffers",
            "the group %s is a dynamic group, to which no things can be added; set another name",
            options->name);
    return result == IOTIFY_RESULT_OK ? IOTIFY_RESULT_UNCHANGED : result;
}

static const char *shared_unfit_group(const json_t *answer)
{
    return *aws_text(answer, "queryString") ? "it is a dynamic group, which takes no things" : NULL;
}

static enum iotify_result shared_plan_group(void *given, struct iotify_call *call)
{
    const struct shared_name_options *options = call->arguments;

    return shared_plan(given, call, AWS_DESCRIBE_THING_GROUP, AWS_CREATE_THING_GROUP, "thing group",
        options->name, "thingGroupArn", shared_unfit_group);
}

static void shared_permit_group(void *given, struct iotify_call *call)
{
    static const char *const actions[] = {"DescribeThingGroup", "CreateThingGroup", NULL};
    const struct shared_name_options *options = call->arguments;

    iam_permissions_add(call, given, actions, "thinggroup", options->name);
}

const struct iotify_action aws_thing_group_action = {
    .name = "thing_group",
    .summary = "create the thing group unless it exists",
    .scope = IOTIFY_SCOPE_JOB,
    .settings = &group_settings,
    .prepare = shared_prepare_group,
    .apply = shared_apply_group,
    .plan = shared_plan_group,
    .permit = shared_permit_group,
};
