/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/job_record.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 2

static const char *const kinds[] = {
    [SHARED_TYPE] = "types", [SHARED_GROUP] = "groups", [SHARED_POLICY] = "policies"};

struct job_record {
    json_t *json; /* freed by the caller */
    struct iotify_bytes stored;
};

static enum iotify_result job_record_load(struct iotify_call *call, struct job_record *record)
{
    enum iotify_result result = call->host->record_get(call, &record->stored);

    record->json = NULL;
    if (result == IOTIFY_RESULT_NOT_FOUND) {
        record->stored = (struct iotify_bytes){0};
        record->json = json_pack("{s:i}", "format", FORMAT);
        return IOTIFY_RESULT_OK;
    }
    if (result != IOTIFY_RESULT_OK)
        return result;
    record->json = json_loadb(record->stored.data, record->stored.size, 0, NULL);
    if (json_integer_value(json_object_get(record->json, "format")) == FORMAT)
        return IOTIFY_RESULT_OK;
    json_decref(record->json);
    record->json = NULL;
    return call->host->fail(call, IOTIFY_RESULT_FAILED, "RecordFormat",
        "the job's record was written by another version of iotifyd; use that one");
}

/* Write the record, or delete it when only the format is left. */
static enum iotify_result job_record_save(struct iotify_call *call, const struct job_record *record)
{
    char *text = json_dumps(record->json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    struct iotify_bytes value = {text, text ? strlen(text) : 0};
    enum iotify_result result;

    if (json_object_size(record->json) <= 1)
        value = (struct iotify_bytes){0};
    result = record->stored.data || value.size
                 ? call->host->record_set(call, record->stored, value, NULL, 0)
                 : IOTIFY_RESULT_OK;
    free(text);
    return result;
}

enum iotify_result job_record_made(
    struct iotify_call *call, enum job_record_kind kind, const char *name, bool *made)
{
    struct job_record record;
    enum iotify_result result = job_record_load(call, &record);

    *made = json_object_get(json_object_get(record.json, kinds[kind]), name) != NULL;
    json_decref(record.json);
    return result;
}

enum iotify_result job_record_mark(
    struct iotify_call *call, enum job_record_kind kind, const char *name, bool made)
{
    struct job_record record;
    enum iotify_result result = job_record_load(call, &record);
    json_t *names;

    if (result != IOTIFY_RESULT_OK)
        return result;
    names = json_object_get(record.json, kinds[kind]);
    if (made && !names) {
        names = json_object();
        json_object_set_new(record.json, kinds[kind], names);
    }
    if (made)
        json_object_set_new(names, name, json_true());
    else
        json_object_del(names, name);
    if (json_object_size(names) == 0)
        json_object_del(record.json, kinds[kind]);
    result = job_record_save(call, &record);
    json_decref(record.json);
    return result;
}

enum iotify_result job_record_window(struct iotify_call *call, struct job_record_window *window)
{
    struct job_record record;
    enum iotify_result result = job_record_load(call, &record);
    const json_t *current = json_object_get(record.json, "window");

    window->since = json_integer_value(json_array_get(current, 0));
    window->last = json_integer_value(json_array_get(current, 1));
    json_decref(record.json);
    return result;
}

enum iotify_result job_record_set_window(struct iotify_call *call, struct job_record_window window)
{
    struct job_record record;
    enum iotify_result result = job_record_load(call, &record);

    if (result != IOTIFY_RESULT_OK)
        return result;
    if (window.since)
        json_object_set_new(record.json, "window",
            json_pack("[I, I]", (json_int_t)window.since, (json_int_t)window.last));
    else
        json_object_del(record.json, "window");
    result = job_record_save(call, &record);
    json_decref(record.json);
    return result;
}
