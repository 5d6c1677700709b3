#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/job/schema.h"
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
    struct place place = {"test", 1, 1};
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
            schema_bind(&binder, plugin->descriptor.settings, NULL, "t", place, NULL, NULL),
            &store),
        IOTIFY_OK);
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
        /* Everybody creates the same keys: exactly one may win each. */
        writes[0] = (struct iotify_write){.kind = IOTIFY_CREATE,
            .key = arena_format(&own.arena, "glob/shared-%d", i),
            .value = {&thread, sizeof(thread)}};
        writes[1] = (struct iotify_write){.kind = IOTIFY_PUT,
            .key = arena_format(&own.arena, "glob/%d-%d", thread, i),
            .value = {"x", 1}};
        assert_int_equal(store_apply(store, &own, writes, 2), IOTIFY_OK);
        if (writes[0].result == IOTIFY_OK)
            *(int *)argument += 1 << 16;
        else
            assert_int_equal(writes[0].result, IOTIFY_EXISTS);
        assert_int_equal(writes[1].result, IOTIFY_OK);
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
    assert_int_equal(store_list_glob(store, &call, count_key, &keys), IOTIFY_OK);
    assert_int_equal(keys, THREADS * WRITES + WRITES);
}

static void one_bad_write_spoils_no_other(void **state)
{
    struct iotify_write good = {.kind = IOTIFY_PUT, .key = "glob/good", .value = {"x", 1}};
    struct iotify_bytes value;

    (void)state;
    assert_int_equal(store_apply(store, &call, &good, 1), IOTIFY_OK);
    assert_null(store_glob_key(&call, arena_format(&arena, "%02000d", 1)));
    assert_int_equal(store_get(store, &call, store_glob_key(&call, "good"), &value), IOTIFY_OK);
    assert_int_equal(
        store_get(store, &call, store_glob_key(&call, "bad"), &value), IOTIFY_NOT_FOUND);
}

static void spaces_do_not_mix(void **state)
{
    struct iotify_write writes[4] = {
        {.kind = IOTIFY_PUT, .key = store_record_key(&call, "aws", "1/eu", 10), .value = {"x", 1}},
        {.kind = IOTIFY_PUT, .key = store_record_key(&call, "aws", "1/eu", 9), .value = {"x", 1}},
        {.kind = IOTIFY_PUT, .key = store_record_key(&call, "aws", "2/eu", 5), .value = {"x", 1}},
        {.kind = IOTIFY_PUT, .key = store_note_key(&call, "job"), .value = {"x", 1}},
    };
    int64_t *clients;
    size_t count;
    int keys = 0;

    (void)state;
    assert_int_equal(store_apply(store, &call, writes, 4), IOTIFY_OK);
    assert_int_equal(store_list_glob(store, &call, count_key, &keys), IOTIFY_OK);
    assert_int_equal(keys, 0);
    assert_int_equal(store_list_records(store, &call, "aws", "1/eu", &clients, &count), IOTIFY_OK);
    assert_int_equal(count, 2);
    assert_int_equal(clients[0], 9);
    assert_int_equal(clients[1], 10);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(groups_writes_of_threads),
        CASE(one_bad_write_spoils_no_other), CASE(spaces_do_not_mix)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
