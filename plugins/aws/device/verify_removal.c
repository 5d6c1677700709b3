/* SPDX-License-Identifier: Apache-2.0 */
/* Verifies with listings that the devices of the tombstones no longer exist. */
#include "plugins/aws/device/verify_removal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/device/listing.h"
#include "plugins/aws/device/record.h"

/* AWS may list deleted objects for a short time: number of listings, and nanoseconds between. */
#define CHECKS_MAX 5
#define PAUSE INT64_C(2000000000)
#define ID_SIZE 64
#define BATCH 128

struct verify_grave {
    int64_t client;
    char certificate[ID_SIZE]; /* not terminated */
    bool found;
};

struct verify_graveyard {
    struct verify_grave *graves; /* sorted by certificate */
    size_t count, capacity;
    int64_t since; /* creation of the oldest, seconds since 1970 */
    size_t left;   /* how many are still listed */
    char first[160];
    bool failed; /* no memory */
};

/* ------------------------------------------------------------------ tombstones and listings */

static void verify_set_id(struct verify_grave *grave, const char *id)
{
    size_t length = strnlen(id, ID_SIZE);

    memset(grave->certificate, 0, ID_SIZE);
    memcpy(grave->certificate, id, length);
}

static enum iotify_result verify_add_grave(void *argument, const struct iotify_record *record)
{
    struct verify_graveyard *yard = argument;
    json_t *json;
    enum record_state state = record_read(record->value, &json);
    int64_t created = json_integer_value(json_object_get(json, "created"));

    if (state == RECORD_TOMBSTONE && yard->count == yard->capacity) {
        size_t capacity = yard->capacity ? 2 * yard->capacity : 256;
        struct verify_grave *graves = realloc(yard->graves, capacity * sizeof(*graves));

        yard->failed = yard->failed || !graves;
        yard->graves = graves ? graves : yard->graves;
        yard->capacity = graves ? capacity : yard->capacity;
    }
    if (state == RECORD_TOMBSTONE && !yard->failed) {
        yard->graves[yard->count] = (struct verify_grave){.client = record->client};
        verify_set_id(&yard->graves[yard->count++], aws_text(json, "certificate_id"));
        yard->since = created < yard->since ? created : yard->since;
    }
    json_decref(json);
    return yard->failed ? IOTIFY_FULL : IOTIFY_OK;
}

static int verify_compare(const void *a, const void *b)
{
    return memcmp(((const struct verify_grave *)a)->certificate,
        ((const struct verify_grave *)b)->certificate, ID_SIZE);
}

static void verify_find(
    struct verify_graveyard *yard, const char *id, const char *kind, const char *name)
{
    struct verify_grave wanted = {0}, *grave;

    verify_set_id(&wanted, id);
    grave =
        *id ? bsearch(&wanted, yard->graves, yard->count, sizeof(wanted), verify_compare) : NULL;
    if (!grave)
        return;
    if (yard->left == 0)
        snprintf(yard->first, sizeof(yard->first), "the %s %s", kind, name);
    yard->left += grave->found ? 0 : 1;
    grave->found = true;
}

static void verify_on_certificate(void *argument, const struct listing_certificate *certificate)
{
    verify_find(argument, certificate->id, "certificate", certificate->id);
}

static void verify_on_thing(void *argument, const char *name, const json_t *attributes)
{
    verify_find(argument, aws_text(attributes, THING_CERTIFICATE), "thing", name);
}

static enum iotify_result verify_list(
    struct aws_instance *instance, struct iotify_call *call, struct verify_graveyard *yard)
{
    enum iotify_result result;

    yard->left = 0;
    for (size_t i = 0; i < yard->count; i++)
        yard->graves[i].found = false;
    result = listing_certificates(instance, call, yard->since, verify_on_certificate, yard);
    if (result == IOTIFY_OK)
        result = listing_things(instance, call, call->host->job_name(call), verify_on_thing, yard);
    return result;
}

/* ------------------------------------------------------------------ update of the records */

struct verify_sweep {
    struct iotify_call *call;
    const struct verify_graveyard *yard;
    struct iotify_record_write writes[BATCH];
    char *owned[2 * BATCH]; /* the memory that the writes point to */
    size_t count;
    enum iotify_result result;
};

static void verify_flush(struct verify_sweep *sweep)
{
    if (sweep->count && sweep->result == IOTIFY_OK)
        sweep->result = sweep->call->host->records_write(sweep->call, sweep->writes, sweep->count);
    for (size_t i = 0; i < 2 * sweep->count; i++)
        free(sweep->owned[i]);
    sweep->count = 0;
}

static bool verify_was_found(const struct verify_graveyard *yard, const char *id)
{
    struct verify_grave wanted = {0};
    const struct verify_grave *grave;

    verify_set_id(&wanted, id);
    grave = bsearch(&wanted, yard->graves, yard->count, sizeof(wanted), verify_compare);
    return grave && grave->found;
}

/* Take ownership of a text until the next flush. */
static struct iotify_bytes verify_is_own(
    struct verify_sweep *sweep, size_t place, char *text, size_t size)
{
    sweep->owned[2 * sweep->count + place] = text;
    return (struct iotify_bytes){text, text ? size : 0};
}

/* Delete glob entries that a crash may have left, in a store without atomic batches. */
static enum iotify_result verify_clear_glob(struct iotify_call *call, const json_t *json)
{
    const struct record record = {.key_name = aws_text(json, "key_name"),
        .certificate_name = aws_text(json, "certificate_name")};
    enum iotify_result result = record_clear_glob(call, &record);

    return result == IOTIFY_UNCHANGED ? IOTIFY_OK : result;
}

/* Delete a tombstone, or set it to DELETING when its device is still listed. */
static enum iotify_result verify_settle(void *argument, const struct iotify_record *record)
{
    struct verify_sweep *sweep = argument;
    json_t *json;

    if (record_read(record->value, &json) == RECORD_TOMBSTONE) {
        struct iotify_record_write *write = &sweep->writes[sweep->count];
        char *text = NULL;

        if (verify_was_found(sweep->yard, aws_text(json, "certificate_id"))) {
            json_object_set_new(json, "state", json_string("DELETING"));
            text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
        }
        sweep->result = verify_clear_glob(sweep->call, json);
        write->client = record->client;
        write->expected = verify_is_own(
            sweep, 0, strndup(record->value.data, record->value.size), record->value.size);
        write->value = verify_is_own(sweep, 1, text, text ? strlen(text) : 0);
        sweep->count++;
    }
    json_decref(json);
    if (sweep->count == BATCH)
        verify_flush(sweep);
    return sweep->result;
}

static enum iotify_result verify_settle_all(
    struct iotify_call *call, const struct verify_graveyard *yard)
{
    struct verify_sweep sweep = {.call = call, .yard = yard};
    enum iotify_result result = call->host->records(call, verify_settle, &sweep);

    verify_flush(&sweep);
    return result == IOTIFY_OK ? sweep.result : result;
}

/* ------------------------------------------------------------------ verification */

static enum iotify_result verify_prove(
    struct aws_instance *instance, struct iotify_call *call, struct verify_graveyard *yard)
{
    enum iotify_result result = IOTIFY_OK;

    qsort(yard->graves, yard->count, sizeof(*yard->graves), verify_compare);
    for (int i = 0; i < CHECKS_MAX; i++) {
        result = verify_list(instance, call, yard);
        if (result != IOTIFY_OK || yard->left == 0 || i + 1 == CHECKS_MAX)
            break;
        result = call->host->wait(call, PAUSE);
        if (result != IOTIFY_OK)
            break;
    }
    if (result == IOTIFY_OK)
        result = verify_settle_all(call, yard);
    if (result != IOTIFY_OK)
        return result;
    if (yard->left)
        call->host->log(call, IOTIFY_WARNING,
            "%zu of %zu devices that were removed are still listed, %s among them", yard->left,
            yard->count, yard->first);
    else
        call->host->log(call, IOTIFY_INFO,
            "proven by listing: nothing is left of the %zu devices that were removed", yard->count);
    return IOTIFY_OK;
}

enum iotify_result verify_removal(
    struct aws_instance *instance, struct iotify_call *call, size_t *left)
{
    struct verify_graveyard yard = {.since = INT64_MAX};
    enum iotify_result result = call->host->records(call, verify_add_grave, &yard);

    if (yard.failed)
        result = call->host->fail(call, IOTIFY_FULL, "NoMemory", "out of memory");
    if (result == IOTIFY_OK && yard.count)
        result = verify_prove(instance, call, &yard);
    *left = yard.left;
    free(yard.graves);
    return result;
}

enum iotify_result verify_removal_conclude(struct aws_instance *instance, struct iotify_call *call)
{
    size_t left = 0;
    enum iotify_result result = verify_removal(instance, call, &left);

    if (result == IOTIFY_OK && left)
        return call->host->fail(call, IOTIFY_FAILED, "StillThere",
            "%zu devices that were removed are still listed; run cleanup again", left);
    return result;
}
