/* SPDX-License-Identifier: Apache-2.0 */
/* The store of the model: records and glob entries, with the faults of the schedule. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/device/record.h"
#include "tests/plugins/aws/device/model/world.h"
#include "tests/plugins/aws/device/model/world_internal.h"

static char *copy_of(struct iotify_bytes value)
{
    char *copy = malloc(value.size + 1);

    if (!copy)
        abort();
    if (value.size)
        memcpy(copy, value.data, value.size);
    copy[value.size] = '\0';
    return copy;
}

static void set_entry(size_t index, struct iotify_bytes value, bool remove)
{
    free(world.store[index].value);
    world.store[index].value = remove ? NULL : copy_of(value);
}

static size_t glob_index(const char *key)
{
    return (strncmp(key, "key-", 4) == 0 ? (size_t)KEYS : (size_t)CERTS) +
           (size_t)atoi(strchr(key, '-') + 1);
}

static bool holds(size_t index, struct iotify_bytes expected)
{
    const char *present = world.store[index].value;

    if (!expected.data || !present)
        return !expected.data && !present;
    return strlen(present) == expected.size && memcmp(present, expected.data, expected.size) == 0;
}

static enum iotify_result read_entry(
    struct iotify_call *call, size_t index, struct iotify_bytes *out)
{
    const char *present = world.store[index].value;
    char *copy;

    *out = (struct iotify_bytes){0};
    if (world.crashed)
        return IOTIFY_RESULT_CANCELLED;
    if (!present)
        return IOTIFY_RESULT_NOT_FOUND;
    copy = world_take(call, strlen(present) + 1);
    memcpy(copy, present, strlen(present) + 1);
    *out = (struct iotify_bytes){copy, strlen(present)};
    return IOTIFY_RESULT_OK;
}

static size_t record_index(const struct iotify_call *call)
{
    return call->client < 0 ? (size_t)JOB : (size_t)call->client;
}

enum iotify_result world_record_get(struct iotify_call *call, struct iotify_bytes *out)
{
    return read_entry(call, record_index(call), out);
}

enum iotify_result world_glob_get(
    struct iotify_call *call, const char *key, struct iotify_bytes *out)
{
    return read_entry(call, glob_index(key), out);
}

/* Before a write: IOTIFY_RESULT_OK to do it; after_write() then returns the result of the call. */
static enum iotify_result before_write(enum fault *fault)
{
    *fault = world_choose(true);
    if (*fault == FAULT_CRASH_BEFORE)
        return IOTIFY_RESULT_CANCELLED;
    return *fault == FAULT_NOT_DONE ? IOTIFY_RESULT_FULL : IOTIFY_RESULT_OK;
}

static enum iotify_result after_write(enum fault fault)
{
    world.crashed = world.crashed || fault == FAULT_CRASH_AFTER;
    return world.crashed ? IOTIFY_RESULT_CANCELLED : IOTIFY_RESULT_OK;
}

static void write_globs(const struct iotify_write *globs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        set_entry(glob_index(globs[i].key), globs[i].value, globs[i].kind == IOTIFY_WRITE_DELETE);
}

enum iotify_result world_record_set(struct iotify_call *call, struct iotify_bytes expected,
    struct iotify_bytes value, struct iotify_write *globs, size_t count)
{
    enum fault fault;
    enum iotify_result result = before_write(&fault);

    if (result != IOTIFY_RESULT_OK)
        return result;
    if (!holds(record_index(call), expected))
        return after_write(fault) == IOTIFY_RESULT_OK ? IOTIFY_RESULT_CONFLICT
                                                      : IOTIFY_RESULT_CANCELLED;
    set_entry(record_index(call), value, value.size == 0);
    write_globs(globs, count);
    return after_write(fault);
}

enum iotify_result world_glob_apply(
    struct iotify_call *call, struct iotify_write *writes, size_t count)
{
    enum fault fault;
    enum iotify_result result = before_write(&fault);

    (void)call;
    if (result != IOTIFY_RESULT_OK)
        return result;
    write_globs(writes, count);
    return after_write(fault);
}

enum iotify_result world_records(struct iotify_call *call,
    enum iotify_result (*found)(void *argument, const struct iotify_record *record), void *argument)
{
    enum iotify_result result = world.crashed ? IOTIFY_RESULT_CANCELLED : IOTIFY_RESULT_OK;

    for (int i = 0; i < DEVICES && result == IOTIFY_RESULT_OK; i++) {
        struct iotify_record record = {.client = i};

        if (read_entry(call, (size_t)i, &record.value) == IOTIFY_RESULT_OK)
            result = found(argument, &record);
    }
    return result;
}

enum iotify_result world_records_write(
    struct iotify_call *call, const struct iotify_record_write *writes, size_t count)
{
    enum fault fault;
    enum iotify_result result = before_write(&fault);

    (void)call;
    for (size_t i = 0; i < count && result == IOTIFY_RESULT_OK; i++)
        if (holds((size_t)writes[i].client, writes[i].expected))
            set_entry((size_t)writes[i].client, writes[i].value, writes[i].value.size == 0);
    return result == IOTIFY_RESULT_OK ? after_write(fault) : result;
}
