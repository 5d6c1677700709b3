/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/device/record.h"

#include <stdlib.h>
#include <string.h>

#include "plugins/aws/api/calls.h"

#define FORMAT 2

static const char *const states[] = {[RECORD_NONE] = "NONE",
    [RECORD_INTENT] = "INTENT",
    [RECORD_SEALED] = "SEALED",
    [RECORD_READY] = "READY",
    [RECORD_DELETING] = "DELETING",
    [RECORD_TOMBSTONE] = "TOMBSTONE"};

static const struct {
    const char *name;
    size_t offset;
} members[] = {
    {"thing", offsetof(struct record, thing)},
    {"type", offsetof(struct record, type)},
    {"group", offsetof(struct record, group)},
    {"policy", offsetof(struct record, policy)},
    {"key", offsetof(struct record, key)},
    {"certificate", offsetof(struct record, certificate)},
    {"certificate_id", offsetof(struct record, certificate_id)},
    {"certificate_arn", offsetof(struct record, certificate_arn)},
    {"other", offsetof(struct record, other)},
    {"key_name", offsetof(struct record, key_name)},
    {"certificate_name", offsetof(struct record, certificate_name)},
};

static const char **record_member(struct record *record, size_t index)
{
    return (const char **)(void *)((char *)record + members[index].offset);
}

enum record_state record_read(struct iotify_bytes stored, json_t **json)
{
    const char *state;

    *json = json_loadb(stored.data, stored.size, 0, NULL);
    state = aws_text(*json, "state");
    if (json_integer_value(json_object_get(*json, "format")) == FORMAT)
        for (size_t i = RECORD_INTENT; i <= RECORD_TOMBSTONE; i++)
            if (strcmp(states[i], state) == 0)
                return (enum record_state)i;
    return RECORD_NONE;
}

enum iotify_result record_load(struct iotify_call *call, struct record *record)
{
    struct iotify_bytes stored;
    enum iotify_result result = call->host->record_get(call, &stored);
    json_t *json;

    *record = (struct record){0};
    if (result == IOTIFY_RESULT_NOT_FOUND)
        return IOTIFY_RESULT_OK;
    if (result != IOTIFY_RESULT_OK)
        return result;
    record->stored = stored;
    record->state = record_read(stored, &json);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const char *text = json_string_value(json_object_get(json, members[i].name));

        *record_member(record, i) = text ? aws_keep(call, text) : NULL;
    }
    record->created = json_integer_value(json_object_get(json, "created"));
    record->doubt = json_is_true(json_object_get(json, "doubt"));
    record->adopted = json_is_true(json_object_get(json, "adopted"));
    record->member = json_is_true(json_object_get(json, "member"));
    record->repair = json_is_true(json_object_get(json, "repair"));
    json_decref(json);
    if (record->state != RECORD_NONE && record->thing && record->key_name &&
        record->certificate_name)
        return IOTIFY_RESULT_OK;
    return call->host->fail(call, IOTIFY_RESULT_FAILED, "RecordFormat",
        "the device's record was written by another version of iotifyd; use that one");
}

static struct iotify_write record_glob_write(const char *key, const char *value)
{
    return (struct iotify_write){
        .kind = value ? IOTIFY_WRITE_PUT : IOTIFY_WRITE_DELETE,
        .key = key,
        .value = {value, value ? strlen(value) : 0},
    };
}

/* The record as JSON text, which the caller overwrites and frees; NULL on an error. */
static char *record_to_text(struct record *record)
{
    json_t *json = json_pack("{s:i, s:s, s:I}", "format", FORMAT, "state", states[record->state],
        "created", (json_int_t)record->created);
    char *text;

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (*record_member(record, i))
            json_object_set_new(json, members[i].name, json_string(*record_member(record, i)));
    if (record->doubt)
        json_object_set_new(json, "doubt", json_true());
    if (record->adopted)
        json_object_set_new(json, "adopted", json_true());
    if (record->member)
        json_object_set_new(json, "member", json_true());
    if (record->repair)
        json_object_set_new(json, "repair", json_true());
    text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(json);
    return text;
}

static enum iotify_result record_store(
    struct iotify_call *call, struct record *record, struct iotify_write *globs, size_t count)
{
    char *text = record_to_text(record);
    struct iotify_bytes value;
    enum iotify_result result;

    if (!text)
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "RecordFormat",
            "the device's record cannot be written as JSON");
    value = (struct iotify_bytes){aws_keep(call, text), strlen(text)};
    explicit_bzero(text, strlen(text));
    free(text);
    result = call->host->record_set(call, record->stored, value, globs, count);
    if (result == IOTIFY_RESULT_OK)
        record->stored = value;
    return result;
}

enum iotify_result record_save(struct iotify_call *call, struct record *record, bool with_glob)
{
    struct iotify_write globs[2] = {record_glob_write(record->key_name, record->key),
        record_glob_write(record->certificate_name, record->certificate)};

    return record_store(call, record, globs, with_glob ? 2 : 0);
}

enum iotify_result record_bury(struct iotify_call *call, struct record *record)
{
    struct iotify_write globs[2] = {record_glob_write(record->key_name, NULL),
        record_glob_write(record->certificate_name, NULL)};

    record->state = RECORD_TOMBSTONE;
    record->key = record->certificate = NULL;
    return record_store(call, record, globs, 2);
}

enum iotify_result record_clear_glob(struct iotify_call *call, const struct record *record)
{
    struct iotify_write globs[2] = {record_glob_write(record->key_name, NULL),
        record_glob_write(record->certificate_name, NULL)};
    struct iotify_bytes current;

    if (call->host->glob_get(call, record->key_name, &current) == IOTIFY_RESULT_NOT_FOUND &&
        call->host->glob_get(call, record->certificate_name, &current) == IOTIFY_RESULT_NOT_FOUND)
        return IOTIFY_RESULT_UNCHANGED;
    return call->host->glob_apply(call, globs, 2);
}

static bool record_has(struct iotify_call *call, const char *key, const char *value)
{
    struct iotify_bytes current;

    return call->host->glob_get(call, key, &current) == IOTIFY_RESULT_OK &&
           current.size == strlen(value) && memcmp(current.data, value, current.size) == 0;
}

bool record_misses_glob(struct iotify_call *call, const struct record *record)
{
    return !record_has(call, record->key_name, record->key) ||
           !record_has(call, record->certificate_name, record->certificate);
}

enum iotify_result record_restore_glob(struct iotify_call *call, const struct record *record)
{
    struct iotify_write globs[2] = {record_glob_write(record->key_name, record->key),
        record_glob_write(record->certificate_name, record->certificate)};

    if (!record_misses_glob(call, record))
        return IOTIFY_RESULT_UNCHANGED;
    return call->host->glob_apply(call, globs, 2);
}
