/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step `device`: for each device a key, a certificate, a thing, and their attachments.
 *
 * The order of the calls prevents leaks after a crash. With `issuer: local`, key and certificate
 * are stored before they are sent to AWS, and all later calls are idempotent. With the other
 * issuers a crash may leave an inactive certificate, which cannot connect.
 */
#include "plugins/aws/device/device.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/device/drift.h"
#include "plugins/aws/device/inspect.h"
#include "plugins/aws/device/issuer.h"
#include "plugins/aws/device/orphan.h"
#include "plugins/aws/device/provision.h"
#include "plugins/aws/device/remove_device.h"
#include "plugins/aws/device/verify_removal.h"
#include "plugins/aws/iam_permissions.h"

/* In the order of enum issuer. */
static const char *const issuers[] = {"local", "aws", "csr", NULL};

#define AT(member) offsetof(struct device_options, member)
static const struct iotify_setting items[] = {
    {.name = "thing",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = AT(thing),
        .value = AWS_DEFAULT_THING,
        .help = "name of the thing"},
    {.name = "key",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION | IOTIFY_FLAG_GLOB_KEY,
        .offset = AT(key),
        .value = AWS_DEFAULT_KEY,
        .help = "glob key for the private key"},
    {.name = "cert",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION | IOTIFY_FLAG_GLOB_KEY,
        .offset = AT(cert),
        .value = AWS_DEFAULT_CERT,
        .help = "glob key for the certificate"},
    {.name = "issuer",
        .type = IOTIFY_TYPE_CHOICE,
        .offset = AT(issuer),
        .value = "local",
        IOTIFY_CHOICES(issuers),
        .help = "who makes key and certificate: local and registered, AWS, or AWS from a request "
                "(csr)"},
    {.name = "valid_years",
        .type = IOTIFY_TYPE_INTEGER,
        .offset = AT(valid_years),
        .value = "20",
        .min = 1,
        .max = 100,
        .help = "validity of certificates that are made here"},
    {.name = "type",
        .type = IOTIFY_TYPE_STRING,
        .offset = AT(type),
        .help = "thing type; default: that of the job's step"},
    {.name = "group",
        .type = IOTIFY_TYPE_STRING,
        .offset = AT(group),
        .help = "thing group; default: that of the job's step"},
    {.name = "policy",
        .type = IOTIFY_TYPE_STRING,
        .offset = AT(policy),
        .help = "policy; default: that of the job's step"},
    {.name = "adopt",
        .type = IOTIFY_TYPE_BOOLEAN,
        .offset = AT(adopt),
        .value = "false",
        .help = "true uses existing things of these names; cleanup leaves them"},
    {.name = "exclusive",
        .type = IOTIFY_TYPE_BOOLEAN,
        .offset = AT(exclusive),
        .value = "false",
        .help = "true attaches certificates exclusively: AWS then knows the thing of a connection "
                "without its client id, as policies with ${iot:Connection.Thing…} need for HTTPS"},
    {.name = "register_thing",
        .type = IOTIFY_TYPE_BOOLEAN,
        .offset = AT(register_thing),
        .value = "false",
        .help =
            "true creates and attaches a thing by RegisterThing: two calls per device instead of "
            "five"},
};
#undef AT
static const struct iotify_settings settings = IOTIFY_SETTINGS(items, struct device_options);

static bool device_differs(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") != 0;
}

static enum iotify_result device_prepare(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct device_options *options = call->arguments;

    if (instance->names.thing && (device_differs(instance->names.thing, options->thing) ||
                                     device_differs(instance->names.key, options->key) ||
                                     device_differs(instance->names.cert, options->cert)))
        return call->host->fail_setting(call, "thing",
            "another device step of this connector names its things or keys differently; use a "
            "second alias with use: aws-iot for them");
    instance->names.adopt = instance->names.adopt || options->adopt;
    instance->names.exclusive = options->exclusive;
    instance->names.thing = options->thing;
    instance->names.key = options->key;
    instance->names.cert = options->cert;
    instance->names.device_policy = options->policy;
    if (!options->thing || (!strstr(options->thing, "{{")))
        return call->host->fail_setting(call, "thing",
            "\"thing\" names the same thing for all clients; put {{client()}} into it");
    if (!options->key || !strstr(options->key, "{{"))
        return call->host->fail_setting(
            call, "key", "\"key\" is the same for all clients; put {{client()}} into it");
    if (!options->cert || !strstr(options->cert, "{{"))
        return call->host->fail_setting(
            call, "cert", "\"cert\" is the same for all clients; put {{client()}} into it");
    if (options->type && !aws_check_name(call, "type", options->type))
        return IOTIFY_RESULT_INVALID;
    if (options->group && !aws_check_name(call, "group", options->group))
        return IOTIFY_RESULT_INVALID;
    if (options->policy && !aws_check_policy_name(call, "policy", options->policy))
        return IOTIFY_RESULT_INVALID;
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ checks of the record */

static bool device_is_complete(const struct iotify_record *record)
{
    json_t *json;
    bool ready = record_read(record->value, &json) == RECORD_READY;

    json_decref(json);
    return ready;
}

static const char *device_or_none(const char *text)
{
    return text ? text : "(none)";
}

/* An existing record must have the names that the job has now. */
static enum iotify_result device_check_record(
    struct iotify_call *call, const struct record *record, const struct record *wanted)
{
    switch (inspect_compare(record, wanted)) {
    case DIFFERS_NOT:
        break;
    case DIFFERS_IN_KEYS:
        return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "OtherKeys",
            "the keys of %s are stored as %s and %s, not as %s and %s; run cleanup first",
            record->thing, record->key_name, record->certificate_name, wanted->key_name,
            wanted->certificate_name);
    case DIFFERS_IN_THING:
        return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "OtherThing",
            "this client was deployed as %s, not as %s; run cleanup first", record->thing,
            wanted->thing);
    case DIFFERS_IN_SHARED:
        return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "OtherShared",
            "%s was deployed with the type %s, group %s and policy %s, not with %s, %s and %s; run "
            "cleanup first",
            record->thing, device_or_none(record->type), device_or_none(record->group),
            device_or_none(record->policy), device_or_none(wanted->type),
            device_or_none(wanted->group), device_or_none(wanted->policy));
    }
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ the action */

/* Verify that the certificate of a removed device is gone, before its record is reused. */
static enum iotify_result device_confirm_gone(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    struct aws_request request = {
        .operation = AWS_DESCRIBE_CERTIFICATE, .name = record->certificate_id};
    enum iotify_result result;

    if (!record->certificate_id)
        return IOTIFY_RESULT_OK;
    result = aws_send(instance->client, call, &request);
    json_decref(request.answer);
    if (result == IOTIFY_RESULT_NOT_FOUND)
        return IOTIFY_RESULT_OK;
    return result == IOTIFY_RESULT_OK
               ? call->host->fail(call, IOTIFY_RESULT_CONFLICT, "StillThere",
                     "the certificate that %s had before is still there; run the "
                     "same command again",
                     record->thing)
               : result;
}

/* Load the device's record, after completing an interrupted removal; or begin a new record. */
static enum iotify_result device_find_record(struct aws_instance *instance,
    struct iotify_call *call, const struct record *wanted, struct record *record)
{
    enum iotify_result result = record_load(call, record);

    if (result == IOTIFY_RESULT_OK && record->state == RECORD_DELETING) {
        result = remove_device_recorded(instance, call, record);
        if (result == IOTIFY_RESULT_OK)
            result = device_confirm_gone(instance, call, record);
    }
    if (result != IOTIFY_RESULT_OK)
        return result;
    if (record->doubt)
        atomic_store(&instance->doubt, true);
    if (record->state == RECORD_NONE || record->state == RECORD_TOMBSTONE) {
        struct iotify_bytes stored = record->stored;

        *record = *wanted;
        record->stored = stored;
        record->created = aws_now(instance->client);
        return IOTIFY_RESULT_OK;
    }
    return device_check_record(call, record, wanted);
}

/* Reject names that another device of the step uses: expressions may give the same result. */
static enum iotify_result device_take_names(struct aws_instance *instance, struct iotify_call *call)
{
    const struct device_options *options = call->arguments;
    const struct {
        const char *setting, *kind, *name;
    } names[] = {{"thing", "thing", options->thing}, {"key", "glob", options->key},
        {"cert", "glob", options->cert}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!unique_names_take(&instance->unique_names, names[i].kind, names[i].name))
            return call->host->fail(call, IOTIFY_RESULT_INVALID, "SameName",
                "\"%s\" is \"%s\" for another client or setting too; each needs a unique name",
                names[i].setting, names[i].name);
    return IOTIFY_RESULT_OK;
}

static enum iotify_result device_begin(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct device_options *options = call->arguments;
    struct record wanted;
    size_t left;
    enum iotify_result result;

    orphan_reset(instance);
    unique_names_reset(&instance->unique_names);
    /* Verify earlier removals before their records are reused. */
    result = verify_removal(given, call, &left);
    account_view_free(instance->view);
    instance->view = NULL;
    if (result == IOTIFY_RESULT_OK) {
        inspect_wanted(instance, options, &wanted);
        result = drift_prepare(instance, call, &wanted);
    }
    if (result != IOTIFY_RESULT_OK || options->issuer != ISSUER_AWS)
        return result;
    return orphan_open_window(given, call);
}

/* A READY device: repair what differs, also in the glob. `replace` as in drift_settle(). */
static enum iotify_result device_keep(struct aws_instance *instance, struct iotify_call *call,
    const struct device_options *options, struct record *record, bool *replace)
{
    enum iotify_result result = drift_settle(instance, call, options, record, replace), restored;

    if (result > IOTIFY_RESULT_UNCHANGED || *replace)
        return result;
    if (call->host->repair_mode(call) & IOTIFY_REPAIR_NOTHING && record_misses_glob(call, record))
        return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "Drift",
            "%s differs from its record: its glob entries are lost; run deploy without --no-repair "
            "to restore them",
            record->thing);
    restored = record_restore_glob(call, record);
    if (restored == IOTIFY_RESULT_OK)
        call->host->repaired(call, "the glob entries");
    return restored == IOTIFY_RESULT_UNCHANGED ? result : restored;
}

/* Remove what is left of a device whose certificate cannot be restored, for a new one. */
static enum iotify_result device_replace(struct aws_instance *instance, struct iotify_call *call,
    const struct record *wanted, struct record *record)
{
    enum iotify_result result;
    struct iotify_bytes stored;

    call->host->repaired(call, "the certificate");
    result = remove_device_recorded(instance, call, record);
    stored = record->stored;
    if (result != IOTIFY_RESULT_OK)
        return result;
    *record = *wanted;
    record->stored = stored;
    record->created = aws_now(instance->client);
    return IOTIFY_RESULT_OK;
}

static enum iotify_result device_apply(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct device_options *options = call->arguments;
    struct record record, wanted;
    enum iotify_result result;
    bool replace;

    if (!aws_check_name(call, "thing", options->thing))
        return IOTIFY_RESULT_INVALID;
    inspect_wanted(instance, options, &wanted);
    result = call->stage ? IOTIFY_RESULT_OK : device_take_names(instance, call);
    if (result == IOTIFY_RESULT_OK)
        result = device_find_record(instance, call, &wanted, &record);
    if (result == IOTIFY_RESULT_OK && record.state == RECORD_READY) {
        result = device_keep(instance, call, options, &record, &replace);
        if (!replace)
            return result;
        result = device_replace(instance, call, &wanted, &record);
    }
    if (result == IOTIFY_RESULT_OK && record.state != RECORD_SEALED)
        result = issuer_issue(instance, call, options, &record);
    if (result == IOTIFY_RESULT_OK)
        result = aws_wait_until_visible(call, provision(instance, call, options, &record));
    return result;
}

static enum iotify_result device_remove_one(void *given, struct iotify_call *call)
{
    struct record record;
    enum iotify_result result = record_load(call, &record);

    return result == IOTIFY_RESULT_OK && record.state != RECORD_NONE
               ? remove_device_recorded(given, call, &record)
               : result;
}

static enum iotify_result device_conclude(void *given, struct iotify_call *call)
{
    enum iotify_result result = orphan_conclude(given, call);

    return result == IOTIFY_RESULT_OK ? verify_removal_conclude(given, call, false) : result;
}

static void device_estimate(void *given, struct iotify_call *call)
{
    provision_calls(call, given, call->arguments, 1);
}

static void device_permit(void *given, struct iotify_call *call)
{
    iam_permissions_device(call, given, call->arguments);
    /* The step also completes interrupted removals, and removes devices with --prune. */
    iam_permissions_removal(call, given);
}

const struct iotify_action aws_device_action = {
    .name = "device",
    .summary = "create a thing with a certificate of its own for each client",
    .scope = IOTIFY_SCOPE_DEVICE,
    .settings = &settings,
    .prepare = device_prepare,
    .is_complete = device_is_complete,
    .begin = device_begin,
    .apply = device_apply,
    .conclude = device_conclude,
    .plan = inspect_plan,
    .estimate = device_estimate,
    .permit = device_permit,
    .remove = device_remove_one,
    .recover = inspect_recover,
};
