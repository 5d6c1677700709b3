/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/guard.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/activity.h"
#include "core/base/clock.h"
#include "core/base/stop.h"
#include "core/base/strict.h"

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

/* What a call was before the storage got it. */
struct guard_outer {
    struct iotify_call base;
    struct activity activity;
};

/*
 * Storages get offline calls: a storage that asked for the glob would wait for itself, and one that
 * performed would run at the pace of a connector.
 */
static struct guard_outer guard_enter(struct guard *guard, struct call *call, const char *operation)
{
    struct guard_outer outer = {.base = call->base};
    pthread_mutex_t *lock = guard_lock(guard);

    if (lock && pthread_mutex_trylock(lock) != 0) {
        /* The operation of another thread takes its time, not what this one was in. */
        outer.activity = activity_pause();
        pthread_mutex_lock(lock);
        activity_end(outer.activity);
    }
    call->base.host = call_offline_host();
    call->base.arguments = NULL;
    call->base.stage = 0;
    outer.activity = activity_begin(guard->plugin->name, operation);
    return outer;
}

static void guard_leave(struct guard *guard, struct call *call, struct guard_outer outer)
{
    pthread_mutex_t *lock = guard_lock(guard);

    activity_end(outer.activity);
    call->base = outer.base;
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

/* ------------------------------------------------------------------ repeated calls */

/* A store without an answer is asked again for this long, with pauses between these two. */
#define REPEAT_FOR (30 * SECOND)
#define PAUSE_MIN (100 * MILLISECOND)
#define PAUSE_MAX (2 * SECOND)
#define PAUSE_SLICE (20 * MILLISECOND)

struct guard_tries {
    int64_t began, pause;
};

/* Wait; false when the run is stopped. */
static bool guard_wait(int64_t nanoseconds)
{
    const struct timespec slice = {.tv_nsec = PAUSE_SLICE};
    struct activity before = activity_pause();
    int64_t until = clock_now() + nanoseconds;

    while (clock_now() < until && !stop_requested())
        nanosleep(&slice, NULL);
    activity_end(before);
    return !stop_requested();
}

/* Is the operation to be called again, after a pause? */
static bool guard_repeats(const struct guard *guard, struct call *call, const char *operation,
    enum iotify_result result, struct guard_tries *tries)
{
    if (result != IOTIFY_RESULT_TRANSIENT || strcmp(call->code, "PluginFault") == 0)
        return false;
    if (!tries->began) {
        tries->began = clock_now();
        tries->pause = PAUSE_MIN;
        call_log(&call->base, IOTIFY_LOG_WARNING, "%s: %s(): %s; trying again for %.0f s",
            guard->plugin->name, operation, call_message(call, result),
            (double)REPEAT_FOR / SECOND);
    } else if (clock_now() - tries->began > REPEAT_FOR) {
        return false;
    }
    if (!guard_wait(tries->pause))
        return false;
    tries->pause = tries->pause * 2 > PAUSE_MAX ? PAUSE_MAX : tries->pause * 2;
    return true;
}

/* ------------------------------------------------------------------ open, close */

enum iotify_result guard_check(struct call *call, const struct plugin *plugin, const void *options)
{
    struct guard guard = {.plugin = plugin};
    struct guard_outer outer;
    enum iotify_result result;

    if (!plugin->storage.check)
        return IOTIFY_RESULT_OK;
    pthread_mutex_init(&guard.lock, NULL);
    outer = guard_enter(&guard, call, "check");
    result = plugin->storage.check(&call->base, options);
    guard_leave(&guard, call, outer);
    pthread_mutex_destroy(&guard.lock);
    return guard_check_result(&guard, call, "check", result);
}

enum iotify_result guard_open(
    struct guard *guard, struct call *call, const struct plugin *plugin, const void *options)
{
    struct guard_tries tries = {0};
    struct guard_outer outer;
    enum iotify_result result;

    *guard = (struct guard){.plugin = plugin, .strict = strict_wanted()};
    pthread_mutex_init(&guard->lock, NULL);
    do {
        outer = guard_enter(guard, call, "open");
        result = plugin->storage.open(&call->base, options, &guard->instance);
        guard_leave(guard, call, outer);
        result = guard_check_result(guard, call, "open", result);
    } while (guard_repeats(guard, call, "open", result, &tries));
    if (result == IOTIFY_RESULT_OK && !guard->instance)
        result = call_fault(call, plugin->name, "open", "returned OK without an instance");
    if (result != IOTIFY_RESULT_OK)
        pthread_mutex_destroy(&guard->lock);
    return result;
}

void guard_close(struct guard *guard)
{
    struct activity before = activity_begin(guard->plugin->name, "close");

    guard->plugin->storage.close(guard->instance);
    activity_end(before);
    pthread_mutex_destroy(&guard->lock);
}

enum iotify_result guard_verify_durability(struct guard *guard, struct call *call)
{
    struct guard_tries tries = {0};
    struct guard_outer outer;
    enum iotify_result result;

    if (!guard->plugin->storage.verify_durability)
        return IOTIFY_RESULT_OK;
    do {
        outer = guard_enter(guard, call, "verify_durability");
        result = guard->plugin->storage.verify_durability(guard->instance, &call->base);
        guard_leave(guard, call, outer);
    } while (guard_repeats(guard, call, "verify_durability", result, &tries));
    return guard_check_result(guard, call, "verify_durability", result);
}

/* ------------------------------------------------------------------ element sizes */

/* An array as the plugin was built to index it; the host's own where the sizes are the same. */
static void *guard_to_plugin(
    struct call *call, const void *array, size_t count, size_t own_size, size_t plugin_size)
{
    size_t size = own_size < plugin_size ? own_size : plugin_size;
    char *copy;

    if (own_size == plugin_size)
        return (void *)array;
    copy = arena_array(&call->arena, count, plugin_size);
    for (size_t i = 0; i < count; i++)
        memcpy(copy + i * plugin_size, (const char *)array + i * own_size, size);
    return copy;
}

/* Take back what the plugin has set in its array. */
static void guard_from_plugin(
    void *array, const void *copy, size_t count, size_t own_size, size_t plugin_size)
{
    size_t size = own_size < plugin_size ? own_size : plugin_size;

    for (size_t i = 0; i < count && copy != array; i++)
        memcpy((char *)array + i * own_size, (const char *)copy + i * plugin_size, size);
}

/* ------------------------------------------------------------------ reads */

/* What is wrong with an answer, or NULL. */
static const char *guard_check_read(
    const struct guard *guard, const struct call *call, const struct iotify_read *read)
{
    if (read->result == IOTIFY_RESULT_NOT_FOUND)
        return NULL;
    if (read->result != IOTIFY_RESULT_OK)
        return "without a result";
    if (!read->value.data)
        return "without a value";
    if (read->value.size > IOTIFY_VALUE_MAX)
        return "with a value that is too large";
    if (guard->strict && !arena_holds(&call->arena, read->value.data, read->value.size + 1))
        return "with a value that is not in the arena of the call, or that no NUL follows";
    if (((const char *)read->value.data)[read->value.size])
        return "with a value that no NUL follows";
    return NULL;
}

enum iotify_result guard_get_many(
    struct guard *guard, struct call *call, struct iotify_read *reads, size_t count)
{
    const struct iotify_storage *storage = &guard->plugin->storage;
    struct guard_tries tries = {0};
    struct iotify_read *theirs;
    struct guard_outer outer;
    enum iotify_result result;

    do {
        for (size_t i = 0; i < count; i++)
            reads[i] = (struct iotify_read){.key = reads[i].key};
        theirs = guard_to_plugin(call, reads, count, sizeof(*reads), storage->read_size);
        outer = guard_enter(guard, call, "get_many");
        result = storage->get_many(guard->instance, &call->base, theirs, count);
        guard_leave(guard, call, outer);
    } while (guard_repeats(guard, call, "get_many", result, &tries));
    guard_from_plugin(reads, theirs, count, sizeof(*reads), storage->read_size);
    result = guard_check_result(guard, call, "get_many", result);
    for (size_t i = 0; i < count && result == IOTIFY_RESULT_OK; i++) {
        const char *wrong = guard_check_read(guard, call, &reads[i]);

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

static enum iotify_result guard_flush(struct guard *guard, struct call *call)
{
    struct guard_tries tries = {0};
    struct guard_outer outer;
    enum iotify_result result;

    do {
        outer = guard_enter(guard, call, "flush");
        result = guard->plugin->storage.flush(guard->instance, &call->base);
        guard_leave(guard, call, outer);
    } while (guard_repeats(guard, call, "flush", result, &tries));
    return guard_check_result(guard, call, "flush", result);
}

enum iotify_result guard_apply(
    struct guard *guard, struct call *call, struct iotify_write *writes, size_t count)
{
    const struct iotify_storage *storage = &guard->plugin->storage;
    struct guard_tries tries = {0};
    struct iotify_write *theirs;
    struct guard_outer outer;
    enum iotify_result result;

    do {
        for (size_t i = 0; i < count; i++)
            writes[i].result = 0;
        theirs = guard_to_plugin(call, writes, count, sizeof(*writes), storage->write_size);
        outer = guard_enter(guard, call, "apply");
        result = storage->apply(guard->instance, &call->base, theirs, count);
        guard_leave(guard, call, outer);
    } while (guard_repeats(guard, call, "apply", result, &tries));
    result = guard_check_result(guard, call, "apply", result);
    guard_from_plugin(writes, theirs, count, sizeof(*writes), storage->write_size);
    if (result == IOTIFY_RESULT_OK)
        result = guard_check_writes(guard, call, writes, count);
    return result == IOTIFY_RESULT_OK && storage->flush ? guard_flush(guard, call) : result;
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
    struct activity before;

    if (keys->wrong || (keys->wrong = guard_check_key(keys, key)))
        return;
    keys->left--;
    memcpy(keys->last, key, strlen(key) + 1);
    before = activity_pause();
    keys->found(keys->argument, keys->last);
    activity_end(before);
}

enum iotify_result guard_scan(struct guard *guard, struct call *call, const char *prefix,
    const char *after, size_t limit, void (*found)(void *argument, const char *key), void *argument)
{
    struct guard_keys keys = {
        .found = found, .argument = argument, .prefix = prefix, .left = limit};
    char last[IOTIFY_KEY_MAX + 1];
    struct guard_tries tries = {0};
    struct guard_outer outer;
    enum iotify_result result;

    if (after)
        snprintf(keys.last, sizeof(keys.last), "%s", after);
    memcpy(last, keys.last, sizeof(last));
    do {
        /* A repeated listing continues after what was found before. */
        outer = guard_enter(guard, call, "scan");
        result = guard->plugin->storage.scan(guard->instance, &call->base, prefix,
            *keys.last ? last : NULL, keys.left, guard_on_key, &keys);
        guard_leave(guard, call, outer);
        memcpy(last, keys.last, sizeof(last));
    } while (!keys.wrong && guard_repeats(guard, call, "scan", result, &tries));
    result = guard_check_result(guard, call, "scan", result);
    return result == IOTIFY_RESULT_OK && keys.wrong
               ? call_fault(call, guard->plugin->name, "scan", "%s", keys.wrong)
               : result;
}
