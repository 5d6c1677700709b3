/* SPDX-License-Identifier: Apache-2.0 */
/* Writes of the store: the requests of several threads in one commit. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/activity.h"
#include "core/store/store_internal.h"

#define GROUP_MAX 256 /* writes in one commit */

/* Whether what was written is unknown: there was no answer, or one that cannot be believed. */
static bool store_commit_is_open(const struct call *call, enum iotify_result result)
{
    return result == IOTIFY_RESULT_TRANSIENT || result == IOTIFY_RESULT_CANCELLED ||
           strcmp(call->code, "PluginFault") == 0;
}

/*
 * Commit several requests at once. When that fails, each is tried alone and gets its own result;
 * but not when they may have been carried out: repeated, they would find themselves.
 */
static void store_commit_group(struct store *store, struct store_request *group, size_t total)
{
    struct iotify_write *writes = memory_new(total, sizeof(*writes));
    struct call *call = group->call;
    enum iotify_result result;
    bool open;
    size_t at = 0;

    for (struct store_request *request = group; request; request = request->next) {
        memcpy(writes + at, request->writes, request->count * sizeof(*writes));
        at += request->count;
    }
    result = guard_apply(&store->guard, call, writes, total);
    open = result != IOTIFY_RESULT_OK && store_commit_is_open(call, result);
    at = 0;
    for (struct store_request *request = group; request; request = request->next) {
        if (result == IOTIFY_RESULT_OK) {
            memcpy(request->writes, writes + at, request->count * sizeof(*writes));
            request->result = result;
        } else if (open) {
            request->result = result;
            if (request->call != call)
                call_take_failure(request->call, call);
        } else {
            request->result =
                guard_apply(&store->guard, request->call, request->writes, request->count);
        }
        at += request->count;
    }
    free(writes);
}

/*
 * Take the waiting requests that fit into one commit. A storage whose batches are not atomic gets
 * one request at a time: after a failure it would be unknown which requests were written. The
 * caller holds the queue's lock.
 */
static struct store_request *store_commit_take_group(struct store *store, size_t *total)
{
    struct store_request *group = store->first, **end = &store->first;

    *total = 0;
    while (*end && (*total == 0 || (store->guard.plugin->storage.atomic_batch &&
                                       *total + (*end)->count <= GROUP_MAX))) {
        *total += (*end)->count;
        end = &(*end)->next;
    }
    store->first = *end;
    if (!store->first)
        store->last = &store->first;
    *end = NULL;
    return group;
}

static void store_commit_lead(struct store *store)
{
    size_t total;
    struct store_request *group = store_commit_take_group(store, &total);

    store->committing = true;
    pthread_mutex_unlock(&store->queue_lock);
    if (group->next)
        store_commit_group(store, group, total);
    else
        group->result = guard_apply(&store->guard, group->call, group->writes, group->count);
    pthread_mutex_lock(&store->queue_lock);
    store->committing = false;
    while (group) {
        /* The request is on its waiter's stack: read `next` before `done` is set. */
        struct store_request *next = group->next;

        group->done = true;
        group = next;
    }
    pthread_cond_broadcast(&store->committed);
}

/* Copy the writes with the values sealed, as the storage gets them. */
static enum iotify_result store_commit_seal_writes(struct store *store, struct call *call,
    const struct iotify_write *writes, size_t count, struct iotify_write *sealed)
{
    enum iotify_result result = IOTIFY_RESULT_OK;

    for (size_t i = 0; i < count && result == IOTIFY_RESULT_OK; i++) {
        sealed[i] = writes[i];
        if (!store_is_sealed(store, writes[i].key))
            continue;
        if (!iotify_write_removes(&writes[i]))
            result =
                seal_value(store->seal, call, writes[i].key, writes[i].value, &sealed[i].value);
        if (result == IOTIFY_RESULT_OK && (writes[i].kind == IOTIFY_WRITE_COMPARE_AND_SET ||
                                              writes[i].kind == IOTIFY_WRITE_COMPARE_AND_DELETE))
            result = seal_value(
                store->seal, call, writes[i].key, writes[i].expected, &sealed[i].expected);
    }
    return result;
}

void store_commit(struct store *store, struct store_request *request)
{
    /* The connector does not wait then; the storage marks its own operations. */
    struct activity before = activity_pause();

    pthread_mutex_lock(&store->queue_lock);
    *store->last = request;
    store->last = &request->next;
    while (!request->done) {
        if (store->committing)
            pthread_cond_wait(&store->committed, &store->queue_lock);
        else
            store_commit_lead(store);
    }
    pthread_mutex_unlock(&store->queue_lock);
    activity_end(before);
}

enum iotify_result store_apply(
    struct store *store, struct call *call, struct iotify_write *writes, size_t count)
{
    struct store_request request = {.call = call, .count = count};
    enum iotify_result result;

    if (count == 0)
        return IOTIFY_RESULT_OK;
    request.writes = arena_array(&call->arena, count, sizeof(*writes));
    result = store_commit_seal_writes(store, call, writes, count, request.writes);
    if (result != IOTIFY_RESULT_OK)
        return result;
    store_commit(store, &request);
    for (size_t i = 0; i < count; i++)
        writes[i].result = request.writes[i].result;
    return request.result;
}
