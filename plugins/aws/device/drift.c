/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/device/drift.h"

#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/device/certificate.h"
#include "plugins/aws/device/provision.h"

/* ------------------------------------------------------------------ listings */

static enum iotify_result drift_find_ready(void *argument, const struct iotify_record *record)
{
    json_t *json;

    if (record_read(record->value, &json) == RECORD_READY)
        *(bool *)argument = true;
    json_decref(json);
    return IOTIFY_RESULT_OK;
}

enum iotify_result drift_prepare(
    struct aws_instance *instance, struct iotify_call *call, const struct record *wanted)
{
    unsigned things = instance->names.adopt ? VIEW_THINGS : VIEW_OWN_THINGS;
    bool ready = false;
    enum iotify_result result = call->host->records(call, drift_find_ready, &ready);

    if (result != IOTIFY_RESULT_OK || !ready)
        return result;
    return account_view_load(
        instance, call, things | VIEW_CERTIFICATES | VIEW_MEMBERS | VIEW_TARGETS, wanted);
}

/* Is this the thing that was made for the record, or adopted for it? */
static bool drift_is_own_thing(const json_t *attributes, const struct record *record)
{
    const char *mark = aws_text(attributes, record->adopted ? THING_ADOPTED : THING_CERTIFICATE);

    return strcmp(mark, record->certificate_id) == 0;
}

unsigned drift_find(const struct aws_instance *instance, const struct record *record)
{
    const struct account_view *view = instance->view;
    const char *status;
    unsigned drift = 0;

    if (!view || !record->certificate_id)
        return 0;
    status = json_string_value(json_object_get(view->certificates, record->certificate_id));
    if (!drift_is_own_thing(
            json_object_get(view->things ? view->things : view->own_things, record->thing), record))
        drift |= DRIFT_THING;
    if (!status)
        drift |= DRIFT_CERTIFICATE;
    else if (strcmp(status, "ACTIVE") != 0)
        drift |= DRIFT_STATUS;
    if (record->policy && record->certificate_arn &&
        !json_object_get(view->targets, record->certificate_arn))
        drift |= DRIFT_POLICY;
    if (record->group && !json_object_get(view->members, record->thing))
        drift |= DRIFT_GROUP;
    return drift;
}

const char *drift_words(struct iotify_call *call, unsigned drift)
{
    static const struct {
        unsigned drift;
        const char *words;
    } parts[] = {{DRIFT_THING, "the thing"}, {DRIFT_CERTIFICATE, "the certificate"},
        {DRIFT_STATUS, "the certificate's status"}, {DRIFT_POLICY, "the policy"},
        {DRIFT_ATTACHMENT, "the attachment to the thing"}, {DRIFT_GROUP, "the group"}};
    struct iotify_buffer text;
    const char *copy;

    iotify_buffer_init(&text, 256);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (drift & parts[i].drift)
            iotify_buffer_format(&text, "%s%s", text.size ? ", " : "", parts[i].words);
    copy = aws_keep(call, iotify_buffer_text(&text));
    iotify_buffer_clear(&text);
    return copy;
}

/* ------------------------------------------------------------------ confirmation */

/* A listing can be some seconds old: ask for each object that it seems to lack. */
struct drift_search {
    const char *list, *member; /* of the answer, and of its items; NULL: they are texts */
    const char *wanted;
    bool found;
};

static bool drift_on_page(void *argument, const json_t *answer)
{
    struct drift_search *search = argument;
    const json_t *list = json_object_get(answer, search->list);

    for (size_t i = 0; i < json_array_size(list) && !search->found; i++) {
        const json_t *item = json_array_get(list, i);
        const char *name =
            search->member ? aws_text(item, search->member) : json_string_value(item);

        search->found = name && strcmp(name, search->wanted) == 0;
    }
    return !search->found;
}

/* Clear `bit` of `drift` when the listing of `request` contains the wanted item. */
static enum iotify_result drift_confirm_listed(struct aws_instance *instance,
    struct iotify_call *call, struct aws_request request, struct drift_search search,
    const char *token, const char *parameter, unsigned *drift, unsigned bit)
{
    enum iotify_result result =
        aws_list(instance->client, call, &request, token, parameter, drift_on_page, &search);

    if (result == IOTIFY_RESULT_OK || result == IOTIFY_RESULT_NOT_FOUND)
        *drift = search.found ? *drift & ~bit : *drift | bit;
    return result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_OK : result;
}

/* An adopted thing is not created anew, and another job that has adopted it keeps it. */
static enum iotify_result drift_check_adopted(
    struct iotify_call *call, const struct record *record, const char *adopted, bool exists)
{
    if (!record->adopted || (exists && !*adopted))
        return IOTIFY_RESULT_OK;
    if (exists)
        return call->host->fail(call, IOTIFY_RESULT_EXISTS, "ThingDiffers",
            "the thing %s, which this job adopted, is in use by another job now; run cleanup, or "
            "set another name under thing:",
            record->thing);
    return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "ThingGone",
        "the thing %s, which this job adopted, no longer exists; create it again, or run cleanup",
        record->thing);
}

/*
 * Ask for the thing. IOTIFY_RESULT_EXISTS when it was made for another certificate, which exists:
 * then the store is not the one that this thing belongs to, and nothing may be repaired.
 */
static enum iotify_result drift_confirm_thing(struct aws_instance *instance,
    struct iotify_call *call, const struct record *record, unsigned *drift)
{
    const char *mark = "", *adopted = "";
    struct aws_request request = {.operation = AWS_DESCRIBE_THING, .name = record->thing};
    enum iotify_result result = aws_send(instance->client, call, &request);
    const json_t *attributes = json_object_get(request.answer, "attributes");

    if (result == IOTIFY_RESULT_OK && drift_is_own_thing(attributes, record)) {
        *drift &= ~(unsigned)DRIFT_THING;
        json_decref(request.answer);
        return IOTIFY_RESULT_OK;
    }
    mark = aws_keep(call, aws_text(attributes, THING_CERTIFICATE));
    adopted = aws_keep(call, aws_text(attributes, THING_ADOPTED));
    json_decref(request.answer);
    if (result == IOTIFY_RESULT_OK || result == IOTIFY_RESULT_NOT_FOUND) {
        enum iotify_result usable =
            drift_check_adopted(call, record, adopted, result == IOTIFY_RESULT_OK);

        if (usable != IOTIFY_RESULT_OK)
            return usable;
    }
    if (!*mark)
        return result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_OK : result;
    request = (struct aws_request){.operation = AWS_DESCRIBE_CERTIFICATE, .name = mark};
    result = aws_send(instance->client, call, &request);
    json_decref(request.answer);
    if (result == IOTIFY_RESULT_OK)
        return call->host->fail(call, IOTIFY_RESULT_EXISTS, "ThingDiffers",
            "the thing %s exists and was made with another store; clean that up (cleanup "
            "--from-aws), or set another name under thing:",
            record->thing);
    return result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_OK : result;
}

/* Ask for the certificate; `status` is set in the call's arena. */
static enum iotify_result drift_confirm_certificate(struct aws_instance *instance,
    struct iotify_call *call, const struct record *record, unsigned *drift, const char **status)
{
    struct aws_request request = {
        .operation = AWS_DESCRIBE_CERTIFICATE, .name = record->certificate_id};
    enum iotify_result result = aws_send(instance->client, call, &request);

    if (result == IOTIFY_RESULT_OK) {
        *status = aws_keep(
            call, aws_text(json_object_get(request.answer, "certificateDescription"), "status"));
        *drift &= ~(unsigned)(DRIFT_CERTIFICATE | DRIFT_STATUS);
        if (strcmp(*status, "ACTIVE") != 0)
            *drift |= DRIFT_STATUS;
    }
    if (result == IOTIFY_RESULT_NOT_FOUND)
        *drift = (*drift & ~(unsigned)DRIFT_STATUS) | DRIFT_CERTIFICATE;
    json_decref(request.answer);
    return result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_OK : result;
}

static enum iotify_result drift_confirm(struct aws_instance *instance, struct iotify_call *call,
    const struct record *record, unsigned *drift, const char **status)
{
    bool full = record->repair || call->host->repair_mode(call) & IOTIFY_REPAIR_VERIFY_ALL;
    enum iotify_result result = IOTIFY_RESULT_OK;

    if (*drift & DRIFT_THING)
        result = drift_confirm_thing(instance, call, record, drift);
    /* With any drift: a repair must not reactivate a certificate deactivated in the meantime. */
    if (result == IOTIFY_RESULT_OK && (*drift || record->repair))
        result = drift_confirm_certificate(instance, call, record, drift, status);
    if (result == IOTIFY_RESULT_OK && (*drift & DRIFT_POLICY))
        result = drift_confirm_listed(instance, call,
            (struct aws_request){
                .operation = AWS_LIST_ATTACHED_POLICIES, .name = record->certificate_arn},
            (struct drift_search){"policies", "policyName", record->policy, false}, "nextMarker",
            "marker", drift, DRIFT_POLICY);
    if (result == IOTIFY_RESULT_OK && (*drift & DRIFT_GROUP))
        result = drift_confirm_listed(instance, call,
            (struct aws_request){
                .operation = AWS_LIST_THING_GROUPS_FOR_THING, .name = record->thing},
            (struct drift_search){"thingGroups", "groupName", record->group, false}, "nextToken",
            "nextToken", drift, DRIFT_GROUP);
    /* Who changed one thing by hand may have detached the certificate, too. */
    if (result == IOTIFY_RESULT_OK && (full || *drift) && record->certificate_arn)
        result = drift_confirm_listed(instance, call,
            (struct aws_request){.operation = AWS_LIST_THING_PRINCIPALS, .name = record->thing},
            (struct drift_search){"principals", NULL, record->certificate_arn, false}, "nextToken",
            "nextToken", drift, DRIFT_ATTACHMENT);
    return result;
}

/* ------------------------------------------------------------------ repair */

/*
 * Does a decision of somebody stand in the way? An inactive certificate can be activated again; a
 * revoked one is replaced.
 */
static enum iotify_result drift_check_status(
    struct iotify_call *call, const struct record *record, const char *status, bool *replace)
{
    if (call->host->repair_mode(call) & IOTIFY_REPAIR_ALL) {
        *replace = strcmp(status, "INACTIVE") != 0;
        return IOTIFY_RESULT_OK;
    }
    return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "NotActive",
        "the certificate %s of %s is %s; --repair %s it", record->certificate_id, record->thing,
        status, strcmp(status, "INACTIVE") == 0 ? "activates" : "replaces");
}

/* What can differ, whatever the listings show. */
static unsigned drift_possible(const struct record *record)
{
    return DRIFT_THING | (record->policy ? DRIFT_POLICY : 0) | (record->group ? DRIFT_GROUP : 0);
}

enum iotify_result drift_settle(struct aws_instance *instance, struct iotify_call *call,
    const struct device_options *options, struct record *record, bool *replace)
{
    unsigned drift = drift_find(instance, record), mode = call->host->repair_mode(call);
    const char *status = "";
    enum iotify_result result = IOTIFY_RESULT_OK;

    *replace = false;
    if (!instance->view || (!drift && !record->repair && !(mode & IOTIFY_REPAIR_VERIFY_ALL)))
        return IOTIFY_RESULT_UNCHANGED;
    if (record->repair)
        drift |= drift_possible(record);
    result = drift_confirm(instance, call, record, &drift, &status);
    if (result == IOTIFY_RESULT_OK && !drift && record->repair && !(mode & IOTIFY_REPAIR_NOTHING)) {
        record->repair = false;
        result = record_save(call, record, false);
    }
    if (result != IOTIFY_RESULT_OK || !drift)
        return result == IOTIFY_RESULT_OK ? IOTIFY_RESULT_UNCHANGED : result;
    if (drift & DRIFT_STATUS)
        result = drift_check_status(call, record, status, replace);
    if (result != IOTIFY_RESULT_OK || *replace)
        return result;
    if (mode & IOTIFY_REPAIR_NOTHING)
        return call->host->fail(call, IOTIFY_RESULT_CONFLICT, "Drift",
            "%s differs from its record: %s; run deploy without --no-repair to repair it",
            record->thing, drift_words(call, drift));
    /* AWS issues a certificate again only for a new key. */
    *replace = drift & DRIFT_CERTIFICATE && !certificate_is_own(record->certificate);
    if (*replace)
        return IOTIFY_RESULT_OK;
    /* An interrupted repair has to be continued: not all that it does is visible in listings. */
    record->repair = true;
    result = record_save(call, record, false);
    if (result != IOTIFY_RESULT_OK)
        return result;
    if (drift & DRIFT_CERTIFICATE)
        record->certificate_arn = NULL;
    call->host->repaired(call, drift_words(call, drift));
    return aws_wait_until_visible(call, provision(instance, call, options, record));
}
