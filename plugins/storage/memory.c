/* SPDX-License-Identifier: Apache-2.0 */
/* Storage in the memory of the process, for trials and tests. It is lost when the run ends. */
#include <stdlib.h>
#include <string.h>

#include <iotify/host.h>

struct memory_entry {
    char *key;
    char *data;
    size_t size;
};

/* Entries are sorted by key, which scans need; most keys are added in ascending order. */
struct memory_store {
    struct memory_entry *entries;
    size_t count, capacity;
};

static enum iotify_result memory_fail(struct iotify_call *call)
{
    return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
}

static enum iotify_result memory_open(
    struct iotify_call *call, const void *options, void **instance)
{
    (void)options;
    *instance = calloc(1, sizeof(struct memory_store));
    return *instance ? IOTIFY_RESULT_OK : memory_fail(call);
}

static void memory_wipe(struct memory_entry *entry)
{
    explicit_bzero(entry->data, entry->size);
    free(entry->data);
    free(entry->key);
}

static void memory_close(void *instance)
{
    struct memory_store *store = instance;

    for (size_t i = 0; i < store->count; i++)
        memory_wipe(&store->entries[i]);
    free(store->entries);
    free(store);
}

/* The index of the first entry whose key is not less than `key`; `same`: it has this key. */
static size_t memory_find(const struct memory_store *store, const char *key, bool *same)
{
    size_t low = 0, high = store->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(store->entries[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *same = low < store->count && strcmp(store->entries[low].key, key) == 0;
    return low;
}

static enum iotify_result memory_get_many(
    void *instance, struct iotify_call *call, struct iotify_read *reads, size_t count)
{
    const struct memory_store *store = instance;

    for (size_t i = 0; i < count; i++) {
        bool found;
        size_t at = memory_find(store, reads[i].key, &found);

        reads[i].result = found ? IOTIFY_RESULT_OK : IOTIFY_RESULT_NOT_FOUND;
        if (found) {
            const struct memory_entry *entry = &store->entries[at];
            char *copy = call->host->alloc(call, entry->size + 1);

            memcpy(copy, entry->data, entry->size);
            reads[i].value = (struct iotify_bytes){copy, entry->size};
        }
    }
    return IOTIFY_RESULT_OK;
}

static void memory_take_out(struct memory_store *store, size_t at)
{
    memory_wipe(&store->entries[at]);
    store->count--;
    memmove(&store->entries[at], &store->entries[at + 1],
        (store->count - at) * sizeof(*store->entries));
}

static bool memory_put(
    struct memory_store *store, size_t at, bool same, const struct iotify_write *write)
{
    struct memory_entry entry = {
        strdup(write->key), malloc(write->value.size + 1), write->value.size};

    if (entry.key && entry.data && !same && store->count == store->capacity) {
        size_t capacity = store->capacity ? store->capacity * 2 : 64;
        struct memory_entry *entries = realloc(store->entries, capacity * sizeof(*entries));

        if (entries) {
            store->entries = entries;
            store->capacity = capacity;
        }
    }
    if (!entry.key || !entry.data || (!same && store->count == store->capacity)) {
        free(entry.key);
        free(entry.data);
        return false;
    }
    if (write->value.size)
        memcpy(entry.data, write->value.data, write->value.size);
    if (same) {
        memory_wipe(&store->entries[at]);
    } else {
        memmove(&store->entries[at + 1], &store->entries[at],
            (store->count - at) * sizeof(*store->entries));
        store->count++;
    }
    store->entries[at] = entry;
    return true;
}

static enum iotify_result memory_apply(
    void *instance, struct iotify_call *call, struct iotify_write *writes, size_t count)
{
    struct memory_store *store = instance;

    for (size_t i = 0; i < count; i++) {
        struct iotify_bytes current = {0};
        bool same;
        size_t at = memory_find(store, writes[i].key, &same);

        if (same)
            current = (struct iotify_bytes){store->entries[at].data, store->entries[at].size};
        if (!iotify_write_decide(&writes[i], i ? &writes[i - 1] : NULL, current))
            continue;
        if (iotify_write_removes(&writes[i]) && same)
            memory_take_out(store, at);
        else if (writes[i].kind != IOTIFY_WRITE_DELETE && !memory_put(store, at, same, &writes[i]))
            return memory_fail(call);
    }
    return IOTIFY_RESULT_OK;
}

static enum iotify_result memory_scan(void *instance, struct iotify_call *call, const char *prefix,
    const char *after, size_t limit, void (*found)(void *argument, const char *key), void *argument)
{
    const struct memory_store *store = instance;
    size_t size = strlen(prefix);
    bool same;
    size_t at = memory_find(store, after && strcmp(after, prefix) > 0 ? after : prefix, &same);

    (void)call;
    if (same && after && strcmp(store->entries[at].key, after) == 0)
        at++;
    for (; at < store->count && limit > 0; at++, limit--) {
        if (strncmp(store->entries[at].key, prefix, size) != 0)
            break;
        found(argument, store->entries[at].key);
    }
    return IOTIFY_RESULT_OK;
}

static const struct iotify_storage operations = {
    IOTIFY_STORAGE_SIZES,
    .threads = IOTIFY_THREADS_PER_INSTANCE,
    .durability = IOTIFY_DURABILITY_VOLATILE,
    .open = memory_open,
    .close = memory_close,
    .get_many = memory_get_many,
    .apply = memory_apply,
    .scan = memory_scan,
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_STORAGE, .name = "memory", .version = IOTIFY_VERSION,
    .summary = "in the process, gone when the run ends", .settings = IOTIFY_NO_SETTINGS,
    .operations = &operations);
