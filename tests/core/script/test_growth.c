/* SPDX-License-Identifier: Apache-2.0 */
/* What comes from the network and from files is scanned in linear time, all the way to the script.
 */
#include "tests/growth.h"

#include <stdio.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/script/script.h"
#include "tests/core/store/memory_store.h"

static struct registry registry;
static struct store *store;
static struct glob *glob;
static struct glob_port *port;
static struct arena arena;
static struct diagnostics diagnostics;
static struct script *script;

static void console(
    void *context, enum iotify_level level, const struct script_turn *turn, const char *text)
{
    (void)context, (void)level, (void)turn, (void)text;
}

static int set_up(void **state)
{
    struct script_services services = {.console = console};
    const struct script_facts facts = {
        .job = "test", .clients = 1, .time_limit = 300 * SECOND, .wait_limit = 300 * SECOND};

    (void)state;
    store = memory_store(&registry, &arena);
    glob = glob_new(store, "test", false);
    port = glob_port_new(glob, NULL, NULL);
    services.glob = port;
    script = script_new(&services, &facts);
    script_add_state(script, 0);
    return script ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    script_free(script);
    glob_port_free(port);
    glob_free(glob);
    store_close(store);
    registry_clear(&registry);
    arena_clear(&arena);
    diagnostics_clear(&diagnostics);
    return 0;
}

static bool compile_response(const char *text)
{
    const struct script_code code = {text, {"t.yaml", 1, 1}, NULL};

    return script_compile(script, SCRIPT_RESPONSE, &code, &diagnostics);
}

static void receive(char *text)
{
    struct script_invocation received = {.function = SCRIPT_RESPONSE,
        .turn = {0, 7, 3},
        .topic = "t",
        .payload = {text, strlen(text)}};

    assert_true(script_invoke(script, &received));
}

static void read_rows(char *text)
{
    FILE *file = fopen("growth.csv", "w");

    fputs(text, file);
    fclose(file);
    script_data(script, "growth.csv", (struct location){"t.yaml", 1, 1}, &diagnostics);
    unlink("growth.csv");
    diagnostics_clear(&diagnostics);
}

static void compile_expression(char *text)
{
    script_expression(script, "topic", text, (struct location){"t.yaml", 1, 1}, &diagnostics);
    diagnostics_clear(&diagnostics);
}

static void cost_grows_with_foreign_bytes(void **state)
{
    static const char *const units[] = {
        "\xff", "\xf0\x9f\x98", "[", "{\"a\":", "\"\\u00e9", "-----BEGIN ", "1,"};
    static const char *const rows[] = {"a,b\n", ",", "\"", "\"\"", "\"a\n\",", ";\t,\n"};
    static const char *const expressions[] = {"{{", "{{1", "}}", "{{\"", "{ {"};

    (void)state;
    assert_true(compile_response(
        "const text = response.toString(); console.log(text); console.error(response);"
        "try { state.last = JSON.parse(text) } catch { state.last = text.length }"));
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        assert_grows_linearly(receive, units[i], 160000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_grows_linearly(read_rows, rows[i], 160000);
    for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++)
        assert_grows_linearly(compile_expression, expressions[i], 160000);
    assert_grows_linearly(compile_expression, "{{1}} ", 1600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cost_grows_with_foreign_bytes, set_up, tear_down)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
