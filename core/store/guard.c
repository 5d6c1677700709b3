/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/guard.h"

#include <stdio.h>
#include <string.h>

/* For plugins that allow one thread at a time for all instances together. */
static pthread_mutex_t guard_serial = PTHREAD_MUTEX_INITIALIZER;

static pthread_mutex_t *guard_lock(struct guard *guard)
{
    switch (guard->plugin->storage.threads) {
    case IOTIFY_THREADS_SERIAL:
        return &guard_serial;
    case IOTIFY_THREADS_PER_INSTANCE:
        return &guard->lock;
    case IOTIFY_THREADS_PARALLEL:
        break;
    }
    return NULL;
}

static void guard_enter(struct guard *guard)
{
    pthread_mutex_t *lock = guard_lock(guard);

    if (lock)
        pthread_mutex_lock(lock);
}

static void guard_leave(struct guard *guard)
{
    pthread_mutex_t *lock = guard_lock(guard);

    if (lock)
        pthread_mutex_unlock(lock);
}

/* Storages answer with these, and with nothing else. */
static enum iotify_result guard_check_result(
    const struct guard *guard, struct call *call, const char *operation, enum iotify_result result)
{
    switch (result) {
    case IOTIFY_RESULT_OK:
    case IOTIFY_RESULT_INVALID:
    case IOTIFY_RESULT_CONFLICT:
    case IOTIFY_RESULT_DENIED:
    case IOTIFY_RESULT_TRANSIENT:
    case IOTIFY_RESULT_FULL:
    case IOTIFY_RESULT_CANCELLED:
    case IOTIFY_RESULT_FAILED:
        return result;
    default:
        return call_fault(call, guard->plugin->name, operation, "returned the result %s",
            call_result_name(result));
    }
}

/* ------------------------------------------------------------------ open, close */

enum iotify_result guard_open(
    struct guard *guard, struct call *call, const struct plugin *plugin, const void *options)
{
    enum iotify_result result;

    *guard = (struct guard){.plugin = plugin};
    result = plugin->storage.open(&call->base, options, &guard->instance);
    result = guard_check_result(guard, call, "open", result);
    if (result == IOTIFY_RESULT_OK && !guard->instance)
        return call_fault(call, plugin->name, "open", "returned OK without an instance");
    if (result == IOTIFY_RESULT_OK)
        pthread_mutex_init(&guard->lock, NULL);
    return result;
}

void guard_close(struct guard *guard)
{
    guard->plugin->storage.close(guard->instance);
    pthread_mutex_destroy(&guard->lock);
}

/* ------------------------------------------------------------------ reads */

/* What is wrong with an answer, or NULL. */
static const char *guard_check_read(const struct iotify_read *read)
{
    if (read->result == IOTIFY_RESULT_NOT_FOUND)
        return NULL;
    if (read->result != IOTIFY_RESULT_OK)
        return "without a result";
    if (!read->value.data)
        return "without a value";
    if (read->value.size > IOTIFY_VALUE_MAX)
        return "with a value that is too large";
    if (((const char *)read->value.data)[read->value.size])
        return "with a value that no NUL follows";
    return NULL;
}

enum iotify_result guard_get_many(
    struct guard *guard, struct call *call, struct iotify_read *reads, size_t count)
{
    enum iotify_result result;

    for (size_t i = 0; i < count; i++)
        reads[i] = (struct iotify_read){.key = reads[i].key};
    guard_enter(guard);
    result = guard->plugin->storage.get_many(guard->instance, &call->base, reads, count);
    guard_leave(guard);
    result = guard_check_result(guard, call, "get_many", result);
    for (size_t i = 0; i < count && result == IOTIFY_RESULT_OK; i++) {
        const char *wrong = guard_check_read(&reads[i]);

        if (wrong)
            result = call_fault(call, guard->plugin->name, "get_many",
                "returned OK and left read %zu %s", i, wrong);
        else if (reads[i].result == IOTIFY_RESULT_NOT_FOUND)
            reads[i].value = (struct iotify_bytes){0};
    }
    return result;
}

/* ------------------------------------------------------------------ writes */

/* Is it a result that this kind of write can have? */
static bool guard_knows_write(const struct iotify_write *write)
{
    switch (write->result) {
    case IOTIFY_RESULT_OK:
        return true;
    case IOTIFY_RESULT_EXISTS:
        return write->kind == IOTIFY_WRITE_CREATE;
    case IOTIFY_RESULT_CONFLICT:
        return write->kind == IOTIFY_WRITE_COMPARE_AND_SET ||
               write->kind == IOTIFY_WRITE_COMPARE_AND_DELETE;
    case IOTIFY_RESULT_FAILED:
        return write->with_previous;
    default:
        return false;
    }
}

static enum iotify_result guard_check_writes(
    const struct guard *guard, struct call *call, const struct iotify_write *writes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct iotify_write *write = &writes[i];
        bool skipped = write->with_previous && i > 0 && writes[i - 1].result != IOTIFY_RESULT_OK;

        if (!write->result)
            return call_fault(call, guard->plugin->name, "apply",
                "returned OK and left write %zu without a result", i);
        if (!guard_knows_write(write) || skipped != (write->result == IOTIFY_RESULT_FAILED))
            return call_fault(call, guard->plugin->name, "apply",
                "returned OK and gave write %zu the result %s", i, call_result_name(write->result));
    }
    return IOTIFY_RESULT_OK;
}

enum iotify_result guard_apply(
    struct guard *guard, struct call *call, struct iotify_write *writes, size_t count)
{
    const struct iotify_storage *storage = &guard->plugin->storage;
    enum iotify_result result;

    for (size_t i = 0; i < count; i++)
        writes[i].result = 0;
    guard_enter(guard);
    result = guard_check_result(
        guard, call, "apply", storage->apply(guard->instance, &call->base, writes, count));
    if (result == IOTIFY_RESULT_OK && storage->flush)
        result =
            guard_check_result(guard, call, "flush", storage->flush(guard->instance, &call->base));
    guard_leave(guard);
    return result == IOTIFY_RESULT_OK ? guard_check_writes(guard, call, writes, count) : result;
}

/* ------------------------------------------------------------------ scan */

struct guard_keys {
    void (*found)(void *argument, const char *key);
    void *argument;
    const char *prefix;
    char last[IOTIFY_KEY_MAX + 1]; /* the key before; "": none */
    size_t left;
    const char *wrong; /* what the plugin did wrong; NULL: nothing yet */
};

static const char *guard_check_key(const struct guard_keys *keys, const char *key)
{
    if (!key || !*key)
        return "gave an empty key";
    if (strnlen(key, IOTIFY_KEY_MAX + 1) > IOTIFY_KEY_MAX)
        return "gave a key that is too long";
    if (strncmp(key, keys->prefix, strlen(keys->prefix)) != 0)
        return "gave a key without the prefix";
    if (strcmp(key, keys->last) <= 0)
        return "gave keys that do not ascend";
    if (keys->left == 0)
        return "gave more keys than were asked for";
    return NULL;
}

static void guard_on_key(void *argument, const char *key)
{
    struct guard_keys *keys = argument;

    if (keys->wrong || (keys->wrong = guard_check_key(keys, key)))
        return;
    keys->left--;
    memcpy(keys->last, key, strlen(key) + 1);
    keys->found(keys->argument, keys->last);
}

enum iotify_result guard_scan(struct guard *guard, struct call *call, const char *prefix,
    const char *after, size_t limit, void (*found)(void *argument, const char *key), void *argument)
{
    struct guard_keys keys = {
        .found = found, .argument = argument, .prefix = prefix, .left = limit};
    enum iotify_result result;

    if (after)
        snprintf(keys.last, sizeof(keys.last), "%s", after);
    guard_enter(guard);
    result = guard->plugin->storage.scan(
        guard->instance, &call->base, prefix, after, limit, guard_on_key, &keys);
    guard_leave(guard);
    result = guard_check_result(guard, call, "scan", result);
    return result == IOTIFY_RESULT_OK && keys.wrong
               ? call_fault(call, guard->plugin->name, "scan", "%s", keys.wrong)
               : result;
}
