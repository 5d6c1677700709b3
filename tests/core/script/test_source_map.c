/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include <iotify/buffer.h>

#include "core/base/random.h"
#include "core/script/source_map.h"

#define WORDS 40

/* Texts that may separate two words, per style of scalar; all are valid in that style. */
static const char *const folded[] = {" ", "\n  ", "\n\n  ", "  ", "\n    ", " \xc3\xbc ", NULL};
static const char *const quoted[] = {" ", "\n  ", "\n\n  ", "\\n", "\\t", " \\x20", "\\u00fc ",
    "\\\"", "\\\n  ", "\\U0001f600", "\\\\ ", " \xf0\x9f\x98\x80", NULL};
static const char *const single[] = {" ", "\n  ", "\n\n  ", "''", " \xe2\x82\xac ", "\"", NULL};
static const char *const plain[] = {" ", "\n  ", "\n\n  ", "(", ");", " \xc3\xbc", NULL};

static const struct {
    const char *open, *close;
    const char *const *between;
} styles[] = {{"k: >\n  ", "\n", folded}, {"k: >+\n  ", "\n\n", folded},
    {"k: &a !!str >2-\n  ", "\n", folded}, {"k: \"", "\"\n", quoted}, {"k:\n  \"", "\"\n", quoted},
    {"k: '", "'\n", single}, {"k: ", "\n", plain}, {"other: [1]\nk:\n  ", "\n", plain}};

static const char *pick(const char *const *choices, uint64_t *state)
{
    size_t count = 0;

    while (choices[count])
        count++;
    return choices[(size_t)(random_next(state) * (double)count)];
}

/* Line and column of a byte of a text, columns in UTF-16 units. */
static struct location location_of(const char *text, const char *at)
{
    struct location location = {"t", 1, 1};

    for (; text < at; text++) {
        if (*text == '\n') {
            location.line++;
            location.column = 1;
        } else if (((unsigned char)*text & 0xc0) != 0x80) {
            location.column += (unsigned char)*text >= 0xf0 ? 2 : 1;
        }
    }
    return location;
}

/* The source map gives the location of every word. */
static void check(size_t style, uint64_t seed)
{
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};
    struct iotify_buffer text;
    const struct source_map *source_map;
    const struct node *node;
    char word[32];

    iotify_buffer_init(&text, 1 << 20);
    iotify_buffer_string(&text, styles[style].open);
    for (int i = 0; i < WORDS; i++)
        iotify_buffer_format(&text, "%sw%dw", i ? pick(styles[style].between, &seed) : "", i);
    iotify_buffer_string(&text, styles[style].close);
    node = node_get(tree_parse_text(&arena, &diagnostics, "t", iotify_buffer_text(&text)), "k");
    assert_non_null(node);
    source_map = source_map_new(&arena, node);
    assert_non_null(source_map);
    for (int i = 0; i < WORDS; i++) {
        struct location found, expected;

        snprintf(word, sizeof(word), "w%dw", i);
        expected = location_of(iotify_buffer_text(&text), strstr(iotify_buffer_text(&text), word));
        found = source_map_at(source_map, (size_t)(strstr(node->text, word) - node->text));
        if (found.line != expected.line || found.column != expected.column)
            print_error("%s\n%s: %d:%d, not %d:%d\n", iotify_buffer_text(&text), word, found.line,
                found.column, expected.line, expected.column);
        assert_int_equal(found.line, expected.line);
        assert_int_equal(found.column, expected.column);
    }
    iotify_buffer_clear(&text);
    diagnostics_clear(&diagnostics);
    arena_clear(&arena);
}

static void follows_every_style(void **state)
{
    (void)state;
    for (size_t style = 0; style < sizeof(styles) / sizeof(styles[0]); style++)
        for (uint64_t seed = 1; seed <= 200; seed++)
            check(style, seed);
}

static void knows_what_is_as_written(void **state)
{
    static const char *const texts[] = {
        "k: |\n  a\n  b\n", "k: one line", "k: \"one line\"", "k: ''", "k: &x !!str 'a'"};
    struct arena arena = {0};
    struct diagnostics diagnostics = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_null(source_map_new(
            &arena, node_get(tree_parse_text(&arena, &diagnostics, "t", texts[i]), "k")));
    diagnostics_clear(&diagnostics);
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_every_style),
        cmocka_unit_test(knows_what_is_as_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
