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

#define NAMES_MAX 20

/* A certificate that a record names. */
struct verify_certificate {
    char id[ID_SIZE]; /* not terminated */
    bool removed;     /* the record is a tombstone */
    bool found;
};

struct verify_view {
    struct verify_certificate *certificates; /* sorted by id */
    size_t count, capacity;
    size_t removed;             /* number of tombstones */
    int64_t since;              /* creation of the oldest, seconds since 1970 */
    size_t left;                /* how many removed ones are still listed */
    struct iotify_buffer still; /* the names of the first of them */
    size_t unknown;             /* things of this job that no record names */
    struct iotify_buffer names; /* the first of them */
    bool all;                   /* those count as well */
    bool failed;                /* no memory */
};

/* ------------------------------------------------------------------ records and listings */

static void verify_set_id(struct verify_certificate *certificate, const char *id)
{
    memset(certificate->id, 0, ID_SIZE);
    memcpy(certificate->id, id, strnlen(id, ID_SIZE));
}

static void verify_add(struct verify_view *view, const char *id, bool removed)
{
    if (!*id || view->failed)
        return;
    if (view->count == view->capacity) {
        size_t capacity = view->capacity ? 2 * view->capacity : 256;
        struct verify_certificate *certificates =
            realloc(view->certificates, capacity * sizeof(*certificates));

        if (!certificates) {
            view->failed = true;
            return;
        }
        view->certificates = certificates;
        view->capacity = capacity;
    }
    view->certificates[view->count] = (struct verify_certificate){.removed = removed};
    verify_set_id(&view->certificates[view->count++], id);
}

static enum iotify_result verify_add_record(void *argument, const struct iotify_record *record)
{
    struct verify_view *view = argument;
    json_t *json;
    bool removed = record_read(record->value, &json) == RECORD_TOMBSTONE;
    int64_t created = json_integer_value(json_object_get(json, "created"));

    verify_add(view, aws_text(json, "certificate_id"), removed);
    verify_add(view, aws_text(json, "other"), removed);
    if (removed) {
        view->removed++;
        view->since = created < view->since ? created : view->since;
    }
    json_decref(json);
    return view->failed ? IOTIFY_RESULT_FULL : IOTIFY_RESULT_OK;
}

static int verify_compare(const void *a, const void *b)
{
    return memcmp(((const struct verify_certificate *)a)->id,
        ((const struct verify_certificate *)b)->id, ID_SIZE);
}

static struct verify_certificate *verify_find(const struct verify_view *view, const char *id)
{
    struct verify_certificate wanted = {0};

    verify_set_id(&wanted, id);
    return *id && view->count
               ? bsearch(&wanted, view->certificates, view->count, sizeof(wanted), verify_compare)
               : NULL;
}

static void verify_add_name(
    struct iotify_buffer *names, size_t *count, const char *kind, const char *name)
{
    if ((*count)++ < NAMES_MAX)
        iotify_buffer_format(names, "%s%s%s", names->size ? ", " : "", kind, name);
}

static void verify_note_left(struct verify_view *view, struct verify_certificate *certificate,
    const char *kind, const char *name)
{
    if (!certificate->removed || certificate->found)
        return;
    verify_add_name(&view->still, &view->left, kind, name);
    certificate->found = true;
}

static void verify_on_certificate(void *argument, const struct listing_certificate *certificate)
{
    struct verify_certificate *known = verify_find(argument, certificate->id);

    if (known)
        verify_note_left(argument, known, "certificate ", certificate->id);
}

static void verify_on_thing(void *argument, const char *name, const json_t *attributes)
{
    struct verify_view *view = argument;
    struct verify_certificate *known = verify_find(view, aws_text(attributes, THING_CERTIFICATE));

    if (known) {
        verify_note_left(view, known, "thing ", name);
    } else {
        verify_add_name(&view->names, &view->unknown, "", name);
    }
}

static enum iotify_result verify_list(
    struct aws_instance *instance, struct iotify_call *call, struct verify_view *view)
{
    enum iotify_result result = IOTIFY_RESULT_OK;

    view->left = view->unknown = 0;
    iotify_buffer_reset(&view->names);
    iotify_buffer_reset(&view->still);
    for (size_t i = 0; i < view->count; i++)
        view->certificates[i].found = false;
    if (view->removed)
        result = listing_certificates(instance, call, view->since, verify_on_certificate, view);
    if (result == IOTIFY_RESULT_OK)
        result = listing_things(instance, call, call->host->job_name(call), verify_on_thing, view);
    return result;
}

/* ------------------------------------------------------------------ update of the records */

struct verify_sweep {
    struct iotify_call *call;
    const struct verify_view *view;
    struct iotify_record_write writes[BATCH];
    char *owned[2 * BATCH]; /* the memory that the writes point to */
    size_t count;
    enum iotify_result result;
};

static void verify_flush(struct verify_sweep *sweep)
{
    if (sweep->count && sweep->result == IOTIFY_RESULT_OK)
        sweep->result = sweep->call->host->records_write(sweep->call, sweep->writes, sweep->count);
    for (size_t i = 0; i < 2 * sweep->count; i++)
        free(sweep->owned[i]);
    sweep->count = 0;
}

static bool verify_was_found(const struct verify_view *view, const json_t *json)
{
    const struct verify_certificate *one = verify_find(view, aws_text(json, "certificate_id"));
    const struct verify_certificate *other = verify_find(view, aws_text(json, "other"));

    return (one && one->found) || (other && other->found);
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

    return result == IOTIFY_RESULT_UNCHANGED ? IOTIFY_RESULT_OK : result;
}

/* Delete a tombstone, or set it to DELETING when its device is still listed. */
static enum iotify_result verify_settle(void *argument, const struct iotify_record *record)
{
    struct verify_sweep *sweep = argument;
    json_t *json;

    if (record_read(record->value, &json) == RECORD_TOMBSTONE) {
        struct iotify_record_write *write = &sweep->writes[sweep->count];
        char *text = NULL;

        if (verify_was_found(sweep->view, json)) {
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
    struct iotify_call *call, const struct verify_view *view)
{
    struct verify_sweep sweep = {.call = call, .view = view, .result = IOTIFY_RESULT_OK};
    enum iotify_result result = call->host->records(call, verify_settle, &sweep);

    verify_flush(&sweep);
    return result == IOTIFY_RESULT_OK ? sweep.result : result;
}

/* ------------------------------------------------------------------ verification */

/* The records of other aliases: their devices are not removed here, and are known. */
static enum iotify_result verify_add_known(void *argument, const struct iotify_record *record)
{
    struct verify_view *view = argument;
    json_t *json;

    record_read(record->value, &json);
    verify_add(view, aws_text(json, "certificate_id"), false);
    verify_add(view, aws_text(json, "other"), false);
    json_decref(json);
    return view->failed ? IOTIFY_RESULT_FULL : IOTIFY_RESULT_OK;
}

/* Sort the certificates; one that is there twice was removed if either was. */
static void verify_sort(struct verify_view *view)
{
    size_t kept = 0;

    if (view->count)
        qsort(view->certificates, view->count, sizeof(*view->certificates), verify_compare);
    for (size_t i = 0; i < view->count; i++) {
        if (kept && verify_compare(&view->certificates[kept - 1], &view->certificates[i]) == 0)
            view->certificates[kept - 1].removed |= view->certificates[i].removed;
        else
            view->certificates[kept++] = view->certificates[i];
    }
    view->count = kept;
}

/* List until nothing removed is listed any more, and update the tombstones. */
static enum iotify_result verify_prove(
    struct aws_instance *instance, struct iotify_call *call, struct verify_view *view)
{
    enum iotify_result result = IOTIFY_RESULT_OK;

    verify_sort(view);
    for (int i = 0; i < CHECKS_MAX; i++) {
        result = verify_list(instance, call, view);
        if (result != IOTIFY_RESULT_OK || (view->left == 0 && !(view->all && view->unknown)) ||
            i + 1 == CHECKS_MAX)
            break;
        result = call->host->wait(call, PAUSE);
        if (result != IOTIFY_RESULT_OK)
            break;
    }
    if (result == IOTIFY_RESULT_OK && view->removed)
        result = verify_settle_all(call, view);
    if (result != IOTIFY_RESULT_OK || !view->removed)
        return result;
    if (view->left)
        call->host->log(call, IOTIFY_LOG_WARNING,
            "%zu of %zu devices that were removed are still listed: %s%s", view->left,
            view->removed, iotify_buffer_text(&view->still), view->left > NAMES_MAX ? ", …" : "");
    else
        call->host->log(call, IOTIFY_LOG_INFO,
            "proven by listing: nothing is left of the %zu devices that were removed",
            view->removed);
    return IOTIFY_RESULT_OK;
}

/* With `always`, list also when no device was removed. The caller clears the view. */
static enum iotify_result verify_look(
    struct aws_instance *instance, struct iotify_call *call, bool always, struct verify_view *view)
{
    enum iotify_result result;

    *view = (struct verify_view){.since = INT64_MAX, .all = always};
    iotify_buffer_init(&view->names, 4096);
    iotify_buffer_init(&view->still, 4096);
    result = call->host->records(call, verify_add_record, view);
    if (result == IOTIFY_RESULT_OK)
        result = call->host->all_records(call, verify_add_known, view);
    if (view->failed)
        result = call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    if (result == IOTIFY_RESULT_OK && (always || view->removed))
        result = verify_prove(instance, call, view);
    return result;
}

static void verify_clear(struct verify_view *view)
{
    iotify_buffer_clear(&view->names);
    iotify_buffer_clear(&view->still);
    free(view->certificates);
}

enum iotify_result verify_removal(
    struct aws_instance *instance, struct iotify_call *call, size_t *left)
{
    struct verify_view view;
    enum iotify_result result = verify_look(instance, call, false, &view);

    *left = view.left;
    verify_clear(&view);
    return result;
}

enum iotify_result verify_removal_conclude(
    struct aws_instance *instance, struct iotify_call *call, bool all)
{
    struct verify_view view;
    enum iotify_result result = verify_look(instance, call, all, &view);

    if (result == IOTIFY_RESULT_OK && all && view.unknown)
        call->host->log(call, IOTIFY_LOG_WARNING,
            "things of this job that its store does not know: %s%s",
            iotify_buffer_text(&view.names), view.unknown > NAMES_MAX ? ", …" : "");
    if (result == IOTIFY_RESULT_OK && view.left)
        result = call->host->fail(call, IOTIFY_RESULT_FAILED, "StillThere",
            "%zu devices that were removed are still listed: %s%s; run cleanup again", view.left,
            iotify_buffer_text(&view.still), view.left > NAMES_MAX ? ", …" : "");
    else if (result == IOTIFY_RESULT_OK && all && view.unknown)
        result = call->host->fail(call, IOTIFY_RESULT_FAILED, "Remaining",
            "%zu things of this job remain that its store does not know: %s%s. To remove them, run "
            "cleanup with the store that made them, or with --from-aws",
            view.unknown, iotify_buffer_text(&view.names), view.unknown > NAMES_MAX ? ", …" : "");
    verify_clear(&view);
    return result;
}
