/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/device/inspect.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/device/account_view.h"
#include "plugins/aws/device/drift.h"
#include "plugins/aws/device/provision.h"
#include "plugins/aws/device/remove_device.h"

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

/* ------------------------------------------------------------------ the plan */

/* Why apply() would fail for a device with a record; NULL: it would not. */
static const char *inspect_obstacle_of_record(
    const struct record *record, const struct record *wanted)
{
    static const char *const words[] = {
        [DIFFERS_IN_KEYS] = "its keys are stored under other names; run cleanup first",
        [DIFFERS_IN_THING] = "deployed under another name; run cleanup first",
        [DIFFERS_IN_SHARED] = "deployed with another type, group or policy; run cleanup first"};
    enum inspect_difference difference = inspect_compare(record, wanted);

    if (difference != DIFFERS_NOT)
        return words[difference];
    return NULL;
}

/* Why apply() would fail for a new device; NULL: it would not. */
static const char *inspect_obstacle_of_new(
    const struct account_view *view, const struct device_options *options)
{
    const json_t *attributes = json_object_get(view->things, options->thing);

    if (!attributes || (options->adopt && !*aws_text(attributes, THING_CERTIFICATE)))
        return NULL;
    return *aws_text(attributes, THING_CERTIFICATE)
               ? "the thing was made by another job or store"
               : "the thing exists and is not this job's; set thing: or adopt: true";
}

static const char *inspect_repair_words(struct iotify_call *call, unsigned drift)
{
    const char *words = drift_words(call, drift);
    size_t size = strlen(words) + sizeof("repair: ");
    char *text = call->host->alloc(call, size);

    snprintf(text, size, "repair: %s", words);
    return text;
}

static void inspect_plan_record(const struct aws_instance *instance, struct iotify_call *call,
    const struct record *record, const struct record *wanted)
{
    const struct device_options *options = call->arguments;
    const char *why = inspect_obstacle_of_record(record, wanted);
    unsigned drift = record->state == RECORD_READY ? drift_find(instance, record) : 0;

    if (record->repair) /* interrupted: also what no listing shows may be missing */
        drift |= DRIFT_ATTACHMENT;
    if (why) {
        call->host->plan_change(call, IOTIFY_CHANGE_BLOCKED, "device", record->thing, why);
    } else if (drift & DRIFT_STATUS && !(call->host->repair_mode(call) & IOTIFY_REPAIR_ALL)) {
        call->host->plan_change(call, IOTIFY_CHANGE_BLOCKED, "device", record->thing,
            "its certificate is not active; --repair activates or replaces it");
    } else if (drift && call->host->repair_mode(call) & IOTIFY_REPAIR_NOTHING) {
        call->host->plan_change(call, IOTIFY_CHANGE_BLOCKED, "device", record->thing,
            "it differs from its record, and --no-repair is given");
    } else if (drift) {
        call->host->plan_change(call, IOTIFY_CHANGE_COMPLETE, "device", record->thing,
            inspect_repair_words(call, drift));
        provision_calls(call, instance, options, 1);
    } else if (record->state == RECORD_READY && record_misses_glob(call, record)) {
        call->host->plan_change(
            call, IOTIFY_CHANGE_COMPLETE, "device", record->thing, "repair: the glob entries");
    } else if (record->state == RECORD_READY) {
        if (call->host->repair_mode(call) & IOTIFY_REPAIR_VERIFY_ALL)
            call->host->plan_calls(call, aws_operation_name(AWS_LIST_THING_PRINCIPALS), 1);
        call->host->plan_change(call, IOTIFY_CHANGE_KEEP, "device", record->thing, NULL);
    } else {
        call->host->plan_change(call, IOTIFY_CHANGE_COMPLETE, "device", record->thing, NULL);
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
    inspect_wanted(instance, options, &wanted);
    result = account_view_load(
        instance, call, VIEW_THINGS | VIEW_CERTIFICATES | VIEW_MEMBERS | VIEW_TARGETS, &wanted);
    if (result == IOTIFY_RESULT_OK)
        result = record_load(call, &record);
    if (result != IOTIFY_RESULT_OK)
        return result;
    if (record.state != RECORD_NONE && record.state != RECORD_TOMBSTONE) {
        inspect_plan_record(instance, call, &record, &wanted);
        return IOTIFY_RESULT_OK;
    }
    why = inspect_obstacle_of_new(instance->view, options);
    call->host->plan_change(
        call, why ? IOTIFY_CHANGE_BLOCKED : IOTIFY_CHANGE_CREATE, "device", options->thing, why);
    if (!why)
        provision_calls(call, instance, options, 1);
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ recovery */

/* List the things with this job's name, and the things of the group. */
static enum iotify_result inspect_view_job(
    struct aws_instance *instance, struct iotify_call *call, const struct record *wanted)
{
    bool first = !instance->view || !instance->view->own_things;
    enum iotify_result result =
        account_view_load(instance, call, VIEW_OWN_THINGS | VIEW_MEMBERS, wanted);

    if (result == IOTIFY_RESULT_OK && first &&
        json_object_size(instance->view->members) > json_object_size(instance->view->own_things))
        call->host->log(call, IOTIFY_LOG_WARNING,
            "the group %s has %zu things, of which %zu are of this job; the others stay",
            wanted->group, json_object_size(instance->view->members),
            json_object_size(instance->view->own_things));
    return result;
}

/* The certificate for which the device's thing was made, unless the record has it; NULL: none. */
static const char *inspect_found_certificate(
    const struct account_view *view, const struct record *record, const char *thing)
{
    const json_t *attributes =
        json_object_get(view->own_things, record->state == RECORD_NONE ? thing : record->thing);
    const char *mark = aws_text(attributes, THING_CERTIFICATE);

    if (!*mark || !inspect_differs(mark, record->certificate_id) ||
        !inspect_differs(mark, record->other))
        return NULL;
    return mark;
}

enum iotify_result inspect_recover(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct device_options *options = call->arguments;
    struct record record, wanted;
    const char *found;
    enum iotify_result result;

    inspect_wanted(instance, options, &wanted);
    result = inspect_view_job(instance, call, &wanted);
    if (result == IOTIFY_RESULT_OK)
        result = record_load(call, &record);
    if (result != IOTIFY_RESULT_OK)
        return result;
    found = inspect_found_certificate(instance->view, &record, options->thing);
    if (!found && (record.state == RECORD_NONE || record.state == RECORD_TOMBSTONE))
        return IOTIFY_RESULT_UNCHANGED;
    call->host->plan_change(call, IOTIFY_CHANGE_DELETE, "device",
        record.state == RECORD_NONE ? options->thing : record.thing, NULL);
    remove_device_calls(call, instance, 1);
    if (!found)
        return IOTIFY_RESULT_UNCHANGED;
    if (record.state == RECORD_NONE) {
        wanted.stored = record.stored;
        record = wanted;
        record.certificate_id = found;
    } else if (record.other) {
        return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "OtherStore",
            "the thing %s has a third certificate %s; run cleanup, then this command again",
            record.thing, found);
    } else {
        /* The request of an intent may have succeeded. */
        record.doubt = record.doubt || record.state == RECORD_INTENT;
        record.other = found;
        record.created = 0; /* nobody knows since when it exists: the proof lists everything */
    }
    record.state = RECORD_DELETING;
    return record_save(call, &record, false);
}
