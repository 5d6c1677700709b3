/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/plugin/registry.h"
#include "core/plugin/trust.h"

static struct registry registry;
static const struct plugin *plugin;
static const char *text;

static int set_up(void **state)
{
    (void)state;
    registry_init(&registry);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    registry_clear(&registry);
    return 0;
}

static void loads_once(void **state)
{
    const struct plugin *again;

    (void)state;
    assert_int_equal(registry_load(&registry, "good", &plugin, &text), REGISTRY_OK);
    assert_string_equal(plugin->descriptor.name, "good");
    assert_int_equal(registry_load(&registry, "good", &again, &text), REGISTRY_OK);
    assert_ptr_equal(plugin, again);
    /* The SDK has the version of the program. */
    assert_string_equal(IOTIFY_SDK_VERSION, IOTIFY_VERSION);
}

static void takes_older_and_newer(void **state)
{
    (void)state;
    assert_int_equal(registry_load(&registry, "older", &plugin, &text), REGISTRY_OK);
    assert_int_equal(plugin->descriptor.action_count, 0);
    assert_int_equal(registry_load(&registry, "newer", &plugin, &text), REGISTRY_OK);
    assert_int_equal(plugin->descriptor.abi_minor, IOTIFY_ABI_MINOR + 1);
}

static void each_refusal_has_its_own_words(void **state)
{
    static const struct {
        const char *name, *words;
    } cases[] = {{.name = "magic", .words = "wrong magic number"},
        {.name = "abi", .words = "it was built for plugin ABI 3."},
        {.name = "short", .words = "its descriptor is too short"},
        {.name = "kind", .words = "it is of a kind (9)"},
        {.name = "name", .words = "it calls itself \"another\""},
        {.name = "operation", .words = "its `scan` is NULL"},
        {.name = "needs", .words = "it needs plugin ABI 2.1 and this iotifyd has 2.0"},
        {.name = "size", .words = "its `write_size` is 3, not at least"},
        {.name = "table", .words = "the struct_size of its operations is 4, not at least"},
        {.name = "threads", .words = "its `threads` is not valid"},
        {.name = "durability", .words = "its `durability` is not valid"},
        {.name = "settings",
            .words = "the setting \"text\" (number 1) of the plugin: its offset is outside"},
        {.name = "nothing", .words = "it does not export iotify_plugin"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(registry_load(&registry, cases[i].name, &plugin, &text), REGISTRY_REFUSED);
        assert_non_null(strstr(text, cases[i].words));
        assert_non_null(strstr(text, arena_format(&registry.arena, "iotify-%s.so", cases[i].name)));
    }
}

/* A copy of the good plugin in its own folder, whose permissions the test changes. */
static char *make_copy(char folder[32])
{
    memcpy(folder, "/tmp/iotify-trust-XXXXXX", 25);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(system(arena_format(&registry.arena,
                         "cp %s/iotify-good.so %s/iotify-good.so && chmod 644 %s/iotify-good.so",
                         getenv("IOTIFY_FIXTURES"), folder, folder)),
        0);
    return arena_format(&registry.arena, "%s/iotify-good.so", folder);
}

/* Cut off at any length, also in the middle of its tables: refused, and no crash. */
static void files_that_are_cut_off(void **state)
{
    char folder[32];
    const char *file = make_copy(folder);
    struct stat about;

    (void)state;
    assert_int_equal(stat(file, &about), 0);
    registry.path = folder;
    for (int part = 0; part < 64; part++) {
        registry.plugins = NULL;
        assert_int_equal(truncate(file, about.st_size * (63 - part) / 64), 0);
        assert_int_equal(registry_load(&registry, "good", &plugin, &text), REGISTRY_REFUSED);
        assert_non_null(strstr(text, "refused: "));
    }
    assert_int_equal(system(arena_format(&registry.arena, "rm -r %s", folder)), 0);
}

static void unknown_names_are_not_refusals(void **state)
{
    (void)state;
    assert_int_equal(registry_load(&registry, "godo", &plugin, &text), REGISTRY_UNKNOWN);
    assert_string_equal(text, "unknown plugin \"godo\"; did you mean \"good\"?");
    assert_int_equal(registry_load(&registry, "", &plugin, &text), REGISTRY_UNKNOWN);
    assert_int_equal(registry_load(&registry, "../plugins/good", &plugin, &text), REGISTRY_UNKNOWN);
}

static void trusts_only_safe_places(void **state)
{
    char folder[32];
    const char *file = make_copy(folder);

    (void)state;
    assert_null(trust_check(&registry.arena, file));
    chmod(file, 0666);
    assert_string_equal(trust_check(&registry.arena, file),
        arena_format(
            &registry.arena, "%s can be changed by everybody; run: chmod o-w %s", file, file));
    chmod(file, 0644);
    chmod(folder, 0777);
    assert_string_equal(trust_check(&registry.arena, file),
        arena_format(
            &registry.arena, "%s can be changed by everybody; run: chmod o-w %s", folder, folder));
    chmod(folder, 0700);
    if (geteuid() == 0) {
        assert_int_equal(chown(file, 12345, 0), 0);
        assert_non_null(strstr(trust_check(&registry.arena, file), "belongs to user 12345"));
        assert_int_equal(chown(file, 0, 12345), 0);
        chmod(file, 0664);
        assert_non_null(strstr(trust_check(&registry.arena, file), "by its group"));
    }
    assert_non_null(strstr(trust_check(&registry.arena, folder), "not a regular file"));
    unlink(file);
    assert_non_null(strstr(trust_check(&registry.arena, file), "cannot check"));
    rmdir(folder);
}

static void count_name(void *argument, const char *name)
{
    (void)name;
    ++*(int *)argument;
}

static void lists_names_once(void **state)
{
    int count = 0;

    (void)state;
    registry.path = arena_format(&registry.arena, "%s:%s:/nonexistent:", getenv("IOTIFY_FIXTURES"),
        getenv("IOTIFY_FIXTURES"));
    registry_list(&registry, count_name, &count);
    assert_int_equal(count, 16);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(loads_once), CASE(takes_older_and_newer),
        CASE(each_refusal_has_its_own_words), CASE(files_that_are_cut_off),
        CASE(unknown_names_are_not_refusals), CASE(trusts_only_safe_places),
        CASE(lists_names_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
