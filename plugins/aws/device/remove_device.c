/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removes one device: exactly what its record names, in the order that AWS requires. Missing
 * objects are skipped. Last, the record becomes a tombstone and the glob entries are deleted.
 */
#include "plugins/aws/device/remove_device.h"

#include <jansson.h>
#include <string.h>
#include <time.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/device/orphan.h"
#include "plugins/aws/device/verify_removal.h"
#include "plugins/aws/iam_permissions.h"

/*
 * AWS detaches asynchronously, mostly in seconds: pauses between attempts to delete a certificate,
 * in nanoseconds, and the number of attempts, which together take about a minute.
 */
#define PAUSE_MIN INT64_C(250000000)
#define PAUSE_MAX INT64_C(2000000000)
#define ATTEMPTS_MAX 32
#define DETACH_MAX INT64_C(10000000000)

/* A missing object counts as removed. */
static enum iotify_result removal_accept_missing(enum iotify_result result)
{
    return result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_OK : result;
}

/* One of the certificates of a record. */
struct removal_certificate {
    const char *id, *arn;
};

/*
 * Set the ARN of a certificate whose registration may not have been answered, from AWS.
 * IOTIFY_RESULT_NOT_FOUND when it is not registered.
 */
static enum iotify_result removal_find_arn(struct aws_instance *instance, struct iotify_call *call,
    struct removal_certificate *certificate)
{
    struct aws_request request = {.operation = AWS_DESCRIBE_CERTIFICATE, .name = certificate->id};
    enum iotify_result result;

    if (certificate->arn)
        return IOTIFY_RESULT_OK;
    result = aws_send(instance->client, call, &request);
    if (result == IOTIFY_RESULT_OK)
        certificate->arn = aws_keep(call,
            aws_text(json_object_get(request.answer, "certificateDescription"), "certificateArn"));
    json_decref(request.answer);
    return result;
}

/* Detach a certificate from policy and thing, and deactivate it. */
static enum iotify_result removal_detach(struct aws_instance *instance, struct iotify_call *call,
    const struct record *record, const struct removal_certificate *certificate)
{
    json_t *target = json_pack("{s:s}", "target", certificate->arn);
    enum iotify_result result = IOTIFY_RESULT_OK;

    if (record->policy)
        result = aws_remove(instance->client, call,
            (struct aws_request){
                .operation = AWS_DETACH_POLICY, .name = record->policy, .body = target});
    json_decref(target);
    if (result == IOTIFY_RESULT_OK)
        result = aws_remove(instance->client, call,
            (struct aws_request){.operation = AWS_DETACH_THING_PRINCIPAL,
                .name = record->thing,
                .principal = certificate->arn});
    if (result == IOTIFY_RESULT_OK)
        result = aws_remove(instance->client, call,
            (struct aws_request){.operation = AWS_UPDATE_CERTIFICATE,
                .name = certificate->id,
                .query = {{"newStatus", "INACTIVE"}}});
    return result;
}

/* The first entry of a list of names that is not `own`, in the call's arena; NULL: none. */
static const char *removal_find_other(
    struct iotify_call *call, const json_t *list, const char *member, const char *own)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *name = member ? aws_text(item, member) : json_string_value(item);

        if (name && (!own || strcmp(name, own) != 0))
            return aws_keep(call, name);
    }
    return NULL;
}

/* IOTIFY_RESULT_CONFLICT when something is attached to the certificate that this job did not
 * attach. */
static enum iotify_result removal_check_foreign(struct aws_instance *instance,
    struct iotify_call *call, const struct record *record,
    const struct removal_certificate *certificate)
{
    struct aws_request policies = {
        .operation = AWS_LIST_ATTACHED_POLICIES, .name = certificate->arn};
    struct aws_request things = {
        .operation = AWS_LIST_PRINCIPAL_THINGS, .principal = certificate->arn};
    const char *policy = NULL, *thing = NULL;
    enum iotify_result result = aws_send(instance->client, call, &policies);

    if (result == IOTIFY_RESULT_OK)
        policy = removal_find_other(
            call, json_object_get(policies.answer, "policies"), "policyName", record->policy);
    if (result == IOTIFY_RESULT_OK)
        result = aws_send(instance->client, call, &things);
    if (result == IOTIFY_RESULT_OK)
        thing =
            removal_find_other(call, json_object_get(things.answer, "things"), NULL, record->thing);
    json_decref(policies.answer);
    json_decref(things.answer);
    if (policy)
        return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "ForeignPolicy",
            "the certificate %s of %s has the policy %s, which this job did not attach, and is not "
            "deleted; detach it, then run the same command again",
            certificate->id, record->thing, policy);
    if (thing)
        return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "ForeignThing",
            "the certificate %s of %s is attached to the thing %s, which this job did not do, and "
            "is not deleted; detach it, then run the same command again",
            certificate->id, record->thing, thing);
    return removal_accept_missing(result);
}

/*
 * A conflict raises it, so that most first attempts to delete succeed: each takes a call. Devices
 * that began to wait before it was raised last prove nothing: they waited for less.
 */
static void removal_learn_detach_time(struct aws_instance *instance)
{
    long long known = atomic_load(&instance->detach_time), longer = known + known / 2, now;
    struct timespec clock;

    clock_gettime(CLOCK_MONOTONIC, &clock);
    now = clock.tv_sec * INT64_C(1000000000) + clock.tv_nsec;
    if (known && now < atomic_load(&instance->detach_raised) + known)
        return;
    longer = longer < PAUSE_MIN ? PAUSE_MIN : longer > DETACH_MAX ? DETACH_MAX : longer;
    if (atomic_compare_exchange_strong(&instance->detach_time, &known, longer))
        atomic_store(&instance->detach_raised, now);
}

/*
 * Delete a certificate. AWS reports a conflict until the detachments have taken effect: then
 * IOTIFY_RESULT_LATER.
 */
static enum iotify_result removal_delete_certificate(struct aws_instance *instance,
    struct iotify_call *call, const struct record *record,
    const struct removal_certificate *certificate, int stage)
{
    enum iotify_result result = aws_remove(instance->client, call,
        (struct aws_request){.operation = AWS_DELETE_CERTIFICATE, .name = certificate->id});

    if (result != IOTIFY_RESULT_CONFLICT)
        return result;
    removal_learn_detach_time(instance);
    /* At the first conflict, whose stage is 0 or 1, and when most detachments have taken effect. */
    if (stage <= 1 || stage == 3)
        result = removal_check_foreign(instance, call, record, certificate);
    else
        result = IOTIFY_RESULT_OK;
    if (result != IOTIFY_RESULT_OK)
        return result;
    if (stage < ATTEMPTS_MAX)
        return IOTIFY_RESULT_LATER;
    return call->host->fail(call, IOTIFY_RESULT_FAILED, "StillAttached",
        "AWS has not detached the certificate %s of %s in a minute; run the same command again",
        certificate->id, record->thing);
}

/*
 * Remove the certificates of the record, all of them at the same stage. Missing ones count as
 * removed.
 */
static enum iotify_result removal_remove_certificates(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record, int stage)
{
    struct removal_certificate certificates[] = {
        {record->certificate_id, record->certificate_arn}, {record->other, NULL}};
    bool late = false;

    for (size_t i = 0; i < sizeof(certificates) / sizeof(certificates[0]); i++) {
        struct removal_certificate *certificate = &certificates[i];
        enum iotify_result result = certificate->id ? IOTIFY_RESULT_OK : IOTIFY_RESULT_NOT_FOUND;

        if (result == IOTIFY_RESULT_OK)
            result = removal_find_arn(instance, call, certificate);
        /* A certificate that was found by an attribute may be somebody else's. */
        if (result == IOTIFY_RESULT_OK && stage == 0 && record->created == 0)
            result = removal_check_foreign(instance, call, record, certificate);
        if (result == IOTIFY_RESULT_OK && stage == 0)
            result = removal_detach(instance, call, record, certificate);
        if (result == IOTIFY_RESULT_OK && stage == 0 && atomic_load(&instance->detach_time))
            result = IOTIFY_RESULT_LATER;
        else if (result == IOTIFY_RESULT_OK)
            result = removal_delete_certificate(instance, call, record, certificate, stage);
        late = late || result == IOTIFY_RESULT_LATER;
        if (result != IOTIFY_RESULT_OK && result != IOTIFY_RESULT_NOT_FOUND &&
            result != IOTIFY_RESULT_LATER)
            return result;
    }
    return late ? IOTIFY_RESULT_LATER : IOTIFY_RESULT_OK;
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
    if (result != IOTIFY_RESULT_OK || !own)
        return removal_accept_missing(result);
    if (record->group && !record->member) {
        request = (struct aws_request){.operation = AWS_REMOVE_THING_FROM_THING_GROUP};
        request.body =
            json_pack("{s:s, s:s}", "thingGroupName", record->group, "thingName", record->thing);
        result = aws_remove(instance->client, call, request);
        json_decref(request.body);
    }
    if (result != IOTIFY_RESULT_OK)
        return result;
    /* Remove the attribute last: while it exists, an interrupted release is repeated. */
    request = (struct aws_request){.operation = AWS_UPDATE_THING, .name = record->thing};
    request.body = json_pack(
        "{s:{s:{s:s}, s:b}}", "attributePayload", "attributes", THING_ADOPTED, "", "merge", 1);
    result = aws_remove(instance->client, call, request);
    json_decref(request.body);
    return result;
}

static bool removal_is_of(const char *mark, const char *certificate)
{
    return certificate && strcmp(mark, certificate) == 0;
}

/*
 * Delete the thing, if it was created for a certificate of the record. A thing of this job that
 * was created for another certificate is not removed, and an error.
 */
static enum iotify_result removal_remove_thing(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    struct aws_request request = {.operation = AWS_DESCRIBE_THING, .name = record->thing};
    enum iotify_result result = aws_send(instance->client, call, &request);
    const json_t *attributes = json_object_get(request.answer, "attributes");
    const char *mark = aws_text(attributes, THING_CERTIFICATE);

    if (result == IOTIFY_RESULT_OK &&
        (removal_is_of(mark, record->certificate_id) || removal_is_of(mark, record->other)))
        result = aws_remove(instance->client, call,
            (struct aws_request){.operation = AWS_DELETE_THING, .name = record->thing});
    else if (result == IOTIFY_RESULT_OK && *mark &&
             strcmp(aws_text(attributes, THING_JOB), call->host->job_name(call)) == 0)
        result = call->host->fail(call, IOTIFY_RESULT_CONFLICT, "OtherStore",
            "the thing %s with the certificate %s remains: another store of this job made it. To "
            "remove both, run cleanup with that store, or with --from-aws",
            record->thing, mark);
    else if (result == IOTIFY_RESULT_OK)
        call->host->log(call, IOTIFY_LOG_WARNING,
            "the thing %s was not made by this job and is left as it is", record->thing);
    json_decref(request.answer);
    return removal_accept_missing(result);
}

/* IOTIFY_RESULT_LATER: to be called again with the next stage, after removal_pause(). */
static enum iotify_result removal_advance(
    struct aws_instance *instance, struct iotify_call *call, struct record *record, int stage)
{
    enum iotify_result result = IOTIFY_RESULT_OK;

    if (record->doubt && stage == 0)
        result = orphan_settle(instance, call, record, NULL);
    if (result == IOTIFY_RESULT_OK)
        result = removal_remove_certificates(instance, call, record, stage);
    if (result != IOTIFY_RESULT_OK || (!record->certificate_id && !record->other))
        return result;
    return record->adopted ? removal_release_thing(instance, call, record)
                           : removal_remove_thing(instance, call, record);
}

/* The pause before the stage after this one. */
static int64_t removal_pause(struct aws_instance *instance, int stage)
{
    int64_t pause = PAUSE_MIN, detach_time = atomic_load(&instance->detach_time);

    if (stage == 0)
        return detach_time > PAUSE_MIN ? detach_time : PAUSE_MIN;

    for (int i = 0; i < stage && pause < PAUSE_MAX; i++)
        pause *= 2;
    return pause < PAUSE_MAX ? pause : PAUSE_MAX;
}

enum iotify_result remove_device_made(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    enum iotify_result result = IOTIFY_RESULT_LATER, waited = IOTIFY_RESULT_OK;

    for (int stage = 0; result == IOTIFY_RESULT_LATER && waited == IOTIFY_RESULT_OK; stage++) {
        result = removal_advance(instance, call, record, stage);
        if (result == IOTIFY_RESULT_LATER)
            waited = call->host->wait(call, removal_pause(instance, stage));
    }
    return waited == IOTIFY_RESULT_OK ? result : waited;
}

enum iotify_result remove_device_recorded(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    enum iotify_result result = IOTIFY_RESULT_OK;

    if (record->state == RECORD_TOMBSTONE)
        return record_clear_glob(call, record);
    if (record->state != RECORD_DELETING) {
        /* The request of an intent may have succeeded. */
        record->doubt = record->doubt || record->state == RECORD_INTENT;
        record->state = RECORD_DELETING;
        result = record_save(call, record, false);
    }
    if (result == IOTIFY_RESULT_OK)
        result = removal_advance(instance, call, record, aws_stage(call));
    if (result == IOTIFY_RESULT_LATER)
        return call->host->later(
            call, removal_pause(instance, aws_stage(call)), aws_stage(call) + 1);
    return result == IOTIFY_RESULT_OK ? record_bury(call, record) : result;
}

void remove_device_calls(
    struct iotify_call *call, const struct aws_instance *instance, int64_t count)
{
    static const enum aws_operation operations[] = {AWS_DETACH_THING_PRINCIPAL,
        AWS_UPDATE_CERTIFICATE, AWS_DELETE_CERTIFICATE, AWS_DESCRIBE_THING, AWS_DELETE_THING};

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

    if (result != IOTIFY_RESULT_OK || record.state == RECORD_NONE)
        return result == IOTIFY_RESULT_OK ? IOTIFY_RESULT_UNCHANGED : result;
    return remove_device_recorded(given, call, &record);
}

static enum iotify_result removal_begin(void *given, struct iotify_call *call)
{
    (void)call;
    orphan_reset(given);
    return IOTIFY_RESULT_OK;
}

static enum iotify_result removal_on_conclude(void *given, struct iotify_call *call)
{
    enum iotify_result result = orphan_conclude(given, call);

    return result == IOTIFY_RESULT_OK ? verify_removal_conclude(given, call, true) : result;
}

enum iotify_result remove_device_plan(struct aws_instance *instance, struct iotify_call *call)
{
    struct record record;
    enum iotify_result result = record_load(call, &record);

    if (result != IOTIFY_RESULT_OK || record.state == RECORD_NONE ||
        record.state == RECORD_TOMBSTONE)
        return result;
    call->host->plan_change(call, IOTIFY_CHANGE_DELETE, "device", record.thing, NULL);
    remove_device_calls(call, instance, 1);
    return IOTIFY_RESULT_OK;
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
    .scope = IOTIFY_SCOPE_RECORD,
    .settings = IOTIFY_NO_SETTINGS,
    .begin = removal_begin,
    .apply = removal_apply,
    .conclude = removal_on_conclude,
    .plan = removal_on_plan,
    .estimate = removal_estimate,
    .permit = removal_permit,
};
