/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/device/orphan.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/device/certificate.h"
#include "plugins/aws/device/listing.h"
#include "plugins/aws/job_record.h"

/* How many possible orphans are checked and reported. */
#define NAMED_MAX 300
/* Seconds after which AWS no longer executes requests of a run that was killed. */
#define LATEST 300

/* Inactive certificates that no record names: identifier to ARN, and to the digest of the key. */
struct orphan_list {
    json_t *arns, *keys;
};

static void orphan_list_free(struct orphan_list *list)
{
    if (!list)
        return;
    json_decref(list->arns);
    json_decref(list->keys);
    free(list);
}

void orphan_reset(struct aws_instance *instance)
{
    orphan_list_free(instance->orphans);
    instance->orphans = NULL;
}

/* ------------------------------------------------------------------ the listing */

static enum iotify_result orphan_find_since(void *argument, const struct iotify_record *record)
{
    int64_t *since = argument, created;
    json_t *json;
    enum record_state state = record_read(record->value, &json);

    created = json_integer_value(json_object_get(json, "created"));
    if ((state == RECORD_INTENT || json_is_true(json_object_get(json, "doubt"))) &&
        created < *since)
        *since = created;
    json_decref(json);
    return IOTIFY_RESULT_OK;
}

static void orphan_add_candidate(void *argument, const struct listing_certificate *certificate)
{
    struct orphan_list *list = argument;

    if (strcmp(certificate->status, "INACTIVE") == 0)
        json_object_set_new(list->arns, certificate->id, json_string(certificate->arn));
}

static enum iotify_result orphan_drop_recorded(void *argument, const struct iotify_record *record)
{
    struct orphan_list *list = argument;
    json_t *json;

    record_read(record->value, &json);
    json_object_del(list->arns, aws_text(json, "certificate_id"));
    json_object_del(list->arns, aws_text(json, "other"));
    json_decref(json);
    return IOTIFY_RESULT_OK;
}

/* Fill `arns` with the inactive certificates since `since` that no record names. */
static enum iotify_result orphan_list_unrecorded(struct aws_instance *instance,
    struct iotify_call *call, int64_t since, struct orphan_list *list)
{
    enum iotify_result result =
        listing_certificates(instance, call, since, orphan_add_candidate, list);

    if (result == IOTIFY_RESULT_OK && json_object_size(list->arns))
        result = call->host->records(call, orphan_drop_recorded, list);
    return result;
}

static enum iotify_result orphan_read_key(struct aws_instance *instance, struct iotify_call *call,
    struct orphan_list *list, const char *id)
{
    struct aws_request request = {.operation = AWS_DESCRIBE_CERTIFICATE, .name = id};
    enum iotify_result result = aws_send(instance->client, call, &request);
    char digest[65];

    if (result == IOTIFY_RESULT_OK &&
        certificate_key_id(
            aws_text(json_object_get(request.answer, "certificateDescription"), "certificatePem"),
            digest))
        json_object_set_new(list->keys, id, json_string(digest));
    json_decref(request.answer);
    return result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_OK : result;
}

static struct orphan_list *orphan_new_list(void)
{
    struct orphan_list *list = calloc(1, sizeof(*list));

    if (list) {
        list->arns = json_object();
        list->keys = json_object();
    }
    return list;
}

/* Lock held. */
static enum iotify_result orphan_load_list(struct aws_instance *instance, struct iotify_call *call)
{
    struct orphan_list *list = orphan_new_list();
    int64_t since = INT64_MAX;
    enum iotify_result result;
    const char *id;
    json_t *arn;

    if (!list)
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "NoMemory", "out of memory");
    result = call->host->records(call, orphan_find_since, &since);
    if (result == IOTIFY_RESULT_OK && since != INT64_MAX)
        result = orphan_list_unrecorded(instance, call, since, list);
    json_object_foreach(list->arns, id, arn)
    {
        if (result == IOTIFY_RESULT_OK)
            result = orphan_read_key(instance, call, list, id);
    }
    if (result != IOTIFY_RESULT_OK) {
        orphan_list_free(list);
        return result;
    }
    instance->orphans = list;
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ orphans of one key */

/* The identifiers whose key has this digest, an array that the caller frees. Lock held. */
static json_t *orphan_matching(const struct orphan_list *list, const char *digest)
{
    json_t *found = json_array(), *key;
    const char *id;

    json_object_foreach(list->keys, id, key)
    {
        if (strcmp(json_string_value(key), digest) == 0)
            json_array_append_new(found, json_string(id));
    }
    return found;
}

enum iotify_result orphan_settle(struct aws_instance *instance, struct iotify_call *call,
    const struct record *record, const char **id)
{
    enum iotify_result result = IOTIFY_RESULT_OK;
    json_t *found = NULL;
    char digest[65];
    size_t first = id ? 1 : 0;

    if (id)
        *id = NULL;
    if (!record->key || !certificate_public_id(record->key, digest))
        return IOTIFY_RESULT_OK;
    pthread_mutex_lock(&instance->orphans_mutex);
    if (!instance->orphans)
        result = orphan_load_list(instance, call);
    if (result == IOTIFY_RESULT_OK)
        found = orphan_matching(instance->orphans, digest);
    pthread_mutex_unlock(&instance->orphans_mutex);
    if (id && json_array_size(found))
        *id = aws_keep(call, json_string_value(json_array_get(found, 0)));
    for (size_t i = first; i < json_array_size(found) && result == IOTIFY_RESULT_OK; i++)
        result = aws_remove(instance->client, call,
            (struct aws_request){.operation = AWS_DELETE_CERTIFICATE,
                .name = json_string_value(json_array_get(found, i))});
    json_decref(found);
    return result;
}

/* ------------------------------------------------------------------ after all devices */

struct orphan_doubtful {
    struct aws_instance *instance;
    struct iotify_call *call;
};

/* Remove `doubt` from the record. */
static enum iotify_result orphan_end_doubt(
    struct iotify_call *call, const struct iotify_record *record, json_t *json)
{
    struct iotify_record_write write = {.client = record->client, .expected = record->value};
    enum iotify_result result;
    char *text;

    json_object_del(json, "doubt");
    text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (!text)
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "NoMemory", "out of memory");
    write.value = (struct iotify_bytes){text, strlen(text)};
    result = call->host->records_write(call, &write, 1);
    explicit_bzero(text, strlen(text));
    free(text);
    return result;
}

static enum iotify_result orphan_settle_doubt(void *argument, const struct iotify_record *stored)
{
    struct orphan_doubtful *doubtful = argument;
    enum iotify_result result = IOTIFY_RESULT_OK;
    json_t *json;
    enum record_state state = record_read(stored->value, &json);
    struct record record = {.key = json_string_value(json_object_get(json, "key"))};

    /* An intent is settled when issuer_issue() resumes it. */
    if (state != RECORD_INTENT && json_is_true(json_object_get(json, "doubt"))) {
        result = orphan_settle(doubtful->instance, doubtful->call, &record, NULL);
        if (result == IOTIFY_RESULT_OK)
            result = orphan_end_doubt(doubtful->call, stored, json);
    }
    json_decref(json);
    return result;
}

static enum iotify_result orphan_settle_all(struct aws_instance *instance, struct iotify_call *call)
{
    struct orphan_doubtful doubtful = {instance, call};
    enum iotify_result result;

    if (!atomic_load(&instance->doubt))
        return IOTIFY_RESULT_OK;
    pthread_mutex_lock(&instance->orphans_mutex);
    orphan_reset(instance);
    result = orphan_load_list(instance, call);
    pthread_mutex_unlock(&instance->orphans_mutex);
    return result == IOTIFY_RESULT_OK ? call->host->records(call, orphan_settle_doubt, &doubtful)
                                      : result;
}

/* ------------------------------------------------------------------ possible orphans */

enum iotify_result orphan_open_window(struct aws_instance *instance, struct iotify_call *call)
{
    struct job_record_window window;
    enum iotify_result result = job_record_window(call, &window);

    if (result != IOTIFY_RESULT_OK)
        return result;
    if (!instance->window_opened)
        instance->window_before = window;
    instance->window_opened = true;
    window.last = aws_now(instance->client);
    window.since = window.since ? window.since : window.last;
    return job_record_set_window(call, window);
}

static bool orphan_is_empty(const json_t *answer, const char *member)
{
    return json_array_size(json_object_get(answer, member)) == 0;
}

/* Set `unattached` to whether the certificate has neither things nor policies. */
static enum iotify_result orphan_is_unattached(
    struct aws_instance *instance, struct iotify_call *call, const char *arn, bool *unattached)
{
    struct aws_request request = {.operation = AWS_LIST_PRINCIPAL_THINGS, .principal = arn};
    enum iotify_result result = aws_send(instance->client, call, &request);

    *unattached = result == IOTIFY_RESULT_OK && orphan_is_empty(request.answer, "things");
    json_decref(request.answer);
    if (!*unattached)
        return result;
    request = (struct aws_request){.operation = AWS_LIST_ATTACHED_POLICIES, .name = arn};
    result = aws_send(instance->client, call, &request);
    *unattached = result == IOTIFY_RESULT_OK && orphan_is_empty(request.answer, "policies");
    json_decref(request.answer);
    return result;
}

static enum iotify_result orphan_report(struct aws_instance *instance, struct iotify_call *call,
    const struct orphan_list *list, size_t *count)
{
    enum iotify_result result = IOTIFY_RESULT_OK;
    const char *id;
    json_t *arn;

    json_object_foreach(list->arns, id, arn)
    {
        bool unattached = false;

        if (result == IOTIFY_RESULT_OK && *count < NAMED_MAX)
            result = orphan_is_unattached(instance, call, json_string_value(arn), &unattached);
        if (!unattached)
            continue;
        ++*count;
        call->host->log(call, IOTIFY_LOG_WARNING,
            "the inactive certificate %s was made while this job was deployed and may be its own; "
            "to remove it: aws iot delete-certificate --certificate-id %s",
            id, id);
    }
    if (*count == NAMED_MAX)
        call->host->log(call, IOTIFY_LOG_WARNING,
            "there may be more of this kind: aws iot list-certificates; the next deploy checks "
            "again");
    return result;
}

static enum iotify_result orphan_report_suspects_to(
    struct aws_instance *instance, struct iotify_call *call, int64_t since, size_t *count)
{
    struct orphan_list *list = orphan_new_list();
    enum iotify_result result;

    if (!list)
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "NoMemory", "out of memory");
    result = orphan_list_unrecorded(instance, call, since, list);
    if (result == IOTIFY_RESULT_OK)
        result = orphan_report(instance, call, list, count);
    orphan_list_free(list);
    return result;
}

static enum iotify_result orphan_report_suspects(
    struct aws_instance *instance, struct iotify_call *call)
{
    bool uncertain = atomic_load(&instance->uncertain);
    struct job_record_window window;
    enum iotify_result result = job_record_window(call, &window);
    size_t count = 0;

    if (result != IOTIFY_RESULT_OK || window.since == 0)
        return result;
    /* This run's requests have ended; those of a killed run may still be in progress. */
    if (instance->window_opened && !uncertain)
        window.last = instance->window_before.last;
    if (!instance->window_opened || uncertain || instance->window_before.since)
        result = orphan_report_suspects_to(instance, call, window.since, &count);
    if (result != IOTIFY_RESULT_OK)
        return result;
    /* Close the window when no request can be in progress and all orphans were reported. */
    if (count < NAMED_MAX && aws_now(instance->client) - window.last >= LATEST)
        window = (struct job_record_window){0};
    return job_record_set_window(call, window);
}

enum iotify_result orphan_conclude(struct aws_instance *instance, struct iotify_call *call)
{
    enum iotify_result result = orphan_settle_all(instance, call);

    return result == IOTIFY_RESULT_OK ? orphan_report_suspects(instance, call) : result;
}
