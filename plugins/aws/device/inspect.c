/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/device/inspect.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/device/listing.h"
#include "plugins/aws/device/provision.h"
#include "plugins/aws/device/remove_device.h"

/* Listings of the account, read once. */
struct inspect_view {
    json_t *things;       /* name to attributes */
    json_t *certificates; /* identifier to status */
    json_t *members;      /* of the group; NULL: not listed */
};

void inspect_free(struct inspect_view *view)
{
    if (!view)
        return;
    json_decref(view->things);
    json_decref(view->certificates);
    json_decref(view->members);
    free(view);
}

/* ------------------------------------------------------------------ comparing */

static bool inspect_differs(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") != 0;
}

void inspect_wanted(const struct aws_instance *instance, const struct device_options *options,
    struct record *record)
{
    const struct aws_names *names = &instance->names;

    *record = (struct record){.thing = options->thing,
        .type = options->type ? options->type : names->type,
        .group = options->group ? options->group : names->group,
        .policy = options->policy ? options->policy : names->policy,
        .key_name = options->key,
        .certificate_name = options->cert};
    if (names->group_has_policy && !options->policy)
        record->policy = NULL;
}

enum inspect_difference inspect_compare(const struct record *record, const struct record *wanted)
{
    if (inspect_differs(record->key_name, wanted->key_name) ||
        inspect_differs(record->certificate_name, wanted->certificate_name))
        return DIFFERS_IN_KEYS;
    if (inspect_differs(record->thing, wanted->thing))
        return DIFFERS_IN_THING;
    if (inspect_differs(record->type, wanted->type) ||
        inspect_differs(record->group, wanted->group) ||
        inspect_differs(record->policy, wanted->policy))
        return DIFFERS_IN_SHARED;
    return DIFFERS_NOT;
}

/* ------------------------------------------------------------------ reading */

static void inspect_add_thing(void *argument, const char *name, const json_t *attributes)
{
    json_t *copy = json_deep_copy(attributes);

    json_object_set_new(argument, name, copy ? copy : json_object());
}

static void inspect_add_certificate(void *argument, const struct listing_certificate *certificate)
{
    json_object_set_new(argument, certificate->id, json_string(certificate->status));
}

static void inspect_add_member(void *argument, const char *name)
{
    json_object_set_new(argument, name, json_true());
}

static enum iotify_result inspect_find_oldest(void *argument, const struct iotify_record *record)
{
    int64_t *since = argument, created;
    json_t *json;

    record_read(record->value, &json);
    created = json_integer_value(json_object_get(json, "created"));
    *since = created < *since ? created : *since;
    json_decref(json);
    return IOTIFY_OK;
}

static enum iotify_result inspect_new_view(struct aws_instance *instance, struct iotify_call *call)
{
    if (instance->view)
        return IOTIFY_UNCHANGED;
    instance->view = calloc(1, sizeof(*instance->view));
    if (!instance->view)
        return call->host->fail(call, IOTIFY_FAILED, "NoMemory", "out of memory");
    instance->view->things = json_object();
    instance->view->certificates = json_object();
    return IOTIFY_OK;
}

/* List all things, and the certificates since the oldest record. */
static enum iotify_result inspect_view_account(
    struct aws_instance *instance, struct iotify_call *call)
{
    int64_t since = INT64_MAX;
    enum iotify_result result = inspect_new_view(instance, call);

    if (result == IOTIFY_UNCHANGED)
        return IOTIFY_OK;
    if (result == IOTIFY_OK)
        result = listing_things(instance, call, NULL, inspect_add_thing, instance->view->things);
    if (result == IOTIFY_OK)
        result = call->host->records(call, inspect_find_oldest, &since);
    if (result == IOTIFY_OK && since != INT64_MAX)
        result = listing_certificates(
            instance, call, since, inspect_add_certificate, instance->view->certificates);
    return result;
}

/* ------------------------------------------------------------------ the plan */

/* Why apply() would fail for a device with a record; NULL: it would not. */
static const char *inspect_obstacle_of_record(
    const struct inspect_view *view, const struct record *record, const struct record *wanted)
{
    static const char *const words[] = {
        [DIFFERS_IN_KEYS] = "its keys are stored under other names; run cleanup first",
        [DIFFERS_IN_THING] = "deployed under another name; run cleanup first",
        [DIFFERS_IN_SHARED] = "deployed with another type, group or policy; run cleanup first"};
    enum inspect_difference difference = inspect_compare(record, wanted);

    if (difference != DIFFERS_NOT)
        return words[difference];
    if (record->state == RECORD_READY &&
        !json_object_get(view->certificates, record->certificate_id))
        return "its certificate no longer exists; run cleanup first";
    if (record->state == RECORD_READY && !json_object_get(view->things, record->thing))
        return "its thing no longer exists; run cleanup first";
    return NULL;
}

/* Why apply() would fail for a new device; NULL: it would not. */
static const char *inspect_obstacle_of_new(
    const struct inspect_view *view, const struct device_options *options)
{
    const json_t *attributes = json_object_get(view->things, options->thing);

    if (!attributes || (options->adopt && !*aws_text(attributes, THING_CERTIFICATE)))
        return NULL;
    return *aws_text(attributes, THING_CERTIFICATE)
               ? "the thing was made by another job or store"
               : "the thing exists and is not this job's; set thing: or adopt: true";
}

static void inspect_plan_record(const struct aws_instance *instance, struct iotify_call *call,
    const struct record *record, const struct record *wanted)
{
    const struct device_options *options = call->arguments;
    const char *why = inspect_obstacle_of_record(instance->view, record, wanted);

    if (why) {
        call->host->plan_change(call, IOTIFY_BLOCKED, "device", record->thing, why);
    } else if (record->state == RECORD_READY) {
        call->host->plan_change(call, IOTIFY_KEEP_IT, "device", record->thing, NULL);
    } else {
        call->host->plan_change(call, IOTIFY_CHANGE_IT, "device", record->thing, NULL);
        provision_calls(call, instance, options, 1);
    }
}

enum iotify_result inspect_plan(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct device_options *options = call->arguments;
    enum iotify_result result;
    struct record record, wanted;
    const char *why;

    if (!options)
        return remove_device_plan(instance, call);
    result = inspect_view_account(instance, call);
    if (result == IOTIFY_OK)
        result = record_load(call, &record);
    if (result != IOTIFY_OK)
        return result;
    inspect_wanted(instance, options, &wanted);
    if (record.state != RECORD_NONE && record.state != RECORD_TOMBSTONE) {
        inspect_plan_record(instance, call, &record, &wanted);
        return IOTIFY_OK;
    }
    why = inspect_obstacle_of_new(instance->view, options);
    call->host->plan_change(
        call, why ? IOTIFY_BLOCKED : IOTIFY_CREATE_IT, "device", options->thing, why);
    if (!why)
        provision_calls(call, instance, options, 1);
    return IOTIFY_OK;
}

/* ------------------------------------------------------------------ recovery */

/* List the things with this job's name, and the things of the group. */
static enum iotify_result inspect_view_job(
    struct aws_instance *instance, struct iotify_call *call, const char *group)
{
    enum iotify_result result = inspect_new_view(instance, call);

    if (result == IOTIFY_UNCHANGED && (instance->view->members || !group))
        return IOTIFY_OK;
    if (result == IOTIFY_OK)
        result = listing_things(
            instance, call, call->host->job_name(call), inspect_add_thing, instance->view->things);
    if (result > IOTIFY_UNCHANGED || !group)
        return result;
    instance->view->members = json_object();
    result = listing_group(instance, call, group, inspect_add_member, instance->view->members);
    if (result == IOTIFY_OK &&
        json_object_size(instance->view->members) > json_object_size(instance->view->things))
        call->host->log(call, IOTIFY_WARNING,
            "the group %s has %zu things, of which %zu are of this job; the others stay", group,
            json_object_size(instance->view->members), json_object_size(instance->view->things));
    return result == IOTIFY_NOT_FOUND ? IOTIFY_OK : result;
}

enum iotify_result inspect_recover(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct device_options *options = call->arguments;
    struct record record, wanted;
    const json_t *attributes;
    enum iotify_result result;

    inspect_wanted(instance, options, &wanted);
    result = inspect_view_job(instance, call, wanted.group);
    if (result == IOTIFY_OK)
        result = record_load(call, &record);
    if (result != IOTIFY_OK)
        return result;
    if (record.state != RECORD_NONE && record.state != RECORD_TOMBSTONE) {
        call->host->plan_change(call, IOTIFY_DELETE_IT, "device", record.thing, NULL);
        remove_device_calls(call, instance, 1);
        return IOTIFY_UNCHANGED;
    }
    attributes = json_object_get(instance->view->things, options->thing);
    if (!attributes || !*aws_text(attributes, THING_CERTIFICATE))
        return IOTIFY_UNCHANGED;
    call->host->plan_change(call, IOTIFY_DELETE_IT, "device", options->thing, NULL);
    remove_device_calls(call, instance, 1);
    wanted.stored = record.stored;
    wanted.state = RECORD_DELETING;
    wanted.certificate_id = aws_keep(call, aws_text(attributes, THING_CERTIFICATE));
    return record_save(call, &wanted, false);
}
