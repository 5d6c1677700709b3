#include "core/store/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/value.h"

#define GLOB "glob/"
#define RECORD "record/"
#define NOTE "note/"
#define GROUP_MAX 256 /* writes in one commit */
#define PAGE 1000
#define READ_MAX 128 /* values in one read */

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
    struct seal *seal;             /* NULL: nothing is sealed */
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

/* ------------------------------------------------------------------ the seal */

static void note_found(void *argument, const char *key)
{
    (void)key;
    *(bool *)argument = true;
}

/* A store without the note is new, or was made before there were any. */
static enum iotify_result check_new(struct store *store, struct call *call)
{
    bool found = false;
    enum iotify_result result = store->plugin->storage.scan(
        store->instance, &call->base, RECORD, NULL, 1, note_found, &found);

    if (result != IOTIFY_OK || !found)
        return result;
    return call_fail(&call->base, IOTIFY_FAILED, "StoreFormat",
        "the store was written by an older iotifyd; run cleanup with that one first");
}

/* Make the note; when another run is faster, IOTIFY_EXISTS. */
static enum iotify_result make_seal(
    struct store *store, struct call *call, const struct seal_settings *settings, const char *key)
{
    struct iotify_write write = {.kind = IOTIFY_CREATE, .key = key};
    struct iotify_buffer note;
    enum iotify_result result = check_new(store, call);

    iotify_buffer_init(&note, 4096);
    if (result == IOTIFY_OK)
        result = seal_new(call, settings, &note, &store->seal);
    if (result == IOTIFY_OK) {
        write.value = (struct iotify_bytes){iotify_buffer_text(&note), note.size};
        result = store_apply(store, call, &write, 1);
    }
    iotify_buffer_clear(&note);
    if (result == IOTIFY_OK && write.result == IOTIFY_EXISTS) {
        seal_free(store->seal);
        store->seal = NULL;
    }
    return result == IOTIFY_OK ? write.result : result;
}

static enum iotify_result find_seal(
    struct store *store, struct call *call, const struct seal_settings *settings, bool make)
{
    const char *key = store_note_key(call, "seal");
    struct iotify_bytes note;
    enum iotify_result result = store_get(store, call, key, &note);

    if (result == IOTIFY_NOT_FOUND && !make)
        return check_new(store, call);
    if (result == IOTIFY_NOT_FOUND) {
        result = make_seal(store, call, settings, key);
        if (result != IOTIFY_EXISTS)
            return result;
        result = store_get(store, call, key, &note);
    }
    return result == IOTIFY_OK ? seal_from_note(call, settings, note, &store->seal) : result;
}

enum iotify_result store_unseal(
    struct store *store, struct call *call, const struct seal_settings *settings, bool make)
{
    enum iotify_result result =
        store_durable(store) ? find_seal(store, call, settings, make) : IOTIFY_OK;

    seal_forget();
    return result;
}

/* The note about the seal, and who owns the store, are read without it. */
static bool is_sealed(const struct store *store, const char *key)
{
    return store->seal && strncmp(key, NOTE, strlen(NOTE)) != 0;
}

/* ------------------------------------------------------------------ open, close */

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
    seal_free(store->seal);
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

const char *store_job_record_key(struct call *call, const char *alias, const char *realm)
{
    return checked_key(
        call, arena_format(&call->arena, "%sjob", record_prefix(call, alias, realm)));
}

const char *store_note_key(struct call *call, const char *name)
{
    return arena_format(&call->arena, NOTE "%s", name);
}

static enum iotify_result get_many(
    struct store *store, struct call *call, struct iotify_read *reads, size_t count)
{
    enum iotify_result result;

    enter(store);
    result = store->plugin->storage.get_many(store->instance, &call->base, reads, count);
    leave(store);
    for (size_t i = 0; i < count && result == IOTIFY_OK; i++)
        if (reads[i].found && is_sealed(store, reads[i].key))
            result =
                seal_open_value(store->seal, call, reads[i].key, reads[i].value, &reads[i].value);
    return result;
}

enum iotify_result store_get_many(
    struct store *store, struct call *call, struct iotify_read *reads, size_t count)
{
    enum iotify_result result = IOTIFY_OK;

    for (size_t at = 0; at < count && result == IOTIFY_OK; at += READ_MAX)
        result = get_many(store, call, reads + at, count - at < READ_MAX ? count - at : READ_MAX);
    return result;
}

enum iotify_result store_get(
    struct store *store, struct call *call, const char *key, struct iotify_bytes *out)
{
    struct iotify_read read = {.key = key};
    enum iotify_result result = get_many(store, call, &read, 1);

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
    struct call *call = group->call;
    enum iotify_result result;
    size_t at = 0;

    for (struct request *request = group; request; request = request->next) {
        memcpy(writes + at, request->writes, request->count * sizeof(*writes));
        at += request->count;
    }
    result = apply_now(store, call, writes, total);
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

/* The writes as the storage gets them. */
static enum iotify_result seal_writes(struct store *store, struct call *call,
    const struct iotify_write *writes, size_t count, struct iotify_write *sealed)
{
    enum iotify_result result = IOTIFY_OK;

    for (size_t i = 0; i < count && result == IOTIFY_OK; i++) {
        sealed[i] = writes[i];
        if (!is_sealed(store, writes[i].key))
            continue;
        if (!iotify_write_removes(&writes[i]))
            result =
                seal_value(store->seal, call, writes[i].key, writes[i].value, &sealed[i].value);
        if (result == IOTIFY_OK && (writes[i].kind == IOTIFY_COMPARE_AND_SET ||
                                       writes[i].kind == IOTIFY_COMPARE_AND_DELETE))
            result = seal_value(
                store->seal, call, writes[i].key, writes[i].expected, &sealed[i].expected);
    }
    return result;
}

static void commit(struct store *store, struct request *request)
{
    pthread_mutex_lock(&store->queue_lock);
    *store->last = request;
    store->last = &request->next;
    while (!request->done) {
        if (store->committing)
            pthread_cond_wait(&store->committed, &store->queue_lock);
        else
            lead(store);
    }
    pthread_mutex_unlock(&store->queue_lock);
}

enum iotify_result store_apply(
    struct store *store, struct call *call, struct iotify_write *writes, size_t count)
{
    struct request request = {.call = call, .count = count};
    enum iotify_result result;

    if (count == 0)
        return IOTIFY_OK;
    request.writes = arena_array(&call->arena, count, sizeof(*writes));
    result = seal_writes(store, call, writes, count, request.writes);
    if (result != IOTIFY_OK)
        return result;
    commit(store, &request);
    for (size_t i = 0; i < count; i++)
        writes[i].result = request.writes[i].result;
    return request.result;
}

/* ------------------------------------------------------------------ listing */

struct page {
    struct arena *arena;
    void (*found)(void *argument, const char *key);
    void *argument;
    size_t prefix, count, left;
    const char *last;
};

static void on_key(void *argument, const char *key)
{
    struct page *page = argument;

    page->last = arena_string(page->arena, key);
    page->count++;
    page->found(page->argument, page->last + page->prefix);
}

/* The keys that begin with `prefix`, at most `limit`; `found` gets them without `cut` characters.
 */
static enum iotify_result scan_some(struct store *store, struct call *call, const char *prefix,
    size_t cut, size_t limit, void (*found)(void *argument, const char *key), void *argument)
{
    struct page page = {&call->arena, found, argument, cut, 0, limit, NULL};
    size_t wanted;
    enum iotify_result result;

    do {
        page.count = 0;
        wanted = page.left < PAGE ? page.left : PAGE;
        enter(store);
        result = store->plugin->storage.scan(
            store->instance, &call->base, prefix, page.last, wanted, on_key, &page);
        leave(store);
        page.left -= page.count;
    } while (result == IOTIFY_OK && page.count == wanted && page.left > 0);
    return result;
}

static enum iotify_result scan_all(struct store *store, struct call *call, const char *prefix,
    void (*found)(void *argument, const char *key), void *argument)
{
    return scan_some(store, call, prefix, strlen(prefix), SIZE_MAX, found, argument);
}

enum iotify_result store_list_glob(struct store *store, struct call *call, const char *prefix,
    size_t limit, void (*found)(void *argument, const char *key), void *argument)
{
    const char *mapped = store_glob_key(call, prefix);

    return mapped ? scan_some(store, call, mapped, strlen(GLOB), limit, found, argument)
                  : IOTIFY_INVALID;
}

/* The next alias after `key`, a record's without the prefix: '0' is the byte behind '/'. */
struct first {
    struct arena *arena;
    const char *key;
};

static void keep_first(void *argument, const char *key)
{
    struct first *first = argument;

    first->key = arena_string(first->arena, key + strlen(RECORD));
}

enum iotify_result store_find_alias(struct store *store, struct call *call,
    const char *const *aliases, size_t count, const char **other)
{
    struct first first = {&call->arena, NULL};
    const char *after = NULL;
    enum iotify_result result;

    *other = NULL;
    for (;;) {
        bool known = false;
        char *alias;

        first.key = NULL;
        enter(store);
        result = store->plugin->storage.scan(
            store->instance, &call->base, RECORD, after, 1, keep_first, &first);
        leave(store);
        if (result != IOTIFY_OK || !first.key)
            return result;
        alias = arena_copy(&call->arena, first.key, strcspn(first.key, "/"));
        for (size_t i = 0; i < count; i++)
            known = known || strcmp(aliases[i], alias) == 0;
        if (!known) {
            *other = alias;
            return IOTIFY_OK;
        }
        after = arena_format(&call->arena, RECORD "%s0", alias);
    }
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

enum iotify_result store_each_record(struct store *store, struct call *call, const char *alias,
    const char *realm,
    enum iotify_result (*found)(void *argument, const struct iotify_record *record), void *argument)
{
    int64_t *clients;
    size_t count;
    enum iotify_result result = store_list_records(store, call, alias, realm, &clients, &count);

    for (size_t at = 0; at < count && result == IOTIFY_OK; at += READ_MAX) {
        size_t some = count - at < READ_MAX ? count - at : READ_MAX;
        struct iotify_read reads[READ_MAX];
        struct call own;

        /* A call of its own: its arena goes with each page. */
        call_init(&own, call->where);
        for (size_t i = 0; i < some; i++)
            reads[i] =
                (struct iotify_read){.key = store_record_key(&own, alias, realm, clients[at + i])};
        result = get_many(store, &own, reads, some);
        for (size_t i = 0; i < some && result == IOTIFY_OK; i++) {
            const struct iotify_record record = {clients[at + i], reads[i].value};

            if (reads[i].found)
                result = found(argument, &record);
        }
        if (*own.message)
            call_take_failure(call, &own);
        call_clear(&own);
    }
    return result;
}
