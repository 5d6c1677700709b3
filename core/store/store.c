/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/store/store_internal.h"

/* ------------------------------------------------------------------ the seal */

static void store_note_found(void *argument, const char *key)
{
    (void)key;
    *(bool *)argument = true;
}

/* A store without the seal note is new, or an older version wrote it: then fail. */
static enum iotify_result store_check_new(struct store *store, struct call *call)
{
    bool found = false;
    enum iotify_result result =
        guard_scan(&store->guard, call, STORE_RECORD, NULL, 1, store_note_found, &found);

    if (result != IOTIFY_RESULT_OK || !found)
        return result;
    return call_fail(&call->base, IOTIFY_RESULT_FAILED, "StoreFormat",
        "the store was written by an older iotifyd; run cleanup with that one first");
}

/* Create the seal note; IOTIFY_RESULT_EXISTS when another run created one first. */
static enum iotify_result store_make_seal(
    struct store *store, struct call *call, const struct seal_settings *settings, const char *key)
{
    struct iotify_write write = {.kind = IOTIFY_WRITE_CREATE, .key = key};
    struct iotify_buffer note;
    enum iotify_result result = store_check_new(store, call);

    iotify_buffer_init(&note, 4096);
    if (result == IOTIFY_RESULT_OK)
        result = seal_new(call, settings, &note, &store->seal);
    if (result == IOTIFY_RESULT_OK) {
        write.value = (struct iotify_bytes){iotify_buffer_text(&note), note.size};
        result = store_apply(store, call, &write, 1);
    }
    iotify_buffer_clear(&note);
    if (result == IOTIFY_RESULT_OK && write.result == IOTIFY_RESULT_EXISTS) {
        seal_free(store->seal);
        store->seal = NULL;
    }
    return result == IOTIFY_RESULT_OK ? write.result : result;
}

static enum iotify_result store_find_seal(
    struct store *store, struct call *call, const struct seal_settings *settings, bool make)
{
    const char *key = store_note_key(call, "seal");
    struct iotify_bytes note;
    enum iotify_result result = store_get(store, call, key, &note);

    if (result == IOTIFY_RESULT_NOT_FOUND && !make)
        return store_check_new(store, call);
    if (result == IOTIFY_RESULT_NOT_FOUND) {
        result = store_make_seal(store, call, settings, key);
        if (result != IOTIFY_RESULT_EXISTS)
            return result;
        result = store_get(store, call, key, &note);
    }
    return result == IOTIFY_RESULT_OK ? seal_from_note(call, settings, note, &store->seal) : result;
}

enum iotify_result store_unseal(
    struct store *store, struct call *call, const struct seal_settings *settings, bool make)
{
    enum iotify_result result = store_durable(store)
                                    ? store_find_seal(store, call, settings, make)
                                    : seal_new_volatile(call, settings, &store->seal);

    store->accept_unsealed = settings->accept_unsealed;
    seal_forget();
    return result;
}

/* Notes are not sealed: the seal note and the lease are read before the seal is known. */
bool store_is_sealed(const struct store *store, const char *key)
{
    return store->seal && strncmp(key, STORE_NOTE, strlen(STORE_NOTE)) != 0;
}

/*
 * Who can write the store but has no key could otherwise plant a record, and a cleanup would delete
 * what that names.
 */
static enum iotify_result store_open_value(
    const struct store *store, struct call *call, struct iotify_read *read)
{
    bool glob = strncmp(read->key, STORE_GLOB, strlen(STORE_GLOB)) == 0;

    if (seal_is_sealed(read->value))
        return seal_open_value(store->seal, call, read->key, read->value, &read->value);
    if (glob && store->accept_unsealed)
        return IOTIFY_RESULT_OK;
    return call_fail(&call->base, IOTIFY_RESULT_FAILED, "Unsealed",
        "%s of the store is not sealed: %s", read->key,
        glob ? "another program wrote it; to use such entries, set seal: {accept_unsealed: true}"
             : "another program wrote it, and it is not used; restore the store from a backup");
}

/* ------------------------------------------------------------------ open, close */

enum iotify_result store_open(
    struct call *call, const struct plugin *plugin, const void *options, struct store **out)
{
    struct store *store = memory_new(1, sizeof(*store));
    enum iotify_result result;

    store->last = &store->first;
    result = guard_open(&store->guard, call, plugin, options);
    if (result != IOTIFY_RESULT_OK) {
        free(store);
        return result;
    }
    pthread_mutex_init(&store->queue_lock, NULL);
    pthread_cond_init(&store->committed, NULL);
    *out = store;
    return IOTIFY_RESULT_OK;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    guard_close(&store->guard);
    seal_free(store->seal);
    pthread_mutex_destroy(&store->queue_lock);
    pthread_cond_destroy(&store->committed);
    free(store);
}

enum iotify_result store_verify_durability(struct store *store, struct call *call)
{
    return guard_verify_durability(&store->guard, call);
}

bool store_durable(const struct store *store)
{
    return store->guard.plugin->storage.durability == IOTIFY_DURABILITY_DURABLE;
}

static const char *store_checked_key(struct call *call, const char *key)
{
    if (strlen(key) <= IOTIFY_KEY_MAX)
        return key;
    call_fail(&call->base, IOTIFY_RESULT_INVALID, "KeyTooLong",
        "a glob key of %zu bytes is too long; at most %zu fit", strlen(key) - strlen(STORE_GLOB),
        IOTIFY_KEY_MAX - strlen(STORE_GLOB));
    return NULL;
}

const char *store_glob_key(struct call *call, const char *key)
{
    return store_checked_key(call, arena_format(&call->arena, STORE_GLOB "%s", key));
}

const char *store_record_prefix(struct call *call, const char *alias, const char *realm)
{
    return arena_format(&call->arena, STORE_RECORD "%s/%s/", alias, realm);
}

const char *store_record_key(
    struct call *call, const char *alias, const char *realm, int64_t client)
{
    /* Padded to 19 digits, so that byte order is numeric order. */
    return store_checked_key(call, arena_format(&call->arena, "%s%019lld",
                                       store_record_prefix(call, alias, realm), (long long)client));
}

const char *store_job_record_key(struct call *call, const char *alias, const char *realm)
{
    return store_checked_key(
        call, arena_format(&call->arena, "%sjob", store_record_prefix(call, alias, realm)));
}

const char *store_note_key(struct call *call, const char *name)
{
    return arena_format(&call->arena, STORE_NOTE "%s", name);
}

enum iotify_result store_read(
    struct store *store, struct call *call, struct iotify_read *reads, size_t count)
{
    enum iotify_result result = guard_get_many(&store->guard, call, reads, count);

    for (size_t i = 0; i < count && result == IOTIFY_RESULT_OK; i++)
        if (reads[i].result == IOTIFY_RESULT_OK && store_is_sealed(store, reads[i].key))
            result = store_open_value(store, call, &reads[i]);
    return result;
}

enum iotify_result store_get_many(
    struct store *store, struct call *call, struct iotify_read *reads, size_t count)
{
    enum iotify_result result = IOTIFY_RESULT_OK;

    for (size_t at = 0; at < count && result == IOTIFY_RESULT_OK; at += STORE_READ_MAX)
        result = store_read(
            store, call, reads + at, count - at < STORE_READ_MAX ? count - at : STORE_READ_MAX);
    return result;
}

enum iotify_result store_get(
    struct store *store, struct call *call, const char *key, struct iotify_bytes *out)
{
    struct iotify_read read = {.key = key};
    enum iotify_result result = store_read(store, call, &read, 1);

    if (result != IOTIFY_RESULT_OK)
        return result;
    *out = read.value;
    return read.result;
}
