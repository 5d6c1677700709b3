/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "core/settings/schema.h"

struct options {
    const char *text, *secret, *path, *document;
    int64_t integer, duration, size;
    bool boolean;
    double rate;
    int choice;
    struct iotify_list list;
    struct iotify_map map;
    const char *nested;
};

static const char *const choices[] = {"red", "green", NULL};

#define AT(member) offsetof(struct options, member)
static const struct iotify_setting items[] = {
    {.name = "text",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = AT(text),
        .value = "t-{{client()}}",
        .help = "h"},
    {.name = "secret", .type = IOTIFY_TYPE_SECRET, .offset = AT(secret), .help = "h"},
    {.name = "path",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_PATH,
        .offset = AT(path),
        .value = "{job}.db",
        .help = "h"},
    {.name = "document", .type = IOTIFY_TYPE_DOCUMENT, .offset = AT(document), .help = "h"},
    {.name = "integer",
        .type = IOTIFY_TYPE_INTEGER,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = AT(integer),
        .value = "7",
        .min = 1,
        .max = 99,
        .help = "h"},
    {.name = "duration",
        .type = IOTIFY_TYPE_DURATION,
        .offset = AT(duration),
        .value = "1s",
        .help = "h"},
    {.name = "size", .type = IOTIFY_TYPE_SIZE, .offset = AT(size), .value = "4KiB", .help = "h"},
    {.name = "boolean",
        .type = IOTIFY_TYPE_BOOLEAN,
        .offset = AT(boolean),
        .value = "true",
        .help = "h"},
    {.name = "rate", .type = IOTIFY_TYPE_RATE, .offset = AT(rate), .value = "5/s", .help = "h"},
    {.name = "choice",
        .type = IOTIFY_TYPE_CHOICE,
        .offset = AT(choice),
        .value = "green",
        IOTIFY_CHOICES(choices),
        .help = "h"},
    {.name = "list", .type = IOTIFY_TYPE_LIST, .offset = AT(list), .help = "h"},
    {.name = "map", .type = IOTIFY_TYPE_MAP, .offset = AT(map), .help = "h"},
    {.name = "group.nested", .type = IOTIFY_TYPE_STRING, .offset = AT(nested), .help = "h"},
};
static const struct iotify_settings settings = IOTIFY_SETTINGS(items, struct options);

static struct arena arena;
static struct diagnostics diagnostics;
static struct schema_expression *expressions;

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    diagnostics_clear(&diagnostics);
    expressions = NULL;
    return 0;
}

static struct options *bind_text(const char *text)
{
    struct binder binder = {&arena, &diagnostics, "/dir", "job", true};
    struct location location = {"t", 1, 1};

    expressions = NULL;
    return schema_bind(&binder, &settings, tree_parse_text(&arena, &diagnostics, "t", text), "test",
        location, NULL, &expressions);
}

static void fills_in_defaults(void **state)
{
    const struct options *options = bind_text("{}");

    (void)state;
    assert_int_equal(diagnostics.count, 0);
    assert_string_equal(options->path, "/dir/job.db");
    assert_int_equal(options->integer, 7);
    assert_int_equal(options->duration, 1000000000);
    assert_int_equal(options->size, 4096);
    assert_true(options->boolean);
    assert_int_equal(options->choice, 1);
    assert_null(options->secret);
    assert_non_null(expressions);
    assert_string_equal(expressions->text, "t-{{client()}}");
}

static void reads_the_environment(void **state)
{
    const struct options *options;

    (void)state;
    setenv("IOTIFY_A", "value", 1);
    unsetenv("IOTIFY_B");
    options = bind_text("text: '${IOTIFY_A}-${IOTIFY_B:-x y}-$${IOTIFY_A}-${iot:ClientId}-${}'\n"
                        "integer: ${IOTIFY_B:-12}\n");
    assert_int_equal(diagnostics.count, 0);
    assert_string_equal(options->text, "value-x y-${IOTIFY_A}-${iot:ClientId}-${}");
    assert_int_equal(options->integer, 12);
    assert_non_null(bind_text("text: ${IOTIFY_B}\n"));
    assert_int_equal(diagnostics.count, 1);
}

static void documents_are_exempt_from_it(void **state)
{
    const struct options *options =
        bind_text("document: {Resource: 'x/${iot:ClientId}/${IOTIFY_NOT_SET}'}\n");

    (void)state;
    assert_int_equal(diagnostics.count, 0);
    assert_string_equal(
        options->document, "{\"Resource\":\"x/${iot:ClientId}/${IOTIFY_NOT_SET}\"}");
}

static void what_it_prints_reads_the_same(void **state)
{
    static const char *const texts[] = {"plain", "with: colon", "# not a comment", "  blanks  ",
        "quo\"te", "back\\slash", "true", "123", "1.5e3", "", "line\nbreak", "{x}", "[x]", "- x",
        "a #b", "${HOME}", "$${x}", "ünïcode", "null", "~", "yes", "@x", "%x", "a:", "'x'", "x, y"};
    struct iotify_buffer yaml;

    (void)state;
    iotify_buffer_init(&yaml, 100000);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct options *options = bind_text("{}");
        const struct options *again;

        options->text = texts[i];
        options->nested = texts[i];
        iotify_buffer_reset(&yaml);
        schema_print(&settings, options, 0, &yaml);
        again = bind_text(iotify_buffer_text(&yaml));
        assert_int_equal(diagnostics.count, 0);
        assert_string_equal(again->text, texts[i]);
        assert_string_equal(again->nested, texts[i]);
    }
    iotify_buffer_clear(&yaml);
}

static void secrets_are_not_printed(void **state)
{
    struct iotify_buffer yaml;

    (void)state;
    iotify_buffer_init(&yaml, 100000);
    schema_print(&settings, bind_text("secret: hunter2\n"), 0, &yaml);
    assert_null(strstr(iotify_buffer_text(&yaml), "hunter2"));
    assert_non_null(strstr(iotify_buffer_text(&yaml), "secret: \"[redacted]\""));
    assert_non_null(bind_text("secret: [hunter2]\n"));
    assert_null(strstr(diagnostics.items[0].text, "hunter2"));
    iotify_buffer_clear(&yaml);
}

static void expressions_keep_their_type(void **state)
{
    struct binder binder = {&arena, &diagnostics, "/dir", "job", true};
    struct options *options = bind_text("text: x\ninteger: '{{5 + client()}}'\n");

    (void)state;
    assert_int_equal(diagnostics.count, 0);
    assert_int_equal(options->integer, 7);
    assert_true(schema_bind_expanded(&binder, expressions, "12", options));
    assert_int_equal(options->integer, 12);
    assert_false(schema_bind_expanded(&binder, expressions, "many", options));
    assert_false(schema_bind_expanded(&binder, expressions, "100", options));
    assert_string_equal(diagnostics.items[1].text, "\"integer\" must be in the range 1 to 99");
}

#define CASE(function) cmocka_unit_test_teardown(function, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(fills_in_defaults), CASE(reads_the_environment),
        CASE(documents_are_exempt_from_it), CASE(what_it_prints_reads_the_same),
        CASE(secrets_are_not_printed), CASE(expressions_keep_their_type)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
