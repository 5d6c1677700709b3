/* SPDX-License-Identifier: Apache-2.0 */
/* Values, keys and scans. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/storage_internal.h"

/* ------------------------------------------------------------------ values */

static void storage_keeps_bytes(struct storage_world *world, const void *data, size_t size)
{
    struct iotify_write write = {.kind = IOTIFY_WRITE_PUT, .key = "bytes", .value = {data, size}};
    struct iotify_read read = {.key = "bytes"};
    enum iotify_result result = guard_apply(world->guard, &world->call, &write, 1);

    if (!suite_check(world->suite, result == IOTIFY_RESULT_OK, "apply() failed: %s",
            call_message(&world->call, result)))
        return;
    result = guard_get_many(world->guard, &world->call, &read, 1);
    suite_check(world->suite, result == IOTIFY_RESULT_OK && read.result == IOTIFY_RESULT_OK,
        "get_many() does not find it: %s", call_message(&world->call, result));
    suite_check(world->suite, read.value.size == size, "%zu bytes were written and %zu read", size,
        read.value.size);
    if (read.value.size == size && size)
        suite_check(
            world->suite, memcmp(read.value.data, data, size) == 0, "other bytes came back");
}

static void storage_value(struct storage_world *world, const void *data)
{
    size_t size = *(const size_t *)data;
    unsigned char *bytes = malloc(size + 1);

    for (size_t i = 0; bytes && i < size; i++)
        bytes[i] = (unsigned char)(i * 31 + (i >> 8));
    if (bytes)
        storage_keeps_bytes(world, bytes, size);
    free(bytes);
}

struct storage_bytes {
    const char *name, *data;
    size_t size;
};

static void storage_text(struct storage_world *world, const void *data)
{
    const struct storage_bytes *bytes = data;

    storage_keeps_bytes(world, bytes->data, bytes->size);
}

/* ------------------------------------------------------------------ keys */

static void storage_key(struct storage_world *world, const void *data)
{
    struct storage_keys keys = {0};
    const char *key = data;

    storage_write(world, IOTIFY_WRITE_PUT, key, "1", NULL);
    storage_write(world, IOTIFY_WRITE_PUT, "other", "2", NULL);
    storage_expect(world, key, "1");
    storage_scan(world, key, NULL, 10, &keys);
    suite_check(world->suite, keys.count >= 1 && strcmp(keys.items[0], key) == 0,
        "scan() with the key as the prefix does not find it first");
    storage_write(world, IOTIFY_WRITE_DELETE, key, NULL, NULL);
    storage_expect(world, key, NULL);
    storage_expect(world, "other", "2");
    storage_clear_keys(&keys);
}

static void storage_longest_key(struct storage_world *world, const void *data)
{
    char key[IOTIFY_KEY_MAX + 1];

    memset(key, *(const char *)data, IOTIFY_KEY_MAX);
    key[IOTIFY_KEY_MAX] = '\0';
    storage_key(world, key);
    /* Two that differ in the last byte only. */
    storage_write(world, IOTIFY_WRITE_PUT, key, "a", NULL);
    key[IOTIFY_KEY_MAX - 1] = '~';
    storage_write(world, IOTIFY_WRITE_PUT, key, "b", NULL);
    storage_expect(world, key, "b");
    key[IOTIFY_KEY_MAX - 1] = *(const char *)data;
    storage_expect(world, key, "a");
}

static void storage_similar_keys(struct storage_world *world, const void *data)
{
    static const char *const keys[] = {
        "a", "A", "a ", " a", "a/", "a/b", "ab", "a\1", "aa", "a.", "a_", "a%", "%61", "a*"};

    (void)data;
    for (size_t i = 0; i < COUNT(keys); i++)
        storage_write(world, IOTIFY_WRITE_CREATE, keys[i], keys[i], NULL);
    for (size_t i = 0; i < COUNT(keys); i++)
        storage_expect(world, keys[i], keys[i]);
}

/* ------------------------------------------------------------------ scans */

static const char *const storage_scanned[] = {"\1", "p", "p/", "p/\1", "p/01", "p/02", "p/03",
    "p/1", "p/~", "p/\x7f", "p/\xc3\xa4", "p/\xff", "p0", "q", "\xff"};

struct storage_query {
    const char *name, *prefix, *after;
    size_t limit;
    const char *found; /* the keys, as indices into storage_scanned */
};

static const struct storage_query storage_queries[] = {
    {"all, in the order of bytes", "", NULL, 100, "0123456789abcde"},
    {"a prefix", "p/", NULL, 100, "23456789ab"},
    {"a prefix that is a key", "p/0", NULL, 100, "456"},
    {"a prefix without keys", "x", NULL, 100, ""},
    {"a prefix longer than any key", "p/01/and/more", NULL, 100, ""},
    {"a limit", "p/", NULL, 3, "234"},
    {"a limit of one", "", NULL, 1, "0"},
    {"after a key", "p/", "p/02", 100, "6789ab"},
    {"after a key that is absent", "p/", "p/015", 100, "56789ab"},
    {"after the prefix itself", "p/", "p/", 100, "3456789ab"},
    {"after a key below the prefix", "p/", "a", 100, "23456789ab"},
    {"after a key above the prefix", "p/", "q", 100, ""},
    {"after the last", "p/", "p/\xff", 100, ""},
    {"after, with a limit", "p/", "p/01", 2, "56"},
};

static void storage_query(struct storage_world *world, const void *data)
{
    const struct storage_query *query = data;
    struct storage_keys keys = {0};

    for (size_t i = COUNT(storage_scanned); i > 0; i--)
        storage_write(world, IOTIFY_WRITE_PUT, storage_scanned[i - 1], "x", NULL);
    storage_scan(world, query->prefix, query->after, query->limit, &keys);
    suite_check(world->suite, keys.count == strlen(query->found), "%zu keys are found, not %zu",
        keys.count, strlen(query->found));
    for (size_t i = 0; i < keys.count && query->found[i]; i++) {
        size_t at =
            (size_t)(query->found[i] <= '9' ? query->found[i] - '0' : query->found[i] - 'a' + 10);

        suite_check(world->suite, strcmp(keys.items[i], storage_scanned[at]) == 0,
            "key %zu is not the one that is due", i);
    }
    storage_clear_keys(&keys);
}

/* Page through 1,000 keys. */
static void storage_paging(struct storage_world *world, const void *data)
{
    size_t limit = *(const size_t *)data, all = 1000, found = 0;
    struct iotify_write *writes = arena_array(&world->call.arena, all, sizeof(*writes));
    struct storage_keys keys = {0};
    char after[32] = "", wanted[32];

    for (size_t i = 0; i < all; i++)
        writes[i] = (struct iotify_write){.kind = IOTIFY_WRITE_PUT,
            .key = arena_format(&world->call.arena, "page/%05zu", (i * 7919) % all),
            .value = {"x", 1}};
    guard_apply(world->guard, &world->call, writes, all);
    while (storage_scan(world, "page/", *after ? after : NULL, limit, &keys) > 0 && found <= all)
        for (size_t i = 0; i < keys.count; i++) {
            snprintf(wanted, sizeof(wanted), "page/%05zu", found++);
            if (!suite_check(world->suite, strcmp(keys.items[i], wanted) == 0,
                    "%s came in place of %s", keys.items[i], wanted)) {
                storage_clear_keys(&keys);
                return;
            }
            snprintf(after, sizeof(after), "%s", wanted);
        }
    suite_check(world->suite, found == all, "%zu of %zu keys were found", found, all);
    storage_clear_keys(&keys);
}

static void storage_scan_after_delete(struct storage_world *world, const void *data)
{
    struct storage_keys keys = {0};

    (void)data;
    storage_write(world, IOTIFY_WRITE_PUT, "a", "1", NULL);
    storage_write(world, IOTIFY_WRITE_PUT, "b", "1", NULL);
    storage_write(world, IOTIFY_WRITE_DELETE, "a", NULL, NULL);
    storage_scan(world, "", NULL, 10, &keys);
    suite_check(world->suite, keys.count == 1 && strcmp(keys.items[0], "b") == 0,
        "a deleted key is still listed");
    storage_clear_keys(&keys);
}

void storage_data_cases(struct suite *suite, const void *options)
{
    static const size_t sizes[] = {0, 1, 2, 15, 16, 255, 256, 4095, 4096, 4097, 65535, 65536,
        1048576, IOTIFY_VALUE_MAX - 1, IOTIFY_VALUE_MAX};
    static const struct storage_bytes texts[] = {{"NULs only", "\0\0\0\0", 4},
        {"a NUL at the end", "text\0", 5}, {"line breaks", "a\r\nb\n", 5},
        {"bytes that are not UTF-8", "\xff\xfe\x80", 3},
        {"quotes and backslashes", "\"'\\%s;--", 8}};
    static const char *const keys[] = {"a", "with space", " ", "../../etc/passwd", "a/b/c", "/",
        ".", "..", "%41%00", "+", "\xc3\xbcml\xc3\xa4ut", "\1\177", "\xff\xfe", "A", "*?[x]",
        ".writing", "'; DROP TABLE x; --", "{}", "line\nbreak", "-", "glob/x", "record/aws/1/0",
        "note/seal"};
    static const char longest[] = {'/', 'x', (char)0xff};

    for (size_t i = 0; i < COUNT(sizes); i++)
        storage_case(suite, options, "a value of",
            arena_format(&suite->arena, "%zu bytes", sizes[i]), storage_value, &sizes[i]);
    for (size_t i = 0; i < COUNT(texts); i++)
        storage_case(suite, options, "a value with", texts[i].name, storage_text, &texts[i]);
    for (size_t i = 0; i < COUNT(keys); i++)
        storage_case(suite, options, "a key", arena_format(&suite->arena, "number %zu", i + 1),
            storage_key, keys[i]);
    for (size_t i = 0; i < sizeof(longest); i++)
        storage_case(suite, options, "the longest keys",
            arena_format(&suite->arena, "of 0x%02x", (unsigned char)longest[i]),
            storage_longest_key, &longest[i]);
    storage_case(suite, options, "keys that are alike", NULL, storage_similar_keys, NULL);
}

void storage_scan_cases(struct suite *suite, const void *options)
{
    static const size_t limits[] = {1, 7, 100, 1000, 5000};

    for (size_t i = 0; i < COUNT(storage_queries); i++)
        storage_case(
            suite, options, "scan", storage_queries[i].name, storage_query, &storage_queries[i]);
    for (size_t i = 0; i < COUNT(limits); i++)
        storage_case(suite, options, "scan in pages of",
            arena_format(&suite->arena, "%zu", limits[i]), storage_paging, &limits[i]);
    storage_case(suite, options, "scan after a deletion", NULL, storage_scan_after_delete, NULL);
}
