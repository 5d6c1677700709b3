/* SPDX-License-Identifier: Apache-2.0 */
/* Listings of the store: keys and records by prefix. */
#include <stdlib.h>
#include <string.h>

#include "core/base/value.h"
#include "core/store/store_internal.h"

#define PAGE 1000 /* keys in one scan of the plugin */

struct store_listing_page {
    struct arena *arena;
    void (*found)(void *argument, const char *key);
    void *argument;
    size_t prefix, count, left;
    const char *last;
};

static void store_listing_on_key(void *argument, const char *key)
{
    struct store_listing_page *page = argument;

    page->last = arena_string(page->arena, key);
    page->count++;
    page->found(page->argument, page->last + page->prefix);
}

/*
 * Call `found` for at most `limit` keys that begin with `prefix`, without their first `cut` bytes.
 */
static enum iotify_result store_listing_scan_some(struct store *store, struct call *call,
    const char *prefix, size_t cut, size_t limit, void (*found)(void *argument, const char *key),
    void *argument)
{
    struct store_listing_page page = {&call->arena, found, argument, cut, 0, limit, NULL};
    size_t wanted;
    enum iotify_result result;

    do {
        page.count = 0;
        wanted = page.left < PAGE ? page.left : PAGE;
        result =
            guard_scan(&store->guard, call, prefix, page.last, wanted, store_listing_on_key, &page);
        page.left -= page.count;
    } while (result == IOTIFY_RESULT_OK && page.count == wanted && page.left > 0);
    return result;
}

static enum iotify_result store_listing_scan_all(struct store *store, struct call *call,
    const char *prefix, void (*found)(void *argument, const char *key), void *argument)
{
    return store_listing_scan_some(store, call, prefix, strlen(prefix), SIZE_MAX, found, argument);
}

enum iotify_result store_list_glob(struct store *store, struct call *call, const char *prefix,
    size_t limit, void (*found)(void *argument, const char *key), void *argument)
{
    const char *mapped = store_glob_key(call, prefix);

    return mapped ? store_listing_scan_some(
                        store, call, mapped, strlen(STORE_GLOB), limit, found, argument)
                  : IOTIFY_RESULT_INVALID;
}

/*
 * The first record key of a scan, without STORE_RECORD. To skip an alias, the scan starts after
 * "alias0": '0' is the byte that follows '/'.
 */
struct store_listing_first {
    struct arena *arena;
    const char *key;
};

static void store_listing_keep_first(void *argument, const char *key)
{
    struct store_listing_first *first = argument;

    first->key = arena_string(first->arena, key + strlen(STORE_RECORD));
}

enum iotify_result store_find_alias(struct store *store, struct call *call,
    const char *const *aliases, size_t count, const char **other)
{
    struct store_listing_first first = {&call->arena, NULL};
    const char *after = NULL;
    enum iotify_result result;

    *other = NULL;
    for (;;) {
        bool known = false;
        char *alias;

        first.key = NULL;
        result = guard_scan(
            &store->guard, call, STORE_RECORD, after, 1, store_listing_keep_first, &first);
        if (result != IOTIFY_RESULT_OK || !first.key)
            return result;
        alias = arena_copy(&call->arena, first.key, strcspn(first.key, "/"));
        for (size_t i = 0; i < count; i++)
            known = known || strcmp(aliases[i], alias) == 0;
        if (!known) {
            *other = alias;
            return IOTIFY_RESULT_OK;
        }
        after = arena_format(&call->arena, STORE_RECORD "%s0", alias);
    }
}

struct store_listing_clients {
    int64_t *items;
    size_t count, capacity;
};

static void store_listing_on_record(void *argument, const char *key)
{
    struct store_listing_clients *clients = argument;
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
    struct store_listing_clients clients = {0};
    enum iotify_result result = store_listing_scan_all(
        store, call, store_record_prefix(call, alias, realm), store_listing_on_record, &clients);

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

    for (size_t at = 0; at < count && result == IOTIFY_RESULT_OK; at += STORE_READ_MAX) {
        size_t some = count - at < STORE_READ_MAX ? count - at : STORE_READ_MAX;
        struct iotify_read reads[STORE_READ_MAX];
        struct call own;

        /* Its own call: the arena is freed after each page. */
        call_init(&own, call->where);
        for (size_t i = 0; i < some; i++)
            reads[i] =
                (struct iotify_read){.key = store_record_key(&own, alias, realm, clients[at + i])};
        result = store_read(store, &own, reads, some);
        for (size_t i = 0; i < some && result == IOTIFY_RESULT_OK; i++) {
            const struct iotify_record record = {clients[at + i], reads[i].value};

            if (reads[i].result == IOTIFY_RESULT_OK)
                result = found(argument, &record);
        }
        if (*own.message)
            call_take_failure(call, &own);
        call_clear(&own);
    }
    return result;
}
