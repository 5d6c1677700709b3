/* SPDX-License-Identifier: Apache-2.0 */
/* The view: a cache of the glob's values, so that reads do not wait for the store. */
#include <stdlib.h>
#include <string.h>

#include <iotify/text.h>

#include "core/base/clock.h"
#include "core/store/glob_internal.h"

/* The limit in bytes for cached values without queued writes. */
#define CLEAN_MAX (16u << 20)

static size_t glob_view_hash(const char *key)
{
    uint64_t hash = iotify_hash(IOTIFY_HASH_START, key);

    return (size_t)(hash ^ hash >> 32);
}

static struct glob_view_entry **glob_view_find_slot(struct glob_view *view, const char *key)
{
    struct glob_view_entry **slot = &view->buckets[glob_view_hash(key) & (view->bucket_count - 1)];

    while (*slot && strcmp((*slot)->key, key) != 0)
        slot = &(*slot)->next;
    return slot;
}

static void glob_view_grow(struct glob_view *view)
{
    struct glob_view_entry **before = view->buckets;
    size_t count = view->bucket_count;

    view->bucket_count = count ? count * 2 : 256;
    view->buckets = memory_new(view->bucket_count, sizeof(struct glob_view_entry *));
    for (size_t i = 0; i < count; i++) {
        while (before[i]) {
            struct glob_view_entry *entry = before[i], **slot;

            before[i] = entry->next;
            slot = &view->buckets[glob_view_hash(entry->key) & (view->bucket_count - 1)];
            entry->next = *slot;
            *slot = entry;
        }
    }
    free(before);
}

static size_t glob_view_size(const struct glob_view_entry *entry)
{
    return sizeof(*entry) + strlen(entry->key) + entry->size + 64;
}

void glob_view_unlink(struct glob_view *view, struct glob_view_entry *entry)
{
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        view->newest = entry->older;
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        view->oldest = entry->newer;
    view->clean -= glob_view_size(entry);
}

void glob_view_link(struct glob_view *view, struct glob_view_entry *entry)
{
    entry->newer = NULL;
    entry->older = view->newest;
    if (view->newest)
        view->newest->newer = entry;
    else
        view->oldest = entry;
    view->newest = entry;
    view->clean += glob_view_size(entry);
}

static void glob_view_wipe(struct glob_view_entry *entry)
{
    if (entry->value)
        explicit_bzero(entry->value, entry->size);
    free(entry->value);
    entry->value = NULL;
    entry->size = 0;
}

void glob_view_set(struct glob_view_entry *entry, struct iotify_bytes value)
{
    glob_view_wipe(entry);
    if (!value.data)
        return;
    entry->value = memory_new(1, value.size + 1);
    memcpy(entry->value, value.data, value.size);
    entry->size = value.size;
}

static void glob_view_drop(struct glob_view *view, struct glob_view_entry *entry)
{
    *glob_view_find_slot(view, entry->key) = entry->next;
    view->count--;
    glob_view_wipe(entry);
    free(entry);
}

struct glob_view_entry *glob_view_add(struct glob_view *view, const char *key)
{
    struct glob_view_entry *entry = memory_new(1, sizeof(*entry) + strlen(key) + 1);
    struct glob_view_entry **slot;

    if (view->count >= view->bucket_count)
        glob_view_grow(view);
    memcpy(entry->key, key, strlen(key) + 1);
    slot = glob_view_find_slot(view, key);
    *slot = entry;
    view->count++;
    return entry;
}

struct glob_view_entry *glob_view_find(struct glob_view *view, const char *key)
{
    return view->bucket_count ? *glob_view_find_slot(view, key) : NULL;
}

/* Drop the least recently used entries until at most `left` bytes remain. */
void glob_view_trim(struct glob_view *view, size_t left)
{
    for (struct glob_view_entry *entry = view->oldest, *newer; entry && view->clean > left;
         entry = newer) {
        newer = entry->newer;
        glob_view_unlink(view, entry);
        glob_view_drop(view, entry);
    }
}

void glob_view_learn(struct glob *glob, const char *key, struct iotify_bytes value)
{
    struct glob_view_entry *entry = glob_view_find(&glob->view, key);

    if (entry)
        entry->refreshing = false;
    if (entry && entry->pending > 0)
        return;
    if (entry)
        glob_view_unlink(&glob->view, entry);
    else
        entry = glob_view_add(&glob->view, key);
    glob_view_set(entry, value);
    entry->read_at = clock_now();
    glob_view_link(&glob->view, entry);
    glob_view_trim(&glob->view, CLEAN_MAX);
}

void glob_learn(struct glob *glob, const char *key, struct iotify_bytes value)
{
    pthread_mutex_lock(&glob->lock);
    glob_view_learn(glob, key, value);
    pthread_mutex_unlock(&glob->lock);
}

void glob_not_learned(struct glob *glob, const char *key)
{
    struct glob_view_entry *entry;

    pthread_mutex_lock(&glob->lock);
    entry = glob_view_find(&glob->view, key);
    if (entry)
        entry->refreshing = false;
    pthread_mutex_unlock(&glob->lock);
}

void glob_written(struct glob *glob, const char *key, bool good)
{
    struct glob_view_entry *entry;

    pthread_mutex_lock(&glob->lock);
    entry = glob_view_find(&glob->view, key);
    if (entry && entry->pending > 0 && --entry->pending == 0) {
        if (good) {
            entry->read_at = clock_now();
            glob_view_link(&glob->view, entry);
            glob_view_trim(&glob->view, CLEAN_MAX);
        } else {
            /* The value is not in the store: do not show it any longer. */
            glob_view_drop(&glob->view, entry);
        }
    }
    pthread_mutex_unlock(&glob->lock);
}

void glob_view_clear(struct glob_view *view)
{
    for (size_t i = 0; i < view->bucket_count; i++) {
        while (view->buckets[i]) {
            struct glob_view_entry *entry = view->buckets[i];

            view->buckets[i] = entry->next;
            glob_view_wipe(entry);
            free(entry);
        }
    }
    free(view->buckets);
}
