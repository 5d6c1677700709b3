/* SPDX-License-Identifier: Apache-2.0 */
/* Tests the rules of iotify/storage.h with any backend: test_storage NAME. */
#include "check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/plugin/call.h"
#include "core/plugin/registry.h"
#include "core/settings/schema.h"

static const char *name;
static struct registry registry;
static const struct plugin *plugin;
static char folder[64];
static struct arena options_arena;
static void *options, *store;
static struct call call;

static void open_store(void)
{
    call_init(&call, "test");
    assert_int_equal(plugin->storage.open(&call.base, options, &store), IOTIFY_RESULT_OK);
}

static void close_store(void)
{
    plugin->storage.close(store);
    call_clear(&call);
}

static int set_up(void **state)
{
    struct diagnostics diagnostics = {0};
    struct binder binder = {&options_arena, &diagnostics, folder, "new/job", false};
    struct location location = {"test", 1, 1};

    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/iotify-storage-XXXXXX");
    assert_non_null(mkdtemp(folder));
    options = schema_bind(&binder, plugin->descriptor.settings, NULL, "test", location, NULL, NULL);
    mkdir(arena_format(&options_arena, "%s/new", folder), 0700);
    diagnostics_clear(&diagnostics);
    open_store();
    return 0;
}

static int tear_down(void **state)
{
    char *command;

    (void)state;
    close_store();
    command = arena_format(&options_arena, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    arena_clear(&options_arena);
    return 0;
}

static enum iotify_result write_one(
    enum iotify_write_kind kind, const char *key, const char *value, const char *expected)
{
    struct iotify_write write = {.kind = kind, .key = key};

    if (value)
        write.value = (struct iotify_bytes){value, strlen(value)};
    if (expected)
        write.expected = (struct iotify_bytes){expected, strlen(expected)};
    assert_int_equal(plugin->storage.apply(store, &call.base, &write, 1), IOTIFY_RESULT_OK);
    return write.result;
}

static const char *read_one(const char *key)
{
    struct iotify_read read = {.key = key};

    assert_int_equal(plugin->storage.get_many(store, &call.base, &read, 1), IOTIFY_RESULT_OK);
    return read.result == IOTIFY_RESULT_OK ? read.value.data : NULL;
}

static void writes_by_the_rules(void **state)
{
    (void)state;
    assert_null(read_one("k"));
    assert_int_equal(write_one(IOTIFY_WRITE_CREATE, "k", "1", NULL), IOTIFY_RESULT_OK);
    assert_int_equal(write_one(IOTIFY_WRITE_CREATE, "k", "2", NULL), IOTIFY_RESULT_EXISTS);
    assert_string_equal(read_one("k"), "1");
    assert_int_equal(
        write_one(IOTIFY_WRITE_COMPARE_AND_SET, "k", "3", "2"), IOTIFY_RESULT_CONFLICT);
    assert_int_equal(write_one(IOTIFY_WRITE_COMPARE_AND_SET, "k", "3", "1"), IOTIFY_RESULT_OK);
    assert_int_equal(
        write_one(IOTIFY_WRITE_COMPARE_AND_SET, "absent", "3", "1"), IOTIFY_RESULT_CONFLICT);
    assert_string_equal(read_one("k"), "3");
    assert_int_equal(write_one(IOTIFY_WRITE_PUT, "k", "4", NULL), IOTIFY_RESULT_OK);
    assert_string_equal(read_one("k"), "4");
    assert_int_equal(write_one(IOTIFY_WRITE_DELETE, "k", NULL, NULL), IOTIFY_RESULT_OK);
    assert_int_equal(write_one(IOTIFY_WRITE_DELETE, "k", NULL, NULL), IOTIFY_RESULT_OK);
    assert_null(read_one("k"));
    assert_int_equal(write_one(IOTIFY_WRITE_PUT, "empty", "", NULL), IOTIFY_RESULT_OK);
    assert_string_equal(read_one("empty"), "");
    assert_int_equal(write_one(IOTIFY_WRITE_CREATE, "empty", "x", NULL), IOTIFY_RESULT_EXISTS);
    assert_int_equal(write_one(IOTIFY_WRITE_COMPARE_AND_SET, "empty", "x", ""), IOTIFY_RESULT_OK);
}

static void companions_follow_the_first(void **state)
{
    struct iotify_write writes[3] = {
        {.kind = IOTIFY_WRITE_CREATE, .key = "r", .value = {"1", 1}},
        {.kind = IOTIFY_WRITE_PUT, .key = "a", .value = {"1", 1}, .with_previous = true},
        {.kind = IOTIFY_WRITE_DELETE, .key = "b", .with_previous = true},
    };

    (void)state;
    write_one(IOTIFY_WRITE_PUT, "b", "kept", NULL);
    write_one(IOTIFY_WRITE_PUT, "r", "before", NULL);
    assert_int_equal(plugin->storage.apply(store, &call.base, writes, 3), IOTIFY_RESULT_OK);
    assert_int_equal(writes[0].result, IOTIFY_RESULT_EXISTS);
    assert_int_equal(writes[1].result, IOTIFY_RESULT_FAILED);
    assert_int_equal(writes[2].result, IOTIFY_RESULT_FAILED);
    assert_null(read_one("a"));
    assert_string_equal(read_one("b"), "kept");
    write_one(IOTIFY_WRITE_DELETE, "r", NULL, NULL);
    assert_int_equal(plugin->storage.apply(store, &call.base, writes, 3), IOTIFY_RESULT_OK);
    assert_string_equal(read_one("a"), "1");
    assert_null(read_one("b"));
}

static void keeps_any_bytes(void **state)
{
    enum { SIZE = 300000 };
    char *bytes = arena_alloc(&call.arena, SIZE);
    struct iotify_write write = {.kind = IOTIFY_WRITE_PUT, .key = "bytes", .value = {bytes, SIZE}};
    struct iotify_read read = {.key = "bytes"};

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 31);
    assert_int_equal(plugin->storage.apply(store, &call.base, &write, 1), IOTIFY_RESULT_OK);
    assert_int_equal(plugin->storage.get_many(store, &call.base, &read, 1), IOTIFY_RESULT_OK);
    assert_int_equal(read.value.size, SIZE);
    assert_memory_equal(read.value.data, bytes, SIZE);
}

static void keeps_any_key(void **state)
{
    static const char *const keys[] = {"a", "with space", "../../etc/passwd", "a/b/c", ".", "..",
        "%41", "+", "ümlaut", "\1\177", "A", "*", ".writing"};
    char longest[IOTIFY_KEY_MAX + 1];

    (void)state;
    memset(longest, '/', IOTIFY_KEY_MAX);
    longest[IOTIFY_KEY_MAX] = '\0';
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        write_one(IOTIFY_WRITE_PUT, keys[i], keys[i], NULL);
    write_one(IOTIFY_WRITE_PUT, longest, "longest", NULL);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_string_equal(read_one(keys[i]), keys[i]);
    assert_string_equal(read_one(longest), "longest");
    write_one(IOTIFY_WRITE_DELETE, longest, NULL, NULL);
    assert_null(read_one(longest));
}

struct found {
    char keys[64][IOTIFY_KEY_MAX + 1];
    size_t count;
};

static void collect(void *argument, const char *key)
{
    struct found *found = argument;

    assert_true(found->count < 64);
    snprintf(found->keys[found->count++], IOTIFY_KEY_MAX + 1, "%s", key);
}

static size_t scan(struct found *found, const char *prefix, const char *after, size_t limit)
{
    found->count = 0;
    assert_int_equal(plugin->storage.scan(store, &call.base, prefix, after, limit, collect, found),
        IOTIFY_RESULT_OK);
    return found->count;
}

static void lists_in_order(void **state)
{
    static struct found found;
    char longest[IOTIFY_KEY_MAX + 1] = "p/";

    (void)state;
    memset(longest + 2, 'z', IOTIFY_KEY_MAX - 2);
    longest[IOTIFY_KEY_MAX] = '\0';
    for (int i = 19; i >= 0; i--)
        write_one(IOTIFY_WRITE_PUT, arena_format(&call.arena, "p/%02d", i), "x", NULL);
    write_one(IOTIFY_WRITE_PUT, longest, "x", NULL);
    write_one(IOTIFY_WRITE_PUT, "p", "x", NULL);
    write_one(IOTIFY_WRITE_PUT, "p0", "x", NULL);
    write_one(IOTIFY_WRITE_PUT, "q", "x", NULL);
    assert_int_equal(scan(&found, "p/", NULL, 100 - 40), 21);
    for (int i = 0; i < 20; i++)
        assert_string_equal(found.keys[i], arena_format(&call.arena, "p/%02d", i));
    assert_string_equal(found.keys[20], longest);
    assert_int_equal(scan(&found, "p/", NULL, 5), 5);
    assert_string_equal(found.keys[4], "p/04");
    assert_int_equal(scan(&found, "p/", "p/04", 5), 5);
    assert_string_equal(found.keys[0], "p/05");
    assert_int_equal(scan(&found, "p/", longest, 5), 0);
    assert_int_equal(scan(&found, "nothing", NULL, 5), 0);
}

static void survives_closing(void **state)
{
    (void)state;
    if (plugin->storage.durability != IOTIFY_DURABILITY_DURABLE)
        skip();
    write_one(IOTIFY_WRITE_PUT, "k", "v", NULL);
    close_store();
    open_store();
    assert_string_equal(read_one("k"), "v");
}

static void check_mode(const char *path)
{
    struct stat about;

    assert_int_equal(lstat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, S_ISDIR(about.st_mode) ? 0700 : 0600);
    if (S_ISDIR(about.st_mode)) {
        DIR *directory = opendir(path);
        const struct dirent *entry;

        while ((entry = readdir(directory)))
            if (entry->d_name[0] != '.')
                check_mode(arena_format(&call.arena, "%s/%s", path, entry->d_name));
        closedir(directory);
    }
}

static void nobody_else_may_read(void **state)
{
    mode_t before = umask(0);

    (void)state;
    close_store();
    assert_int_equal(system(arena_format(&options_arena, "rm -rf %s/new", folder)), 0);
    mkdir(arena_format(&options_arena, "%s/new", folder), 0700);
    open_store();
    write_one(IOTIFY_WRITE_PUT, "k", "v", NULL);
    umask(before);
    check_mode(arena_format(&options_arena, "%s/new", folder));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {CASE(writes_by_the_rules), CASE(companions_follow_the_first),
        CASE(keeps_any_bytes), CASE(keeps_any_key), CASE(lists_in_order), CASE(survives_closing),
        CASE(nobody_else_may_read)};
    const char *text;
    int failed;

    name = count > 1 ? arguments[1] : "memory";
    registry_init(&registry);
    if (registry_load(&registry, name, &plugin, &text) != REGISTRY_OK) {
        fprintf(stderr, "%s\n", text);
        return 1;
    }
    failed = cmocka_run_group_tests_name(name, tests, NULL, NULL);
    registry_clear(&registry);
    return failed;
}
