#include "plugins/aws/record.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1

static const char *const states[] = {[RECORD_NONE] = "NONE",
    [RECORD_INTENT] = "INTENT",
    [RECORD_SEALED] = "SEALED",
    [RECORD_READY] = "READY",
    [RECORD_DELETING] = "DELETING"};

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
    {"key_name", offsetof(struct record, key_name)},
    {"certificate_name", offsetof(struct record, certificate_name)},
};

static const char **member(struct record *record, size_t index)
{
    return (const char **)(void *)((char *)record + members[index].offset);
}

static const char *copy(struct iotify_call *call, const char *text)
{
    size_t size = strlen(text) + 1;
    char *to = call->host->alloc(call, size);

    memcpy(to, text, size);
    return to;
}

enum iotify_result record_load(struct iotify_call *call, struct record *record)
{
    struct iotify_bytes stored;
    enum iotify_result result = call->host->record_get(call, &stored);
    json_t *json;
    const char *state;

    *record = (struct record){0};
    if (result == IOTIFY_NOT_FOUND)
        return IOTIFY_OK;
    if (result != IOTIFY_OK)
        return result;
    record->stored = stored;
    json = json_loadb(stored.data, stored.size, 0, NULL);
    state = json_string_value(json_object_get(json, "state"));
    for (size_t i = RECORD_INTENT; state && i <= RECORD_DELETING; i++)
        if (strcmp(states[i], state) == 0)
            record->state = (enum record_state)i;
    if (record->state == RECORD_NONE ||
        json_integer_value(json_object_get(json, "format")) != FORMAT) {
        json_decref(json);
        return call->host->fail(call, IOTIFY_FAILED, "RecordFormat",
            "the device's record was written by another version of iotifyd; use that one");
    }
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const char *text = json_string_value(json_object_get(json, members[i].name));

        *member(record, i) = text ? copy(call, text) : NULL;
    }
    json_decref(json);
    return IOTIFY_OK;
}

static struct iotify_write glob_write(const char *key, const char *value)
{
    return (struct iotify_write){
        .kind = value ? IOTIFY_PUT : IOTIFY_DELETE,
        .key = key,
        .value = {value, value ? strlen(value) : 0},
    };
}

enum iotify_result record_save(struct iotify_call *call, struct record *record, bool with_glob)
{
    struct iotify_write globs[2] = {glob_write(record->key_name, record->key),
        glob_write(record->certificate_name, record->certificate)};
    json_t *json = json_pack("{s:i, s:s}", "format", FORMAT, "state", states[record->state]);
    struct iotify_bytes value;
    enum iotify_result result;
    char *text;

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        if (*member(record, i))
            json_object_set_new(json, members[i].name, json_string(*member(record, i)));
    text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(json);
    if (!text)
        return call->host->fail(
            call, IOTIFY_FAILED, "RecordFormat", "the device's record cannot be written as JSON");
    value = (struct iotify_bytes){copy(call, text), strlen(text)};
    explicit_bzero(text, strlen(text));
    free(text);
    result = call->host->record_set(call, record->stored, value, globs, with_glob ? 2 : 0);
    if (result == IOTIFY_OK)
        record->stored = value;
    return result;
}

enum iotify_result record_delete(struct iotify_call *call, struct record *record)
{
    struct iotify_write globs[2];
    enum iotify_result result;
    size_t count = 0;

    if (record->key_name)
        globs[count++] = glob_write(record->key_name, NULL);
    if (record->certificate_name)
        globs[count++] = glob_write(record->certificate_name, NULL);
    /*
     * First the keys, then the record that tells where they are: nothing can be forgotten. The
     * record is written as it is, so that the keys of one that is another's by now stay.
     */
    result = call->host->record_set(call, record->stored, record->stored, globs, count);
    if (result == IOTIFY_OK)
        result = call->host->record_set(call, record->stored, (struct iotify_bytes){0}, NULL, 0);
    return result;
}

static bool has(struct iotify_call *call, const char *key, const char *value)
{
    struct iotify_bytes present;

    return call->host->glob_get(call, key, &present) == IOTIFY_OK &&
           present.size == strlen(value) && memcmp(present.data, value, present.size) == 0;
}

enum iotify_result record_restore_glob(struct iotify_call *call, const struct record *record)
{
    struct iotify_write globs[2] = {glob_write(record->key_name, record->key),
        glob_write(record->certificate_name, record->certificate)};

    if (has(call, record->key_name, record->key) &&
        has(call, record->certificate_name, record->certificate))
        return IOTIFY_UNCHANGED;
    return call->host->glob_apply(call, globs, 2);
}
