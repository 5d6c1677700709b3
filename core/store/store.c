#include "core/store/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/job/value.h"

#define GLOB "glob/"
#define RECORD "record/"
#define NOTE "note/"
#define GROUP_MAX 256 /* writes in one commit */
#define PAGE 1000

struct request {
    struct call *call;
    struct iotify_write *writes;
    size_t count;
    enum iotify_result result;
    bool done;
    struct request *next;
};

struct store {
    const struct plugin *plugin;
    void *instance;
    pthread_mutex_t instance_lock; /* unless the plugin is IOTIFY_PARALLEL */
    pthread_mutex_t queue_lock;
    pthread_cond_t committed;
    struct request *first, **last;
    bool committing;
};

/* For plugins that let one thread in, whatever the instance. */
static pthread_mutex_t serial_lock = PTHREAD_MUTEX_INITIALIZER;

static pthread_mutex_t *lock_of(struct store *store)
{
    switch (store->plugin->storage.threads) {
    case IOTIFY_SERIAL:
        return &serial_lock;
    case IOTIFY_PER_INSTANCE:
        return &store->instance_lock;
    case IOTIFY_PARALLEL:
        break;
    }
    return NULL;
}

static void enter(struct store *store)
{
    pthread_mutex_t *lock = lock_of(store);

    if (lock)
        pthread_mutex_lock(lock);
}

static void leave(struct store *store)
{
    pthread_mutex_t *lock = lock_of(store);

    if (lock)
        pthread_mutex_unlock(lock);
}

enum iotify_result store_open(
    struct call *call, const struct plugin *plugin, const void *options, struct store **out)
{
    struct store *store = memory_new(1, sizeof(*store));
    enum iotify_result result;

    store->plugin = plugin;
    store->last = &store->first;
    result = plugin->storage.open(&call->base, options, &store->instance);
    if (result != IOTIFY_OK) {
        free(store);
        return result;
    }
    pthread_mutex_init(&store->instance_lock, NULL);
    pthread_mutex_init(&store->queue_lock, NULL);
    pthread_cond_init(&store->committed, NULL);
    *out = store;
    return IOTIFY_OK;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store->plugin->storage.close(store->instance);
    pthread_mutex_destroy(&store->instance_lock);
    pthread_mutex_destroy(&store->queue_lock);
    pthread_cond_destroy(&store->committed);
    free(store);
}

bool store_durable(const struct store *store)
{
    return store->plugin->storage.durability == IOTIFY_DURABLE;
}

static const char *checked_key(struct call *call, const char *key)
{
    if (strlen(key) <= IOTIFY_KEY_MAX)
        return key;
    call_fail(&call->base, IOTIFY_INVALID, "KeyTooLong",
        "a glob key of %zu bytes is too long; at most %zu fit", strlen(key) - strlen(GLOB),
        IOTIFY_KEY_MAX - strlen(GLOB));
    return NULL;
}

const char *store_glob_key(struct call *call, const char *key)
{
    return checked_key(call, arena_format(&call->arena, GLOB "%s", key));
}

static const char *record_prefix(struct call *call, const char *alias, const char *realm)
{
    return arena_format(&call->arena, RECORD "%s/%s/", alias, realm);
}

const char *store_record_key(
    struct call *call, const char *alias, const char *realm, int64_t client)
{
    /* Digits enough that byte order is the order of the numbers. */
    return checked_key(call, arena_format(&call->arena, "%s%019lld",
                                 record_prefix(call, alias, realm), (long long)client));
}

const char *store_note_key(struct call *call, const char *name)
{
    return arena_format(&call->arena, NOTE "%s", name);
}

enum iotify_result store_get(
    struct store *store, struct call *call, const char *key, struct iotify_bytes *out)
{
    struct iotify_read read = {.key = key};
    enum iotify_result result;

    enter(store);
    result = store->plugin->storage.get_many(store->instance, &call->base, &read, 1);
    leave(store);
    if (result != IOTIFY_OK)
        return result;
    *out = read.value;
    return read.found ? IOTIFY_OK : IOTIFY_NOT_FOUND;
}

/* ------------------------------------------------------------------ group commit */

static enum iotify_result apply_now(
    struct store *store, struct call *call, struct iotify_write *writes, size_t count)
{
    enum iotify_result result;

    enter(store);
    result = store->plugin->storage.apply(store->instance, &call->base, writes, count);
    if (result == IOTIFY_OK && store->plugin->storage.flush)
        result = store->plugin->storage.flush(store->instance, &call->base);
    leave(store);
    return result;
}

/* One commit for several requests. When it fails, each gets a try and an answer of its own. */
static void commit_group(struct store *store, struct request *group, size_t total)
{
    struct iotify_write *writes = memory_new(total, sizeof(*writes));
    enum iotify_result result;
    size_t at = 0;

    for (struct request *request = group; request; request = request->next) {
        memcpy(writes + at, request->writes, request->count * sizeof(*writes));
        at += request->count;
    }
    result = apply_now(store, group->call, writes, total);
    at = 0;
    for (struct request *request = group; request; request = request->next) {
        if (result == IOTIFY_OK) {
            memcpy(request->writes, writes + at, request->count * sizeof(*writes));
            request->result = result;
        } else {
            request->result = apply_now(store, request->call, request->writes, request->count);
        }
        at += request->count;
    }
    free(writes);
}

/*
 * Take what waits, as far as it fits one commit. A backend whose batches are not atomic gets one
 * request at a time: after a failure nobody could tell whose writes were done.
 * Called with the queue's lock.
 */
static struct request *take_group(struct store *store, size_t *total)
{
    struct request *group = store->first, **end = &store->first;

    *total = 0;
    while (*end && (*total == 0 || (store->plugin->storage.atomic_batch &&
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

static void lead(struct store *store)
{
    size_t total;
    struct request *group = take_group(store, &total);

    store->committing = true;
    pthread_mutex_unlock(&store->queue_lock);
    if (group->next)
        commit_group(store, group, total);
    else
        group->result = apply_now(store, group->call, group->writes, group->count);
    pthread_mutex_lock(&store->queue_lock);
    store->committing = false;
    while (group) {
        /* The waiter's stack holds the request: look ahead before it can go. */
        struct request *next = group->next;

        group->done = true;
        group = next;
    }
    pthread_cond_broadcast(&store->committed);
}

enum iotify_result store_apply(
    struct store *store, struct call *call, struct iotify_write *writes, size_t count)
{
    struct request request = {.call = call, .writes = writes, .count = count};

    if (count == 0)
        return IOTIFY_OK;
    pthread_mutex_lock(&store->queue_lock);
    *store->last = &request;
    store->last = &request.next;
    while (!request.done) {
        if (store->committing)
            pthread_cond_wait(&store->committed, &store->queue_lock);
        else
            lead(store);
    }
    pthread_mutex_unlock(&store->queue_lock);
    return request.result;
}

/* ------------------------------------------------------------------ listing */

struct page {
    struct arena *arena;
    void (*found)(void *argument, const char *key);
    void *argument;
    size_t prefix, count;
    const char *last;
};

static void on_key(void *argument, const char *key)
{
    struct page *page = argument;

    page->last = arena_string(page->arena, key);
    page->count++;
    page->found(page->argument, page->last + page->prefix);
}

static enum iotify_result scan_all(struct store *store, struct call *call, const char *prefix,
    void (*found)(void *argument, const char *key), void *argument)
{
    struct page page = {&call->arena, found, argument, strlen(prefix), 0, NULL};
    enum iotify_result result;

    do {
        page.count = 0;
        enter(store);
        result = store->plugin->storage.scan(
            store->instance, &call->base, prefix, page.last, PAGE, on_key, &page);
        leave(store);
    } while (result == IOTIFY_OK && page.count == PAGE);
    return result;
}

enum iotify_result store_list_glob(struct store *store, struct call *call,
    void (*found)(void *argument, const char *key), void *argument)
{
    return scan_all(store, call, GLOB, found, argument);
}

struct clients {
    int64_t *items;
    size_t count, capacity;
};

static void on_record(void *argument, const char *key)
{
    struct clients *clients = argument;
    int64_t client;

    if (!value_parse_integer(key, &client))
        return;
    if (clients->count == clients->capacity) {
        clients->capacity = clients->capacity ? clients->capacity * 2 : 64;
        clients->items = memory_grow(clients->items, clients->capacity, sizeof(int64_t));
    }
    clients->items[clients->count++] = client;
}

enum iotify_result store_list_records(struct store *store, struct call *call, const char *alias,
    const char *realm, int64_t **out, size_t *count)
{
    struct clients clients = {0};
    enum iotify_result result =
        scan_all(store, call, record_prefix(call, alias, realm), on_record, &clients);

    *out = arena_array(&call->arena, clients.count, sizeof(int64_t));
    if (clients.count)
        memcpy(*out, clients.items, clients.count * sizeof(int64_t));
    *count = clients.count;
    free(clients.items);
    return result;
}
