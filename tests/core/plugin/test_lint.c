/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <string.h>

#include "core/plugin/lint.h"

struct options {
    const char *text;
    int64_t number;
    double share;
    struct iotify_list list;
    int choice;
    bool flag;
};

static const char *const choices[] = {"one", "two", NULL};
static const char *const open_choices[] = {"one", "two"};
static const char *const short_choices[] = {"one", NULL, NULL};
static const char *const no_choices[] = {NULL};

#define TEXT .type = IOTIFY_TYPE_STRING, .offset = offsetof(struct options, text), .help = "a text"
#define NUMBER                                                                                     \
    .type = IOTIFY_TYPE_INTEGER, .offset = offsetof(struct options, number), .help = "a number"
#define CHOICE                                                                                     \
    .type = IOTIFY_TYPE_CHOICE, .offset = offsetof(struct options, choice), .help = "a choice"

static const struct iotify_setting inner[] = {
    {.name = "first", TEXT}, {.name = "second", NUMBER, .value = "x"}};
static const struct iotify_settings columns = IOTIFY_SETTINGS(inner, struct options);
static const struct iotify_settings no_columns = {
    .struct_size = sizeof(struct iotify_settings), .item_size = sizeof(struct iotify_setting)};

#define TABLE .type = IOTIFY_TYPE_TABLE, .offset = offsetof(struct options, list), .help = "rows"

/* A setting after one that is good, and what is wrong with it; NULL: nothing. */
static const struct {
    struct iotify_setting setting;
    const char *wrong;
} cases[] = {
    {{.name = "number", NUMBER, .value = "-5", .min = -10, .max = 10}, NULL},
    {{.name = "choice", CHOICE, .value = "two", IOTIFY_CHOICES(choices)}, NULL},
    {{.name = "will.topic", NUMBER}, NULL},
    {{.name = NULL, NUMBER}, "it has no name"},
    {{.name = "", NUMBER}, "it has no name"},
    {{.name = "a b", NUMBER}, "its name is not 1 to 64 letters"},
    {{.name = "a\033[31m", NUMBER}, "its name is not 1 to 64 letters"},
    {{.name = "use", NUMBER}, "its name is `use`"},
    {{.name = "first", NUMBER}, "there are two of this name"},
    {{.name = "number", NUMBER, .value = "5 apples"}, "its default is not a value of its type"},
    {{.name = "number", NUMBER, .value = ""}, "its default is not a value of its type"},
    {{.name = "number", NUMBER, .min = 5, .max = 4}, "its min is greater than its max"},
    {{.name = "number", NUMBER, .role = IOTIFY_ROLE_HOST}, "there are two with its role"},
    {{.name = "number", NUMBER, .flags = 1u << 30}, "does not know its flags"},
    {{.name = "number", .type = 0, .help = "x"}, "does not know its type (0)"},
    {{.name = "number", .type = (enum iotify_type)99, .help = "x"}, "does not know its type (99)"},
    {{.name = "number", .type = IOTIFY_TYPE_INTEGER, .help = "x"}, "its offset overlaps"},
    {{.name = "number",
         .type = IOTIFY_TYPE_INTEGER,
         .offset = offsetof(struct options, number),
         .help = NULL},
        "it has no help"},
    {{.name = "number",
         .type = IOTIFY_TYPE_INTEGER,
         .offset = offsetof(struct options, number),
         .help = "two\nlines"},
        "its help is not one line"},
    {{.name = "number", .type = IOTIFY_TYPE_INTEGER, .offset = 1, .help = "x"},
        "its offset does not suit its type"},
    {{.name = "number", .type = IOTIFY_TYPE_INTEGER, .offset = sizeof(struct options), .help = "x"},
        "its offset is outside"},
    {{.name = "number", .type = IOTIFY_TYPE_INTEGER, .offset = SIZE_MAX, .help = "x"},
        "its offset is outside"},
    {{.name = "list", .type = IOTIFY_TYPE_LIST, .offset = sizeof(struct options) - 8, .help = "x"},
        "its offset is outside"},
    {{.name = "share", .type = IOTIFY_TYPE_SHARE, .offset = 16, .value = "130%", .help = "x"},
        "its default is not a value of its type"},
    {{.name = "time", .type = IOTIFY_TYPE_DURATION, .offset = 16, .value = "5", .help = "x"},
        "its default is not a value of its type"},
    {{.name = "size", .type = IOTIFY_TYPE_SIZE, .offset = 16, .value = "-1", .help = "x"},
        "its default is not a value of its type"},
    {{.name = "rate", .type = IOTIFY_TYPE_RATE, .offset = 16, .value = "fast", .help = "x"},
        "its default is not a value of its type"},
    {{.name = "flag",
         .type = IOTIFY_TYPE_BOOLEAN,
         .offset = offsetof(struct options, flag),
         .value = "yes",
         .help = "x"},
        "its default is not a value of its type"},
    {{.name = "choice", CHOICE}, "it has no choices"},
    {{.name = "choice", CHOICE, .domain = choices}, "it has no choices"},
    {{.name = "choice", CHOICE, IOTIFY_CHOICES(no_choices)}, "it has no choices"},
    {{.name = "choice", CHOICE, IOTIFY_CHOICES(open_choices)}, "its choices do not end with NULL"},
    {{.name = "choice", CHOICE, IOTIFY_CHOICES(short_choices)}, "one of its choices is NULL"},
    {{.name = "choice", CHOICE, .value = "three", IOTIFY_CHOICES(choices)},
        "its default is none of the choices"},
    {{.name = "rows", TABLE}, "it has no columns"},
    {{.name = "rows", TABLE, .domain = &no_columns}, "it has no columns"},
    {{.name = "rows", TABLE, .domain = &columns},
        "the setting \"second\" (number 2) of rows of the plugin: its default"},
};

static void names_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena arena = {0};
        const struct iotify_setting both[] = {
            {.name = "first", TEXT, .role = IOTIFY_ROLE_HOST}, cases[i].setting};
        const struct iotify_settings settings = IOTIFY_SETTINGS(both, struct options);
        const char *found = lint_settings(&arena, &settings, "the plugin");

        if (!cases[i].wrong && found)
            fail_msg("case %zu: %s", i, found);
        if (cases[i].wrong && (!found || !strstr(found, cases[i].wrong)))
            fail_msg("case %zu: %s, not %s", i, found ? found : "nothing", cases[i].wrong);
        arena_clear(&arena);
    }
}

#define SIZED .struct_size = sizeof(struct iotify_settings)

static void tables_that_are_none(void **state)
{
    static const struct iotify_settings tables[] = {{SIZED, .count = 1, .item_size = 200},
        {SIZED, .items = inner, .count = 5000, .item_size = sizeof(inner[0]), .options_size = 100},
        {SIZED, .items = inner, .count = 1, .item_size = 8, .options_size = 100},
        {SIZED, .items = inner, .count = 1, .item_size = sizeof(inner[0])}};
    static const struct iotify_settings small = {.struct_size = 8, .items = inner, .count = 1};
    struct arena none = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        struct arena arena = {0};

        assert_string_equal(lint_settings(&arena, &tables[i], "connection"),
            "the table of settings of connection is damaged");
        arena_clear(&arena);
    }
    assert_string_equal(lint_settings(&none, &small, "connection"),
        "the table of settings of connection has no valid struct_size");
    arena_clear(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_is_wrong), cmocka_unit_test(tables_that_are_none)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
