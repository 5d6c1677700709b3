/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that create a device from a sealed record, in an order that may be interrupted. */
#include "plugins/aws/device/provision.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/device/remove_device.h"

/* Send a request whose answer is not needed; frees its body. */
static enum iotify_result provision_send(
    struct aws_instance *instance, struct iotify_call *call, struct aws_request *request)
{
    enum iotify_result result = aws_send(instance->client, call, request);

    json_decref(request->body);
    json_decref(request->answer);
    return result;
}

/* ------------------------------------------------------------------ the certificate */

/* The ARN of a certificate, built from its identifier and the account. */
static const char *provision_make_arn(
    struct aws_instance *instance, struct iotify_call *call, const char *certificate_id)
{
    char arn[256];

    snprintf(arn, sizeof(arn), "arn:%s:iot:%s:%s:cert/%s", aws_partition(instance->target.region),
        instance->target.region, aws_instance_account(instance, call), certificate_id);
    return aws_keep(call, arn);
}

static enum iotify_result provision_register_certificate(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    struct aws_request request = {.operation = AWS_REGISTER_CERTIFICATE_WITHOUT_CA};
    enum iotify_result result;
    const char *arn, *id;

    request.body =
        json_pack("{s:s, s:s}", "certificatePem", record->certificate, "status", "ACTIVE");
    result = aws_send(instance->client, call, &request);
    arn = aws_text(request.answer, "certificateArn");
    id = aws_text(request.answer, "certificateId");
    if (result == IOTIFY_RESULT_OK && *arn && *id) {
        record->certificate_arn = aws_keep(call, arn);
        record->certificate_id = aws_keep(call, id);
        aws_instance_note_arn(instance, arn);
    } else if (result == IOTIFY_RESULT_OK) {
        result = call->host->fail(call, IOTIFY_RESULT_FAILED, "BadAnswer",
            "RegisterCertificateWithoutCA: the answer names no certificate");
    } else if (result == IOTIFY_RESULT_EXISTS) {
        /* Registered before: the answer was lost, or the process crashed. */
        arn = aws_text(request.answer, "resourceArn");
        record->certificate_arn =
            *arn ? aws_keep(call, arn) : provision_make_arn(instance, call, record->certificate_id);
        result = IOTIFY_RESULT_OK;
    }
    json_decref(request.body);
    json_decref(request.answer);
    return result;
}

/* Register a local certificate with AWS, or activate one that AWS issued. */
static enum iotify_result provision_activate(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    struct aws_request request = {.operation = AWS_UPDATE_CERTIFICATE,
        .name = record->certificate_id,
        .query = {{"newStatus", "ACTIVE"}}};

    if (!record->certificate_arn)
        return provision_register_certificate(instance, call, record);
    return provision_send(instance, call, &request);
}

/* ------------------------------------------------------------------ the thing */

static json_t *provision_attributes_of(struct iotify_call *call, const struct record *record)
{
    return json_pack("{s:s, s:s}", THING_JOB, call->host->job_name(call), THING_CERTIFICATE,
        record->certificate_id);
}

struct provision_membership {
    const char *group;
    bool member;
};

static bool provision_find_group(void *argument, const json_t *answer)
{
    struct provision_membership *membership = argument;
    const json_t *groups = json_object_get(answer, "thingGroups");

    for (size_t i = 0; i < json_array_size(groups) && !membership->member; i++)
        membership->member =
            strcmp(aws_text(json_array_get(groups, i), "groupName"), membership->group) == 0;
    return !membership->member;
}

/* Store that the thing existed before, and whether it was in the group, before it is changed. */
static enum iotify_result provision_note_adoption(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    struct aws_request request = {
        .operation = AWS_LIST_THING_GROUPS_FOR_THING, .name = record->thing};
    struct provision_membership membership = {record->group, false};
    enum iotify_result result = IOTIFY_RESULT_OK;

    if (record->group)
        result = aws_list(instance->client, call, &request, "nextToken", "nextToken",
            provision_find_group, &membership);
    if (result != IOTIFY_RESULT_OK)
        return result;
    record->adopted = true;
    record->member = membership.member;
    return record_save(call, record, false);
}

/* Use an existing thing. Only the attribute THING_ADOPTED is added. */
static enum iotify_result provision_adopt(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    struct aws_request request = {.operation = AWS_UPDATE_THING, .name = record->thing};
    enum iotify_result result =
        record->adopted ? IOTIFY_RESULT_OK : provision_note_adoption(instance, call, record);

    if (result != IOTIFY_RESULT_OK)
        return result;
    request.body = json_pack("{s:{s:{s:s}, s:b}}", "attributePayload", "attributes", THING_ADOPTED,
        record->certificate_id, "merge", 1);
    return provision_send(instance, call, &request);
}

static enum iotify_result provision_send_thing(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    struct aws_request request = {.operation = AWS_CREATE_THING, .name = record->thing};

    request.body = json_pack(
        "{s:{s:o}}", "attributePayload", "attributes", provision_attributes_of(call, record));
    if (record->type)
        json_object_set_new(request.body, "thingTypeName", json_string(record->type));
    return provision_send(instance, call, &request);
}

/*
 * Replace a thing of this job whose certificate no longer exists: a run that was killed while
 * another run removed the device leaves such a thing. AWS refuses to delete a thing that still has
 * a certificate.
 */
static enum iotify_result provision_replace_leftover(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    struct aws_request request = {.operation = AWS_DELETE_THING, .name = record->thing};
    enum iotify_result result = provision_send(instance, call, &request);

    return result == IOTIFY_RESULT_OK ? provision_send_thing(instance, call, record) : result;
}

/* The attributes of an existing thing that say who created it. */
struct provision_found_thing {
    char job[80], certificate[80], adopted[80]; /* "" when absent */
    bool gone;                                  /* that certificate does not exist */
};

static enum iotify_result provision_inspect_thing(struct aws_instance *instance,
    struct iotify_call *call, const struct record *record, struct provision_found_thing *found)
{
    struct aws_request request = {.operation = AWS_DESCRIBE_THING, .name = record->thing};
    enum iotify_result result = aws_send(instance->client, call, &request);
    const json_t *attributes = json_object_get(request.answer, "attributes");

    *found = (struct provision_found_thing){0};
    snprintf(found->job, sizeof(found->job), "%s", aws_text(attributes, THING_JOB));
    snprintf(found->certificate, sizeof(found->certificate), "%s",
        aws_text(attributes, THING_CERTIFICATE));
    snprintf(found->adopted, sizeof(found->adopted), "%s", aws_text(attributes, THING_ADOPTED));
    json_decref(request.answer);
    if (result != IOTIFY_RESULT_OK || !*found->certificate)
        return result;
    request =
        (struct aws_request){.operation = AWS_DESCRIBE_CERTIFICATE, .name = found->certificate};
    result = provision_send(instance, call, &request);
    found->gone = result == IOTIFY_RESULT_NOT_FOUND;
    return found->gone ? IOTIFY_RESULT_OK : result;
}

/* A thing of this name exists and differs: adopt it, replace it, or fail. */
static enum iotify_result provision_use_other_thing(struct aws_instance *instance,
    struct iotify_call *call, const struct device_options *options, struct record *record)
{
    struct provision_found_thing found;
    enum iotify_result result = provision_inspect_thing(instance, call, record, &found);

    if (result != IOTIFY_RESULT_OK)
        return result;
    if (found.gone && strcmp(found.job, call->host->job_name(call)) == 0)
        return provision_replace_leftover(instance, call, record);
    if (*found.certificate)
        return call->host->fail(call, IOTIFY_RESULT_EXISTS, "ThingDiffers",
            "the thing %s exists and was made by the job %s with another store; clean "
            "that up (cleanup --from-aws), or set another name under thing:",
            record->thing, *found.job ? found.job : "(unknown)");
    if (options->adopt && *found.adopted && strcmp(found.adopted, record->certificate_id) != 0)
        return call->host->fail(call, IOTIFY_RESULT_EXISTS, "ThingDiffers",
            "the thing %s is in use by another job already; set another name under thing:",
            record->thing);
    if (options->adopt)
        return provision_adopt(instance, call, record);
    return call->host->fail(call, IOTIFY_RESULT_EXISTS, "ThingDiffers",
        "the thing %s exists and is not this job's; set another name under thing:, or "
        "adopt: true to use it",
        record->thing);
}

static enum iotify_result provision_create_thing(struct aws_instance *instance,
    struct iotify_call *call, const struct device_options *options, struct record *record)
{
    enum iotify_result result;

    if (record->adopted)
        return provision_adopt(instance, call, record);
    result = provision_send_thing(instance, call, record);
    return result == IOTIFY_RESULT_EXISTS
               ? provision_use_other_thing(instance, call, options, record)
               : result;
}

/* ------------------------------------------------------------------ attachments */

static enum iotify_result provision_attach_policy(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    struct aws_request request = {.operation = AWS_ATTACH_POLICY, .name = record->policy};

    if (!record->policy)
        return IOTIFY_RESULT_OK;
    request.body = json_pack("{s:s}", "target", record->certificate_arn);
    return provision_send(instance, call, &request);
}

static enum iotify_result provision_attach_thing(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    struct aws_request request = {.operation = AWS_ATTACH_THING_PRINCIPAL,
        .name = record->thing,
        .principal = record->certificate_arn,
        .query = {{"thingPrincipalType", NULL}}};

    if (instance->names.exclusive)
        request.query[0].value = "EXCLUSIVE_THING";
    return provision_send(instance, call, &request);
}

static enum iotify_result provision_join_group(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    struct aws_request request = {.operation = AWS_ADD_THING_TO_THING_GROUP};

    if (!record->group)
        return IOTIFY_RESULT_OK;
    request.body =
        json_pack("{s:s, s:s}", "thingGroupName", record->group, "thingName", record->thing);
    return provision_send(instance, call, &request);
}

/* ------------------------------------------------------------------ RegisterThing */

/* The provisioning template for RegisterThing. It fails rather than change an existing thing. */
static json_t *provision_registration(struct iotify_call *call, const struct record *record)
{
    json_t *thing = json_pack("{s:s, s:{s:s, s:o}, s:{s:s, s:s, s:s}}", "Type", "AWS::IoT::Thing",
        "Properties", "ThingName", record->thing, "AttributePayload",
        provision_attributes_of(call, record), "OverrideSettings", "AttributePayload", "FAIL",
        "ThingTypeName", "FAIL", "ThingGroups", "FAIL");
    json_t *certificate = json_pack("{s:s, s:{s:s, s:s}, s:{s:s}}", "Type", "AWS::IoT::Certificate",
        "Properties", "CertificateId", record->certificate_id, "Status", "ACTIVE",
        "OverrideSettings", "Status", "REPLACE");
    json_t *resources = json_pack("{s:o, s:o}", "thing", thing, "certificate", certificate);
    json_t *properties = json_object_get(thing, "Properties");

    if (record->type)
        json_object_set_new(properties, "ThingTypeName", json_string(record->type));
    if (record->group)
        json_object_set_new(properties, "ThingGroups", json_pack("[s]", record->group));
    if (record->policy)
        json_object_set_new(resources, "policy",
            json_pack("{s:s, s:{s:s}}", "Type", "AWS::IoT::Policy", "Properties", "PolicyName",
                record->policy));
    return json_pack("{s:o}", "Resources", resources);
}

/*
 * Use RegisterThing instead of separate calls. IOTIFY_RESULT_CONFLICT: something exists already,
 * perhaps from an earlier try; the caller then makes the separate calls.
 */
static enum iotify_result provision_register_thing(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    struct aws_request request = {.operation = AWS_REGISTER_THING};
    json_t *template;
    enum iotify_result result = IOTIFY_RESULT_OK;
    char *text;

    if (!record->certificate_arn)
        result = provision_register_certificate(instance, call, record);
    if (result != IOTIFY_RESULT_OK)
        return result;
    template = provision_registration(call, record);
    text = json_dumps(template, JSON_COMPACT);
    request.body = json_pack("{s:s}", "templateBody", text ? text : "{}");
    result = provision_send(instance, call, &request);
    json_decref(template);
    free(text);
    return result;
}

static enum iotify_result provision_make_separately(struct aws_instance *instance,
    struct iotify_call *call, const struct device_options *options, struct record *record)
{
    enum iotify_result result = provision_activate(instance, call, record);

    if (result == IOTIFY_RESULT_OK)
        result = provision_create_thing(instance, call, options, record);
    if (result == IOTIFY_RESULT_OK)
        result = provision_attach_policy(instance, call, record);
    if (result == IOTIFY_RESULT_OK)
        result = provision_attach_thing(instance, call, record);
    return result == IOTIFY_RESULT_OK ? provision_join_group(instance, call, record) : result;
}

/* ------------------------------------------------------------------ completion */

/*
 * Another run changed the record while this one created the device. When that run completed the
 * device with the same certificate, this is a success. When it removed the device, remove what
 * this run has created.
 */
static enum iotify_result provision_yield(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    struct record current;
    enum iotify_result result = record_load(call, &current);

    if (result == IOTIFY_RESULT_OK && current.state != RECORD_NONE &&
        current.state < RECORD_DELETING && current.certificate_id &&
        strcmp(current.certificate_id, record->certificate_id) == 0)
        return current.state == RECORD_READY ? IOTIFY_RESULT_OK : IOTIFY_RESULT_CONFLICT;
    if (result == IOTIFY_RESULT_OK)
        result = remove_device_made(instance, call, record);
    if (result != IOTIFY_RESULT_OK)
        return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "RecordChanged",
            "another iotifyd removed %s while it was being created, and the certificate %s could "
            "not be removed; remove it: aws iot delete-certificate --force-delete --certificate-id "
            "%s",
            record->thing, record->certificate_id, record->certificate_id);
    return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "RecordChanged",
        "another iotifyd removed %s while it was being created; run the same command again",
        record->thing);
}

/* True when the stored record is the one that this run wrote, or cannot be read. */
static bool provision_is_own(struct iotify_call *call, const struct record *record)
{
    struct record current;

    return record_load(call, &current) != IOTIFY_RESULT_OK ||
           (current.stored.size == record->stored.size && current.stored.size &&
               memcmp(current.stored.data, record->stored.data, current.stored.size) == 0);
}

enum iotify_result provision(struct aws_instance *instance, struct iotify_call *call,
    const struct device_options *options, struct record *record)
{
    enum iotify_result result = IOTIFY_RESULT_CONFLICT;

    if (options->register_thing && !record->adopted)
        result = provision_register_thing(instance, call, record);
    if (result == IOTIFY_RESULT_CONFLICT || result == IOTIFY_RESULT_EXISTS)
        result = provision_make_separately(instance, call, options, record);
    /* When another run has removed or recreated the device, that is the cause of the error. */
    if (result != IOTIFY_RESULT_OK)
        return result == IOTIFY_RESULT_CANCELLED || provision_is_own(call, record)
                   ? result
                   : provision_yield(instance, call, record);
    record->state = RECORD_READY;
    record->repair = false;
    result = record_save(call, record, true);
    return result == IOTIFY_RESULT_CONFLICT ? provision_yield(instance, call, record) : result;
}

void provision_calls(struct iotify_call *call, const struct aws_instance *instance,
    const struct device_options *options, int64_t count)
{
    const struct aws_names *names = &instance->names;
    static const enum aws_operation issuing[] = {
        [ISSUER_LOCAL] = AWS_REGISTER_CERTIFICATE_WITHOUT_CA,
        [ISSUER_AWS] = AWS_CREATE_KEYS_AND_CERTIFICATE,
        [ISSUER_CSR] = AWS_CREATE_CERTIFICATE_FROM_CSR};
    bool policy = (options->policy || names->policy) && !names->group_has_policy;

    call->host->plan_calls(call, aws_operation_name(issuing[options->issuer]), count);
    if (options->register_thing) {
        call->host->plan_calls(call, aws_operation_name(AWS_REGISTER_THING), count);
        return;
    }
    if (options->issuer != ISSUER_LOCAL)
        call->host->plan_calls(call, aws_operation_name(AWS_UPDATE_CERTIFICATE), count);
    call->host->plan_calls(call, aws_operation_name(AWS_CREATE_THING), count);
    if (policy)
        call->host->plan_calls(call, aws_operation_name(AWS_ATTACH_POLICY), count);
    call->host->plan_calls(call, aws_operation_name(AWS_ATTACH_THING_PRINCIPAL), count);
    if (options->group || names->group)
        call->host->plan_calls(call, aws_operation_name(AWS_ADD_THING_TO_THING_GROUP), count);
}
