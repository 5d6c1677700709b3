/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/simulate/prefetch.h"
#include "tests/core/store/memory_store.h"

enum { CLIENTS = 1000 };

static struct registry registry;
static struct store *store;
static struct glob *glob;
static struct glob_port *port;
static struct script *script;
static struct prefetch *prefetch;
static struct arena arena;
static struct diagnostics diagnostics;
static struct call call;
static char file[64];

static int set_up(void **state)
{
    static const struct script_services services = {0};
    const struct script_facts facts = {.job = "test", .clients = CLIENTS};
    FILE *rows;

    (void)state;
    store = memory_store(&registry, &arena);
    call_init(&call, "test");
    glob = glob_new(store, "test", false);
    port = glob_port_new(glob, NULL, NULL);
    glob_count_blocking(glob);
    script = script_new(&services, &facts);
    snprintf(file, sizeof(file), "/tmp/iotify-rows-XXXXXX.csv");
    rows = fdopen(mkstemps(file, 4), "w");
    fputs("serial,site\n", rows);
    for (int i = 0; i < CLIENTS; i++)
        fprintf(rows, "SN%05d,s%d\n", i * 7, i % 3);
    fclose(rows);
    assert_int_equal(
        script_data(script, file, (struct location){"t", 1, 1}, &diagnostics), CLIENTS);
    prefetch = prefetch_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(file);
    prefetch_free(prefetch);
    script_free(script);
    glob_port_free(port);
    glob_free(glob);
    store_close(store);
    call_clear(&call);
    registry_clear(&registry);
    arena_clear(&arena);
    diagnostics_clear(&diagnostics);
    return 0;
}

/* Record the keys that init() of a client reads. */
static void read_keys(int client, const char *const *formats, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int number = strstr(formats[i], "%05d") ? client * 7 : client;
        char key[100];
        struct iotify_bytes out;

        snprintf(key, sizeof(key), "%s", formats[i]);
        /* The formats are those of the cases below. */
        if (strstr(formats[i], "%05d"))
            snprintf(key, sizeof(key), "cert/SN%05d", number);
        else if (strstr(formats[i], "%d_key"))
            snprintf(key, sizeof(key), "aws_iotify_%d_key", number);
        else if (strstr(formats[i], "%d/v1"))
            snprintf(key, sizeof(key), "v1/%d/v1", number);
        prefetch_note(prefetch, key);
        glob_read(port, &call, key, &out);
    }
}

/* How often all clients together waited for the store. */
static int64_t run(const int *clients, size_t count, const char *const *formats, size_t keys)
{
    struct glob_account account;

    for (size_t i = 0; i < count; i++) {
        if (i >= PREFETCH_MODELS) {
            prefetch_add(prefetch, script, clients[i]);
            prefetch_read(prefetch, port);
        }
        read_keys(clients[i], formats, keys);
        prefetch_learn(prefetch, script, clients[i]);
    }
    glob_account(glob, &account);
    return account.blocking;
}

static void learns_numbers_and_fields(void **state)
{
    static const char *const formats[] = {"aws_iotify_%d_key", "cert/SN%05d", "config"};
    int clients[CLIENTS];

    (void)state;
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = i;
    /* Both models wait for their own keys, and the first for the shared one. */
    assert_int_equal(run(clients, CLIENTS, formats, 3), 2 * 2 + 1);
}

static void is_not_misled_by_other_digits(void **state)
{
    static const char *const formats[] = {"v1/%d/v1"};
    const int clients[] = {1, 3, 5, 17, 100, 999};

    (void)state;
    assert_int_equal(run(clients, 6, formats, 1), 2);
}

static void a_key_without_rule_is_read_when_it_is(void **state)
{
    static const char *const formats[] = {"same for all"};
    const int clients[] = {0, 1, 2, 3};

    (void)state;
    assert_int_equal(run(clients, 4, formats, 1), 1);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(learns_numbers_and_fields),
        CASE(is_not_misled_by_other_digits), CASE(a_key_without_rule_is_read_when_it_is)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
