/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of iotify/storage.h, with any backend, through the host's own checks. Each case begins
 * with an empty store, and leaves one.
 */
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance/storage_internal.h"

#include "core/base/activity.h"

/* ------------------------------------------------------------------ the store of a case */

bool storage_open(struct suite *suite, struct storage_world *world)
{
    enum iotify_result result;

    call_init(&world->call, "conformance");
    world->suite = suite;
    world->guard = &world->owned;
    result = guard_open(world->guard, &world->call, suite->plugin, world->options);
    world->open = result == IOTIFY_RESULT_OK;
    if (!world->open)
        call_clear(&world->call);
    return suite_check(suite, world->open, "open() failed: %s", call_message(&world->call, result));
}

void storage_close(struct storage_world *world)
{
    if (!world->open)
        return;
    guard_close(world->guard);
    call_clear(&world->call);
    world->open = false;
}

static void storage_add_key(void *argument, const char *key)
{
    struct storage_keys *keys = argument;

    if (keys->count < STORAGE_KEYS_MAX)
        keys->items[keys->count] = arena_string(&keys->arena, key);
    keys->count++;
}

void storage_clear_keys(struct storage_keys *keys)
{
    arena_clear(&keys->arena);
    keys->count = 0;
}

size_t storage_scan(struct storage_world *world, const char *prefix, const char *after,
    size_t limit, struct storage_keys *keys)
{
    enum iotify_result result;

    storage_clear_keys(keys);
    result = guard_scan(world->guard, &world->call, prefix, after, limit, storage_add_key, keys);
    suite_check(world->suite, result == IOTIFY_RESULT_OK, "scan() failed: %s",
        call_message(&world->call, result));
    return keys->count;
}

enum iotify_result storage_write(struct storage_world *world, enum iotify_write_kind kind,
    const char *key, const char *value, const char *expected)
{
    struct iotify_write write = {.kind = kind, .key = key};
    enum iotify_result result;

    if (value)
        write.value = (struct iotify_bytes){value, strlen(value)};
    if (expected)
        write.expected = (struct iotify_bytes){expected, strlen(expected)};
    result = guard_apply(world->guard, &world->call, &write, 1);
    suite_check(world->suite, result == IOTIFY_RESULT_OK, "apply() failed: %s",
        call_message(&world->call, result));
    return result == IOTIFY_RESULT_OK ? write.result : result;
}

/* The value of a key, NULL: absent; valid until the store is closed. */
const char *storage_read(struct storage_world *world, const char *key)
{
    struct iotify_read read = {.key = key};
    enum iotify_result result = guard_get_many(world->guard, &world->call, &read, 1);

    suite_check(world->suite, result == IOTIFY_RESULT_OK, "get_many() failed: %s",
        call_message(&world->call, result));
    return result == IOTIFY_RESULT_OK && read.result == IOTIFY_RESULT_OK ? read.value.data : NULL;
}

/* Check that a key has a value; NULL: that it is absent. */
bool storage_expect(struct storage_world *world, const char *key, const char *value)
{
    const char *found = storage_read(world, key);

    return suite_check(world->suite, value ? found && strcmp(found, value) == 0 : !found,
        "the key \"%.40s\" %s%.40s%s, and should %s%s", key,
        found ? "has the value \"" : "is absent", found ? found : "", found ? "\"" : "",
        value ? "have the value " : "be absent", value ? value : "");
}

static void storage_empty(struct storage_world *world)
{
    struct storage_keys keys = {0};
    int rounds = 0;

    while (
        world->open && rounds++ < 3 && storage_scan(world, "", NULL, STORAGE_KEYS_MAX, &keys) > 0)
        for (size_t i = 0; i < keys.count; i++)
            if (storage_write(world, IOTIFY_WRITE_DELETE, keys.items[i], NULL, NULL) !=
                IOTIFY_RESULT_OK) {
                storage_clear_keys(&keys);
                return;
            }
    storage_clear_keys(&keys);
}

struct storage_step {
    void (*run)(struct storage_world *world, const void *data);
    const void *data;
    const void *options;
};

static void storage_run(struct suite *suite, const void *data)
{
    const struct storage_step *step = data;
    struct storage_world world = {.options = step->options};

    if (!storage_open(suite, &world))
        return;
    step->run(&world, step->data);
    storage_empty(&world);
    storage_close(&world);
}

void storage_case(struct suite *suite, const void *options, const char *name, const char *detail,
    void (*run)(struct storage_world *world, const void *data), const void *data)
{
    const struct storage_step step = {run, data, options};

    suite_case(suite, detail ? arena_format(&suite->arena, "%s: %s", name, detail) : name,
        storage_run, &step);
}

/* ------------------------------------------------------------------ closing and opening */

static void storage_reopen(struct storage_world *world, const void *data)
{
    const struct storage_rule *rule = data;

    if (world->suite->plugin->storage.durability != IOTIFY_DURABILITY_DURABLE) {
        suite_skip(world->suite, "the plugin is volatile");
        return;
    }
    if (rule->before)
        storage_write(world, IOTIFY_WRITE_PUT, "k", rule->before, NULL);
    storage_write(world, rule->kind, "k", rule->value, rule->expected);
    storage_close(world);
    if (storage_open(world->suite, world))
        storage_expect(world, "k", rule->after);
}

static void storage_open_unused(struct storage_world *world, const void *data)
{
    int before;

    (void)data;
    storage_close(world);
    before = suite_descriptors();
    for (int i = 0; i < 20 && storage_open(world->suite, world); i++)
        storage_close(world);
    suite_check(world->suite, suite_descriptors() == before,
        "%d descriptors are open, %d before: open() and close() leave some", suite_descriptors(),
        before);
    storage_open(world->suite, world);
}

static void storage_close_after_use(struct storage_world *world, const void *data)
{
    int before;

    (void)data;
    storage_close(world);
    before = suite_descriptors();
    for (int i = 0; i < 20 && storage_open(world->suite, world); i++) {
        storage_write(world, IOTIFY_WRITE_PUT, "k", "v", NULL);
        storage_read(world, "k");
        storage_write(world, IOTIFY_WRITE_DELETE, "k", NULL, NULL);
        storage_close(world);
    }
    suite_check(world->suite, suite_descriptors() == before, "%d descriptors are open, %d before",
        suite_descriptors(), before);
    storage_open(world->suite, world);
}

/* Two processes, or two jobs of one: either it is refused, or both see the same. */
static void storage_open_twice(struct storage_world *world, const void *data)
{
    struct storage_world other = {.options = world->options, .suite = world->suite};
    enum iotify_result result;

    (void)data;
    storage_write(world, IOTIFY_WRITE_PUT, "k", "v", NULL);
    other.guard = &other.owned;
    call_init(&other.call, "conformance");
    result = guard_open(other.guard, &other.call, world->suite->plugin, world->options);
    other.open = result == IOTIFY_RESULT_OK;
    suite_check(world->suite, other.open || result == IOTIFY_RESULT_CONFLICT,
        "a second open() failed, and not with CONFLICT: %s", call_message(&other.call, result));
    if (other.open && world->suite->plugin->storage.durability == IOTIFY_DURABILITY_DURABLE) {
        storage_expect(&other, "k", "v");
        suite_check(world->suite,
            storage_write(&other, IOTIFY_WRITE_CREATE, "k", "w", NULL) == IOTIFY_RESULT_EXISTS,
            "the second one creates a key that the first one has");
        storage_write(&other, IOTIFY_WRITE_PUT, "k", "w", NULL);
        storage_expect(world, "k", "w");
    }
    if (other.open)
        storage_close(&other);
    else
        call_clear(&other.call);
}

static int storage_remove_below(
    const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status, (void)type, (void)where;
    return remove(path);
}

static void storage_check_mode(struct suite *suite, const char *path)
{
    struct stat about;
    DIR *directory;
    const struct dirent *entry;

    if (lstat(path, &about) != 0)
        return;
    suite_check(suite, (about.st_mode & 0777) == (S_ISDIR(about.st_mode) ? 0700u : 0600u),
        "%s has the mode %03o", path, about.st_mode & 0777);
    directory = S_ISDIR(about.st_mode) ? opendir(path) : NULL;
    while (directory && (entry = readdir(directory)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            storage_check_mode(suite, arena_format(&suite->arena, "%s/%s", path, entry->d_name));
    if (directory)
        closedir(directory);
}

/* Keys are in it: files that the plugin makes are the user's alone, whatever the umask. */
static void storage_files_are_private(struct storage_world *world, const void *data)
{
    mode_t before = umask(0);

    (void)data;
    storage_write(world, IOTIFY_WRITE_PUT, "k", "v", NULL);
    storage_close(world);
    storage_open(world->suite, world);
    storage_write(world, IOTIFY_WRITE_PUT, "k", "w", NULL);
    umask(before);
    storage_check_mode(world->suite, world->suite->folder);
}

/* A store that is only read is not created. */
static void storage_reading_makes_no_files(struct storage_world *world, const void *data)
{
    const char *folder = world->suite->folder;

    (void)data;
    storage_close(world);
    nftw(folder, storage_remove_below, 16, FTW_DEPTH | FTW_PHYS);
    mkdir(folder, 0700);
    if (!storage_open(world->suite, world))
        return;
    storage_expect(world, "k", NULL);
    storage_close(world);
    suite_check(world->suite, rmdir(folder) == 0, "open() and a read made files in %s", folder);
    mkdir(folder, 0700);
    storage_open(world->suite, world);
}

static void storage_durability_holds(struct storage_world *world, const void *data)
{
    enum iotify_result result = guard_verify_durability(world->guard, &world->call);

    (void)data;
    suite_check(world->suite, result == IOTIFY_RESULT_OK, "verify_durability(): %s",
        call_message(&world->call, result));
}

static void storage_cases_of_life(struct suite *suite, const void *options)
{
    static const size_t reopened[] = {0, 4, 5, 8, 15, 17};

    for (size_t i = 0; i < COUNT(reopened); i++)
        storage_case(suite, options, "survives closing", storage_rules[reopened[i]].name,
            storage_reopen, &storage_rules[reopened[i]]);
    storage_case(suite, options, "open and close, unused", NULL, storage_open_unused, NULL);
    storage_case(suite, options, "open, use and close", NULL, storage_close_after_use, NULL);
    storage_case(suite, options, "open twice", NULL, storage_open_twice, NULL);
    storage_case(suite, options, "files are private", NULL, storage_files_are_private, NULL);
    storage_case(
        suite, options, "reading makes no files", NULL, storage_reading_makes_no_files, NULL);
    storage_case(
        suite, options, "durability is what it promises", NULL, storage_durability_holds, NULL);
}

static void storage_check_empty(struct suite *suite, const void *data)
{
    struct storage_world world = {.options = data};
    struct storage_keys keys = {0};

    if (!storage_open(suite, &world))
        return;
    if (storage_scan(&world, "", NULL, 10, &keys) > 0 && !suite->why) {
        fprintf(stderr,
            "iotify-plugin-test: the store has entries, and the suite deletes everything in it; "
            "choose an empty one with --set\n");
        activity_exit(2);
    }
    storage_clear_keys(&keys);
    storage_close(&world);
}

void storage_suite(struct suite *suite)
{
    const void *options = suite_bind(suite, suite->plugin->descriptor.settings, NULL);

    suite_case(suite, "an empty store has no keys", storage_check_empty, options);
    storage_data_cases(suite, options);
    storage_write_cases(suite, options);
    storage_scan_cases(suite, options);
    storage_cases_of_life(suite, options);
    storage_race_cases(suite, options);
    storage_kill_cases(suite, options);
}
