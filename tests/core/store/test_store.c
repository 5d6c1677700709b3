/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/settings/schema.h"
#include "core/store/lease.h"
#include "core/store/store.h"

static struct registry registry;
static struct store *store;
static struct call call;
static struct arena arena;
static char folder[64];

static int set_up(void **state)
{
    struct diagnostics diagnostics = {0};
    struct binder binder = {&arena, &diagnostics, folder, "job", false};
    struct location location = {"test", 1, 1};
    const struct plugin *plugin;
    const char *text;

    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/iotify-store-XXXXXX");
    assert_non_null(mkdtemp(folder));
    registry_init(&registry);
    assert_int_equal(registry_load(&registry, "sqlite", &plugin, &text), REGISTRY_OK);
    call_init(&call, "test");
    assert_int_equal(
        store_open(&call, plugin,
            schema_bind(&binder, plugin->descriptor.settings, NULL, "t", location, NULL, NULL),
            &store),
        IOTIFY_RESULT_OK);
    diagnostics_clear(&diagnostics);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    store_close(store);
    call_clear(&call);
    registry_clear(&registry);
    assert_int_equal(system(arena_format(&arena, "rm -rf %s", folder)), 0);
    arena_clear(&arena);
    return 0;
}

enum { THREADS = 16, WRITES = 100 };

static void *write_many(void *argument)
{
    int thread = *(int *)argument;

    for (int i = 0; i < WRITES; i++) {
        struct call own;
        struct iotify_write writes[2];

        call_init(&own, "thread");
        /* All threads create the same keys: exactly one may succeed for each. */
        writes[0] = (struct iotify_write){.kind = IOTIFY_WRITE_CREATE,
            .key = arena_format(&own.arena, "glob/shared-%d", i),
            .value = {&thread, sizeof(thread)}};
        writes[1] = (struct iotify_write){.kind = IOTIFY_WRITE_PUT,
            .key = arena_format(&own.arena, "glob/%d-%d", thread, i),
            .value = {"x", 1}};
        assert_int_equal(store_apply(store, &own, writes, 2), IOTIFY_RESULT_OK);
        if (writes[0].result == IOTIFY_RESULT_OK)
            *(int *)argument += 1 << 16;
        else
            assert_int_equal(writes[0].result, IOTIFY_RESULT_EXISTS);
        assert_int_equal(writes[1].result, IOTIFY_RESULT_OK);
        call_clear(&own);
    }
    return NULL;
}

static void count_key(void *argument, const char *key)
{
    (void)key;
    ++*(int *)argument;
}

static void groups_writes_of_threads(void **state)
{
    pthread_t threads[THREADS];
    int numbers[THREADS], keys = 0, won = 0;

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        won += numbers[i] >> 16;
    }
    assert_int_equal(won, WRITES);
    assert_int_equal(
        store_list_glob(store, &call, "", SIZE_MAX, count_key, &keys), IOTIFY_RESULT_OK);
    assert_int_equal(keys, THREADS * WRITES + WRITES);
}

static void one_bad_write_spoils_no_other(void **state)
{
    struct iotify_write good = {.kind = IOTIFY_WRITE_PUT, .key = "glob/good", .value = {"x", 1}};
    struct iotify_bytes value;

    (void)state;
    assert_int_equal(store_apply(store, &call, &good, 1), IOTIFY_RESULT_OK);
    assert_null(store_glob_key(&call, arena_format(&arena, "%02000d", 1)));
    assert_int_equal(
        store_get(store, &call, store_glob_key(&call, "good"), &value), IOTIFY_RESULT_OK);
    assert_int_equal(
        store_get(store, &call, store_glob_key(&call, "bad"), &value), IOTIFY_RESULT_NOT_FOUND);
}

static void spaces_do_not_mix(void **state)
{
    struct iotify_write writes[4] = {
        {.kind = IOTIFY_WRITE_PUT,
            .key = store_record_key(&call, "aws", "1/eu", 10),
            .value = {"x", 1}},
        {.kind = IOTIFY_WRITE_PUT,
            .key = store_record_key(&call, "aws", "1/eu", 9),
            .value = {"x", 1}},
        {.kind = IOTIFY_WRITE_PUT,
            .key = store_record_key(&call, "aws", "2/eu", 5),
            .value = {"x", 1}},
        {.kind = IOTIFY_WRITE_PUT, .key = store_note_key(&call, "job"), .value = {"x", 1}},
    };
    int64_t *clients;
    size_t count;
    int keys = 0;

    (void)state;
    assert_int_equal(store_apply(store, &call, writes, 4), IOTIFY_RESULT_OK);
    assert_int_equal(
        store_list_glob(store, &call, "", SIZE_MAX, count_key, &keys), IOTIFY_RESULT_OK);
    assert_int_equal(keys, 0);
    assert_int_equal(
        store_list_records(store, &call, "aws", "1/eu", &clients, &count), IOTIFY_RESULT_OK);
    assert_int_equal(count, 2);
    assert_int_equal(clients[0], 9);
    assert_int_equal(clients[1], 10);
}

/* ------------------------------------------------------------------ the seal */

static void unseal(void)
{
    const struct seal_settings settings = {
        .with = SEAL_FILE, .key_file = arena_format(&arena, "%s/job.key", folder)};

    assert_int_equal(store_unseal(store, &call, &settings, true), IOTIFY_RESULT_OK);
}

static void put(
    enum iotify_write_kind kind, const char *expected, const char *value, enum iotify_result result)
{
    struct iotify_write write = {.kind = kind, .key = "glob/a", .value = {value, strlen(value)}};

    if (expected)
        write.expected = (struct iotify_bytes){expected, strlen(expected)};
    assert_int_equal(store_apply(store, &call, &write, 1), IOTIFY_RESULT_OK);
    assert_int_equal(write.result, result);
}

/* Conditional writes compare the value, although only its sealed form is stored. */
static void sealed_values_compare(void **state)
{
    struct iotify_bytes value;

    (void)state;
    unseal();
    put(IOTIFY_WRITE_CREATE, NULL, "one", IOTIFY_RESULT_OK);
    put(IOTIFY_WRITE_CREATE, NULL, "two", IOTIFY_RESULT_EXISTS);
    put(IOTIFY_WRITE_COMPARE_AND_SET, "two", "three", IOTIFY_RESULT_CONFLICT);
    put(IOTIFY_WRITE_COMPARE_AND_SET, "one", "", IOTIFY_RESULT_OK);
    put(IOTIFY_WRITE_COMPARE_AND_SET, "", "four", IOTIFY_RESULT_OK);
    assert_int_equal(store_get(store, &call, "glob/a", &value), IOTIFY_RESULT_OK);
    assert_int_equal(value.size, 4);
    assert_string_equal(value.data, "four");
    put(IOTIFY_WRITE_COMPARE_AND_DELETE, "one", "", IOTIFY_RESULT_CONFLICT);
    put(IOTIFY_WRITE_COMPARE_AND_DELETE, "four", "", IOTIFY_RESULT_OK);
    assert_int_equal(store_get(store, &call, "glob/a", &value), IOTIFY_RESULT_NOT_FOUND);
}

static void seals_bind_key_and_value(void **state)
{
    const struct seal_settings settings = {
        .with = SEAL_FILE, .key_file = arena_format(&arena, "%s/job.key", folder)};
    const struct iotify_bytes value = {"secret", 6};
    struct iotify_bytes sealed, again, other, opened;
    struct iotify_buffer note;
    struct seal *seal, *second;
    char *changed;

    (void)state;
    iotify_buffer_init(&note, 4096);
    assert_int_equal(seal_new(&call, &settings, &note, &seal), IOTIFY_RESULT_OK);
    assert_int_equal(
        seal_from_note(&call, &settings, (struct iotify_bytes){note.data, note.size}, &second),
        IOTIFY_RESULT_OK);
    assert_int_equal(seal_value(seal, &call, "glob/a", value, &sealed), IOTIFY_RESULT_OK);
    assert_int_equal(seal_value(second, &call, "glob/a", value, &again), IOTIFY_RESULT_OK);
    assert_int_equal(seal_value(seal, &call, "glob/b", value, &other), IOTIFY_RESULT_OK);
    assert_int_equal(sealed.size, again.size);
    assert_memory_equal(sealed.data, again.data, sealed.size);
    assert_memory_not_equal(sealed.data, other.data, sealed.size);
    assert_int_equal(seal_open_value(second, &call, "glob/a", sealed, &opened), IOTIFY_RESULT_OK);
    assert_string_equal(opened.data, "secret");
    assert_int_equal(seal_open_value(seal, &call, "glob/b", sealed, &opened), IOTIFY_RESULT_FAILED);
    /* Every changed bit is detected, except in the prefix that marks sealed values. */
    for (size_t i = 5 * 8; i < sealed.size * 8; i++) {
        changed = arena_copy(&arena, sealed.data, sealed.size);
        changed[i / 8] ^= (char)(1 << i % 8);
        assert_int_equal(seal_open_value(seal, &call, "glob/a",
                             (struct iotify_bytes){changed, sealed.size}, &opened),
            IOTIFY_RESULT_FAILED);
    }
    assert_false(seal_is_sealed(value));
    assert_int_equal(seal_open_value(seal, &call, "glob/a", value, &opened), IOTIFY_RESULT_FAILED);
    seal_free(seal);
    seal_free(second);
    iotify_buffer_clear(&note);
}

/* ------------------------------------------------------------------ the lease */

static void put_lease(const char *text)
{
    struct iotify_write write = {
        .kind = IOTIFY_WRITE_PUT, .key = "note/lease", .value = {text, strlen(text)}};

    assert_int_equal(store_apply(store, &call, &write, 1), IOTIFY_RESULT_OK);
}

static void take_and_drop(enum iotify_result expected)
{
    struct lease *lease;

    assert_int_equal(lease_take(store, &call, &lease), expected);
    lease_drop(lease);
}

static void one_lease_at_a_time(void **state)
{
    struct iotify_bytes value;
    struct lease *lease;
    char boot[64] = "", space[64] = "";
    FILE *stream = fopen("/proc/sys/kernel/random/boot_id", "re");

    (void)state;
    assert_non_null(stream);
    assert_non_null(fgets(boot, sizeof(boot), stream));
    boot[strcspn(boot, "\n")] = '\0';
    fclose(stream);
    assert_true(readlink("/proc/self/ns/pid", space, sizeof(space) - 1) > 0);
    assert_int_equal(lease_take(store, &call, &lease), IOTIFY_RESULT_OK);
    take_and_drop(IOTIFY_RESULT_CONFLICT);
    assert_non_null(strstr(call.message, "another iotifyd (process "));
    lease_drop(lease);
    assert_int_equal(store_get(store, &call, "note/lease", &value), IOTIFY_RESULT_NOT_FOUND);
    /* A process that has ended, a reused process number, an expired lease. */
    put_lease(arena_format(&arena,
        "{\"home\":\"%s %s\",\"pid\":4194304,\"started\":1,\"expires\":9999999999}", boot, space));
    take_and_drop(IOTIFY_RESULT_OK);
    put_lease(arena_format(&arena,
        "{\"home\":\"%s %s\",\"pid\":%ld,\"started\":1,\"expires\":9999999999}", boot, space,
        (long)getpid()));
    take_and_drop(IOTIFY_RESULT_OK);
    put_lease("{\"home\":\"another machine\",\"pid\":1,\"started\":1,\"expires\":1000}");
    take_and_drop(IOTIFY_RESULT_OK);
    put_lease("nonsense");
    take_and_drop(IOTIFY_RESULT_OK);
    /* A process on another machine cannot be checked: the expiry decides. */
    put_lease("{\"home\":\"another machine\",\"pid\":1,\"started\":1,\"expires\":9999999999}");
    take_and_drop(IOTIFY_RESULT_CONFLICT);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(groups_writes_of_threads),
        CASE(one_bad_write_spoils_no_other), CASE(spaces_do_not_mix), CASE(sealed_values_compare),
        CASE(seals_bind_key_and_value), CASE(one_lease_at_a_time)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
