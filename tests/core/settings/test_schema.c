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
    {"text", IOTIFY_STRING, IOTIFY_EXPRESSION, AT(text), "t-{{client()}}", 0, 0, NULL, "h"},
    {"secret", IOTIFY_SECRET, 0, AT(secret), NULL, 0, 0, NULL, "h"},
    {"path", IOTIFY_STRING, IOTIFY_PATH, AT(path), "{job}.db", 0, 0, NULL, "h"},
    {"document", IOTIFY_DOCUMENT, 0, AT(document), NULL, 0, 0, NULL, "h"},
    {"integer", IOTIFY_INTEGER, IOTIFY_EXPRESSION, AT(integer), "7", 1, 99, NULL, "h"},
    {"duration", IOTIFY_DURATION, 0, AT(duration), "1s", 0, 0, NULL, "h"},
    {"size", IOTIFY_SIZE, 0, AT(size), "4KiB", 0, 0, NULL, "h"},
    {"boolean", IOTIFY_BOOLEAN, 0, AT(boolean), "true", 0, 0, NULL, "h"},
    {"rate", IOTIFY_RATE, 0, AT(rate), "5/s", 0, 0, NULL, "h"},
    {"choice", IOTIFY_CHOICE, 0, AT(choice), "green", 0, 0, choices, "h"},
    {"list", IOTIFY_LIST, 0, AT(list), NULL, 0, 0, NULL, "h"},
    {"map", IOTIFY_MAP, 0, AT(map), NULL, 0, 0, NULL, "h"},
    {"group.nested", IOTIFY_STRING, 0, AT(nested), NULL, 0, 0, NULL, "h"},
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
    struct place place = {"t", 1, 1};

    expressions = NULL;
    return schema_bind(&binder, &settings, tree_parse_text(&arena, &diagnostics, "t", text), "test",
        place, NULL, &expressions);
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
