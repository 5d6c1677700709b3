/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removes one device: exactly what its record names, in the order that AWS requires. Missing
 * objects are skipped. Last, the record becomes a tombstone and the glob entries are deleted.
 */
#include "plugins/aws/device/remove_device.h"

#include <jansson.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/device/orphan.h"
#include "plugins/aws/device/verify_removal.h"
#include "plugins/aws/iam_permissions.h"

/* AWS detaches asynchronously, mostly in seconds: pauses between checks, and the limit, in ns. */
#define PAUSE_MIN INT64_C(100000000)
#define PAUSE_MAX INT64_C(2000000000)
#define PATIENCE INT64_C(60000000000)

struct removal_options {
    char unused;
};

static const struct iotify_settings settings = {
    .item_size = sizeof(struct iotify_setting), .options_size = sizeof(struct removal_options)};

/* A missing object counts as removed. */
static enum iotify_result removal_accept_missing(enum iotify_result result)
{
    return result == IOTIFY_NOT_FOUND ? IOTIFY_OK : result;
}

static enum iotify_result removal_detach_policy(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    json_t *body;
    enum iotify_result result;

    if (!record->policy)
        return IOTIFY_OK;
    body = json_pack("{s:s}", "target", record->certificate_arn);
    result = aws_remove(instance->client, call,
        (struct aws_request){.operation = AWS_DETACH_POLICY, .name = record->policy, .body = body});
    json_decref(body);
    return result;
}

struct removal_attachment {
    const char *arn;
    bool attached;
};

static bool removal_find_certificate(void *argument, const json_t *answer)
{
    struct removal_attachment *attachment = argument;
    const json_t *principals = json_object_get(answer, "principals");

    for (size_t i = 0; i < json_array_size(principals) && !attachment->attached; i++) {
        const char *arn = json_string_value(json_array_get(principals, i));

        attachment->attached = arn && strcmp(arn, attachment->arn) == 0;
    }
    return !attachment->attached;
}

/* Set `attached` to whether the certificate is still a principal of the thing. */
static enum iotify_result removal_still_attached(struct aws_instance *instance,
    struct iotify_call *call, const struct record *record, bool *attached)
{
    struct aws_request request = {.operation = AWS_LIST_THING_PRINCIPALS, .name = record->thing};
    struct removal_attachment attachment = {record->certificate_arn, false};
    enum iotify_result result = aws_list(instance->client, call, &request, "nextToken", "nextToken",
        removal_find_certificate, &attachment);

    *attached = attachment.attached;
    return removal_accept_missing(result);
}

static enum iotify_result removal_detach_thing(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    enum iotify_result result = aws_remove(instance->client, call,
        (struct aws_request){.operation = AWS_DETACH_THING_PRINCIPAL,
            .name = record->thing,
            .principal = record->certificate_arn});
    int64_t pause = PAUSE_MIN;
    bool attached = true;

    for (int64_t waited = 0; waited < PATIENCE && result == IOTIFY_OK; waited += pause) {
        result = removal_still_attached(instance, call, record, &attached);
        if (result != IOTIFY_OK || !attached)
            return result;
        result = call->host->wait(call, pause);
        pause = 2 * pause < PAUSE_MAX ? 2 * pause : PAUSE_MAX;
    }
    if (result != IOTIFY_OK)
        return result;
    return call->host->fail(call, IOTIFY_FAILED, "StillAttached",
        "AWS has not detached the certificate of %s in %d s; run the same command again",
        record->thing, (int)(PATIENCE / 1000000000));
}

/* Delete the certificate. AWS reports a conflict until the detachments have taken effect. */
static enum iotify_result removal_delete_certificate(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    const struct aws_request request = {
        .operation = AWS_DELETE_CERTIFICATE, .name = record->certificate_id};
    enum iotify_result result = aws_remove(instance->client, call, request);
    int64_t pause = PAUSE_MIN;

    for (int64_t waited = 0; waited < PATIENCE && result == IOTIFY_CONFLICT; waited += pause) {
        pause = 2 * pause < PAUSE_MAX ? 2 * pause : PAUSE_MAX;
        result = call->host->wait(call, pause);
        if (result == IOTIFY_OK)
            result = aws_remove(instance->client, call, request);
    }
    return result;
}

static enum iotify_result removal_remove_certificate(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    enum iotify_result result = removal_detach_policy(instance, call, record);

    if (result == IOTIFY_OK)
        result = removal_detach_thing(instance, call, record);
    if (result == IOTIFY_OK)
        result = aws_remove(instance->client, call,
            (struct aws_request){.operation = AWS_UPDATE_CERTIFICATE,
                .name = record->certificate_id,
                .query = {{"newStatus", "INACTIVE"}}});
    return result == IOTIFY_OK ? removal_delete_certificate(instance, call, record) : result;
}

/* Release an adopted thing: remove this job's attribute, and the group that the job added. */
static enum iotify_result removal_release_thing(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    struct aws_request request = {.operation = AWS_DESCRIBE_THING, .name = record->thing};
    enum iotify_result result = aws_send(instance->client, call, &request);
    const char *mark = aws_text(json_object_get(request.answer, "attributes"), THING_ADOPTED);
    bool own = strcmp(mark, record->certificate_id) == 0;

    json_decref(request.answer);
    if (result != IOTIFY_OK || !own)
        return removal_accept_missing(result);
    if (record->group && !record->member) {
        request = (struct aws_request){.operation = AWS_REMOVE_THING_FROM_THING_GROUP};
        request.body =
            json_pack("{s:s, s:s}", "thingGroupName", record->group, "thingName", record->thing);
        result = aws_remove(instance->client, call, request);
        json_decref(request.body);
    }
    if (result != IOTIFY_OK)
        return result;
    /* Remove the attribute last: while it exists, an interrupted release is repeated. */
    request = (struct aws_request){.operation = AWS_UPDATE_THING, .name = record->thing};
    request.body = json_pack(
        "{s:{s:{s:s}, s:b}}", "attributePayload", "attributes", THING_ADOPTED, "", "merge", 1);
    result = aws_remove(instance->client, call, request);
    json_decref(request.body);
    return result;
}

/* Delete the thing, if it was created for this certificate. */
static enum iotify_result removal_remove_thing(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    struct aws_request request = {.operation = AWS_DESCRIBE_THING, .name = record->thing};
    enum iotify_result result = aws_send(instance->client, call, &request);
    const char *mark = aws_text(json_object_get(request.answer, "attributes"), THING_CERTIFICATE);

    if (result == IOTIFY_OK && strcmp(mark, record->certificate_id) != 0)
        call->host->log(call, IOTIFY_WARNING,
            "the thing %s was not made by this job and is left as it is", record->thing);
    else if (result == IOTIFY_OK)
        result = aws_remove(instance->client, call,
            (struct aws_request){.operation = AWS_DELETE_THING, .name = record->thing});
    json_decref(request.answer);
    return removal_accept_missing(result);
}

/*
 * Set the ARN of a certificate whose registration may not have been answered, from AWS.
 * IOTIFY_NOT_FOUND when it was not registered.
 */
static enum iotify_result removal_complete_arn(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    struct aws_request request = {
        .operation = AWS_DESCRIBE_CERTIFICATE, .name = record->certificate_id};
    enum iotify_result result;
    const char *arn;

    if (record->certificate_arn)
        return IOTIFY_OK;
    result = aws_send(instance->client, call, &request);
    arn = aws_text(json_object_get(request.answer, "certificateDescription"), "certificateArn");
    if (result == IOTIFY_OK) {
        char *copy = call->host->alloc(call, strlen(arn) + 1);

        memcpy(copy, arn, strlen(arn) + 1);
        record->certificate_arn = copy;
    }
    json_decref(request.answer);
    return result;
}

enum iotify_result remove_device_made(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    enum iotify_result result = IOTIFY_OK;

    if (record->doubt)
        result = orphan_settle(instance, call, record, NULL);
    if (result != IOTIFY_OK || !record->certificate_id)
        return result;
    result = removal_complete_arn(instance, call, record);
    if (result == IOTIFY_OK)
        result = removal_remove_certificate(instance, call, record);
    result = removal_accept_missing(result);
    if (result != IOTIFY_OK)
        return result;
    return record->adopted ? removal_release_thing(instance, call, record)
                           : removal_remove_thing(instance, call, record);
}

enum iotify_result remove_device_recorded(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    enum iotify_result result = IOTIFY_OK;

    if (record->state == RECORD_TOMBSTONE)
        return record_clear_glob(call, record);
    if (record->state != RECORD_DELETING) {
        /* The request of an intent may have succeeded. */
        record->doubt = record->doubt || record->state == RECORD_INTENT;
        record->state = RECORD_DELETING;
        result = record_save(call, record, false);
    }
    if (result == IOTIFY_OK)
        result = remove_device_made(instance, call, record);
    return result == IOTIFY_OK ? record_bury(call, record) : result;
}

void remove_device_calls(
    struct iotify_call *call, const struct aws_instance *instance, int64_t count)
{
    static const enum aws_operation operations[] = {AWS_DETACH_THING_PRINCIPAL,
        AWS_LIST_THING_PRINCIPALS, AWS_UPDATE_CERTIFICATE, AWS_DELETE_CERTIFICATE,
        AWS_DESCRIBE_THING, AWS_DELETE_THING};

    if (instance->names.policy && !instance->names.group_has_policy)
        call->host->plan_calls(call, aws_operation_name(AWS_DETACH_POLICY), count);
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        call->host->plan_calls(call, aws_operation_name(operations[i]), count);
}

/* ------------------------------------------------------------------ the action */

static enum iotify_result removal_apply(void *given, struct iotify_call *call)
{
    struct record record;
    enum iotify_result result = record_load(call, &record);

    if (result != IOTIFY_OK || record.state == RECORD_NONE)
        return result == IOTIFY_OK ? IOTIFY_UNCHANGED : result;
    return remove_device_recorded(given, call, &record);
}

static enum iotify_result removal_begin(void *given, struct iotify_call *call)
{
    (void)call;
    orphan_reset(given);
    return IOTIFY_OK;
}

static enum iotify_result removal_on_conclude(void *given, struct iotify_call *call)
{
    enum iotify_result result = orphan_conclude(given, call);

    return result == IOTIFY_OK ? verify_removal_conclude(given, call) : result;
}

enum iotify_result remove_device_plan(struct aws_instance *instance, struct iotify_call *call)
{
    struct record record;
    enum iotify_result result = record_load(call, &record);

    if (result != IOTIFY_OK || record.state == RECORD_NONE || record.state == RECORD_TOMBSTONE)
        return result;
    call->host->plan_change(call, IOTIFY_DELETE_IT, "device", record.thing, NULL);
    remove_device_calls(call, instance, 1);
    return IOTIFY_OK;
}

static enum iotify_result removal_on_plan(void *given, struct iotify_call *call)
{
    return remove_device_plan(given, call);
}

static void removal_estimate(void *given, struct iotify_call *call)
{
    remove_device_calls(call, given, 1);
}

static void removal_permit(void *given, struct iotify_call *call)
{
    iam_permissions_removal(call, given);
}

const struct iotify_action aws_remove_device_action = {
    .name = "remove_device",
    .summary = "delete what this job recorded for each client: certificate, thing, glob entries",
    .scope = IOTIFY_FOR_RECORD,
    .settings = &settings,
    .begin = removal_begin,
    .apply = removal_apply,
    .conclude = removal_on_conclude,
    .plan = removal_on_plan,
    .estimate = removal_estimate,
    .permit = removal_permit,
};
