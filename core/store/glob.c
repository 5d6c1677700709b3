/* SPDX-License-Identifier: Apache-2.0 */
/* The glob: its request queue, reading, setup and shutdown. */
#include "core/store/glob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/store/glob_internal.h"

/* glob_ask() blocks while more than this many bytes are queued. */
#define QUEUE_MAX (64u << 20)
/* A cached value older than this is read again. */
#define FRESH SECOND

/* ------------------------------------------------------------------ the queue */

static struct iotify_bytes glob_put_bytes(char **at, struct iotify_bytes bytes)
{
    char *copy = *at;

    if (!bytes.data)
        return bytes;
    memcpy(copy, bytes.data, bytes.size);
    *at += bytes.size + 1;
    return (struct iotify_bytes){copy, bytes.size};
}

static struct glob_waiting *glob_copy_request(
    struct glob_port *port, const struct glob_request *request)
{
    size_t key = strlen(request->key) + 1;
    size_t size =
        sizeof(struct glob_waiting) + key + request->value.size + request->expected.size + 2;
    struct glob_waiting *waiting = memory_new(1, size);
    char *at = (char *)(waiting + 1);

    waiting->port = port;
    waiting->size = size;
    waiting->request = *request;
    waiting->request.key = memcpy(at, request->key, key);
    at += key;
    waiting->request.value = glob_put_bytes(&at, request->value);
    waiting->request.expected = glob_put_bytes(&at, request->expected);
    return waiting;
}

/* The caller holds the lock. */
static void glob_enqueue(struct glob *glob, struct glob_waiting *waiting)
{
    *glob->last = waiting;
    glob->last = &waiting->next;
    glob->queued += waiting->size;
    pthread_cond_signal(&glob->work);
}

void glob_note_blocking(struct glob *glob, int64_t began)
{
    if (!glob->counting)
        return;
    glob->account.blocking++;
    glob->account.blocking_time += clock_now() - began;
}

/* Block while the queue is too long. The caller holds the lock. */
static void glob_wait_for_room(struct glob *glob)
{
    int64_t began = clock_now();

    if (glob->queued <= QUEUE_MAX)
        return;
    while (glob->queued > QUEUE_MAX)
        pthread_cond_wait(&glob->idle, &glob->lock);
    glob_note_blocking(glob, began);
}

/* Make a write visible to readers. The caller holds the lock. */
static void glob_make_visible(struct glob *glob, const struct glob_request *request)
{
    struct glob_view_entry *entry = glob_view_find(&glob->view, request->key);

    if (!entry)
        entry = glob_view_add(&glob->view, request->key);
    else if (entry->pending == 0)
        glob_view_unlink(&glob->view, entry);
    entry->pending++;
    glob_view_set(
        entry, request->kind == GLOB_PUT ? request->value : (struct iotify_bytes){NULL, 0});
}

static bool glob_fits(struct call *call, const struct glob_request *request)
{
    if (request->value.size > IOTIFY_VALUE_MAX - 64) {
        call_fail(&call->base, IOTIFY_RESULT_INVALID, "ValueTooLarge",
            "the value is larger than %d MiB", IOTIFY_VALUE_MAX >> 20);
        return false;
    }
    /* The key of a message is longer than that of its mailbox. */
    return store_glob_key(call, request->kind == GLOB_POST
                                    ? arena_format(&call->arena, "%s%30s", request->key, "")
                                    : request->key) != NULL;
}

/*
 * Mailboxes are stacks: the keys of messages sort by time, the newest first, even when the clock is
 * set back.
 */
static uint64_t glob_next_stamp(struct glob *glob)
{
    struct timespec now;
    uint64_t stamp;

    clock_gettime(CLOCK_REALTIME, &now);
    stamp = (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
    glob->last_stamp = stamp > glob->last_stamp ? stamp : glob->last_stamp + 1;
    return UINT64_MAX - glob->last_stamp;
}

enum iotify_result glob_ask(
    struct glob_port *port, struct call *call, const struct glob_request *request)
{
    struct glob *glob = port->glob;
    struct glob_request named = *request;
    char key[IOTIFY_KEY_MAX + 64];

    if (!glob_fits(call, request))
        return IOTIFY_RESULT_INVALID;
    pthread_mutex_lock(&glob->lock);
    glob_wait_for_room(glob);
    if (request->kind == GLOB_POST) {
        snprintf(key, sizeof(key), "%s%020llu-%08x", request->key,
            (unsigned long long)glob_next_stamp(glob), glob->nonce);
        named.key = key;
    }
    if (request->kind == GLOB_PUT || request->kind == GLOB_DELETE)
        glob_make_visible(glob, request);
    /* With `read_only`, a request without an answer is done once it is visible. */
    if (!glob->read_only || request->token)
        glob_enqueue(glob, glob_copy_request(port, &named));
    pthread_mutex_unlock(&glob->lock);
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ reading */

static enum iotify_result glob_copy_value(
    struct call *call, struct iotify_bytes value, struct iotify_bytes *out)
{
    if (!value.data)
        return IOTIFY_RESULT_NOT_FOUND;
    *out = (struct iotify_bytes){arena_copy(&call->arena, value.data, value.size), value.size};
    return IOTIFY_RESULT_OK;
}

/* Read from the view; queue a background read when the value is old. The caller holds the lock. */
static bool glob_look_up(struct glob *glob, struct call *call, const char *key,
    struct iotify_bytes *out, enum iotify_result *result)
{
    struct glob_view_entry *entry = glob_view_find(&glob->view, key);

    if (!entry)
        return false;
    *result = glob_copy_value(call, (struct iotify_bytes){entry->value, entry->size}, out);
    if (entry->pending > 0)
        return true;
    glob_view_unlink(&glob->view, entry);
    glob_view_link(&glob->view, entry);
    if (!entry->refreshing && clock_now() - entry->read_at > FRESH) {
        const struct glob_request request = {.kind = GLOB_GET, .key = key};
        struct glob_waiting *waiting = glob_copy_request(NULL, &request);

        entry->refreshing = true;
        glob_enqueue(glob, waiting);
    }
    return true;
}

enum iotify_result glob_read(
    struct glob_port *port, struct call *call, const char *key, struct iotify_bytes *out)
{
    struct glob *glob = port->glob;
    const char *mapped = store_glob_key(call, key);
    enum iotify_result result = IOTIFY_RESULT_INVALID;
    int64_t began = clock_now();
    bool seen;

    if (!mapped)
        return result;
    pthread_mutex_lock(&glob->lock);
    seen = glob_look_up(glob, call, key, out, &result);
    pthread_mutex_unlock(&glob->lock);
    if (seen)
        return result;
    result = store_get(glob->store, call, mapped, out);
    pthread_mutex_lock(&glob->lock);
    glob_note_blocking(glob, began);
    if (result == IOTIFY_RESULT_OK || result == IOTIFY_RESULT_NOT_FOUND) {
        /* Another thread may have written the key while the lock was released. */
        if (glob_view_find(&glob->view, key))
            glob_look_up(glob, call, key, out, &result);
        else
            glob_view_learn(
                glob, key, result == IOTIFY_RESULT_OK ? *out : (struct iotify_bytes){0});
    }
    pthread_mutex_unlock(&glob->lock);
    return result;
}

void glob_prefetch(struct glob_port *port, const char *const *keys, size_t count)
{
    struct glob *glob = port->glob;
    struct iotify_read *reads = memory_new(count, sizeof(*reads));
    const char **names = memory_new(count, sizeof(*names));
    size_t wanted = 0;
    struct call call;

    call_init(&call, glob->where);
    pthread_mutex_lock(&glob->lock);
    for (size_t i = 0; i < count; i++) {
        if (glob_view_find(&glob->view, keys[i]))
            continue;
        reads[wanted].key = store_glob_key(&call, keys[i]);
        names[wanted] = keys[i];
        wanted += reads[wanted].key != NULL;
    }
    pthread_mutex_unlock(&glob->lock);
    if (wanted && store_get_many(glob->store, &call, reads, wanted) == IOTIFY_RESULT_OK) {
        pthread_mutex_lock(&glob->lock);
        /* Another thread may have written the key while the lock was released. */
        for (size_t i = 0; i < wanted; i++)
            if (!glob_view_find(&glob->view, names[i]))
                glob_view_learn(glob, names[i],
                    reads[i].result == IOTIFY_RESULT_OK ? reads[i].value
                                                        : (struct iotify_bytes){0});
        pthread_mutex_unlock(&glob->lock);
    }
    call_clear(&call);
    free(reads);
    free(names);
}

/* ------------------------------------------------------------------ setup and shutdown */

struct glob *glob_new(struct store *store, const char *where, bool read_only)
{
    struct glob *glob = memory_new(1, sizeof(*glob));

    glob->store = store;
    glob->where = where;
    glob->read_only = read_only;
    glob->last = &glob->first;
    pthread_mutex_init(&glob->lock, NULL);
    pthread_cond_init(&glob->work, NULL);
    pthread_cond_init(&glob->idle, NULL);
    /* Keeps the message keys of two processes apart. */
    if (getrandom(&glob->nonce, sizeof(glob->nonce), 0) != sizeof(glob->nonce))
        glob->nonce = (uint32_t)clock_now();
    if (pthread_create(&glob->thread, NULL, glob_worker, glob) == 0)
        return glob;
    pthread_cond_destroy(&glob->idle);
    pthread_cond_destroy(&glob->work);
    pthread_mutex_destroy(&glob->lock);
    free(glob);
    return NULL;
}

void glob_flush(struct glob *glob)
{
    pthread_mutex_lock(&glob->lock);
    while (glob->first || glob->busy)
        pthread_cond_wait(&glob->idle, &glob->lock);
    pthread_mutex_unlock(&glob->lock);
}

void glob_free(struct glob *glob)
{
    if (!glob)
        return;
    pthread_mutex_lock(&glob->lock);
    glob->stop = true;
    pthread_cond_signal(&glob->work);
    pthread_mutex_unlock(&glob->lock);
    pthread_join(glob->thread, NULL);
    glob_view_clear(&glob->view);
    pthread_mutex_destroy(&glob->lock);
    pthread_cond_destroy(&glob->work);
    pthread_cond_destroy(&glob->idle);
    free(glob);
}

void glob_begin(struct glob *glob, const char *where)
{
    pthread_mutex_lock(&glob->lock);
    glob->where = where;
    glob->counting = false;
    glob->account = (struct glob_account){0};
    glob_view_trim(&glob->view, 0);
    pthread_mutex_unlock(&glob->lock);
}

void glob_count_blocking(struct glob *glob)
{
    pthread_mutex_lock(&glob->lock);
    glob->counting = true;
    pthread_mutex_unlock(&glob->lock);
}

void glob_account(struct glob *glob, struct glob_account *account)
{
    pthread_mutex_lock(&glob->lock);
    *account = glob->account;
    pthread_mutex_unlock(&glob->lock);
}

void glob_failed(struct glob *glob, const char *what, const char *key, const char *message)
{
    bool first;

    pthread_mutex_lock(&glob->lock);
    first = glob->account.failed++ == 0;
    if (first)
        snprintf(
            glob->account.error, sizeof(glob->account.error), "%s(\"%s\"): %s", what, key, message);
    pthread_mutex_unlock(&glob->lock);
    if (first)
        log_write(IOTIFY_LOG_ERROR, glob->where,
            "%s(\"%s\") is not in the store: %s (further ones are counted)", what, key, message);
}
