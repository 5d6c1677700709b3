/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "core/settings/tree.h"

struct fixture {
    struct arena arena;
    struct diagnostics diagnostics;
};

static int set_up(void **state)
{
    *state = memory_new(1, sizeof(struct fixture));
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    arena_clear(&fixture->arena);
    diagnostics_clear(&fixture->diagnostics);
    free(fixture);
    return 0;
}

static struct node *parse(void **state, const char *text)
{
    struct fixture *fixture = *state;

    return tree_parse_text(&fixture->arena, &fixture->diagnostics, "t", text);
}

static void knows_places(void **state)
{
    const struct node *root = parse(state, "a: 1\nb:\n  - x\n  - {c: 'y'}\n");
    const struct node *item = node_get(root, "b")->items[1];

    assert_int_equal(item->location.line, 4);
    assert_int_equal(item->location.column, 5);
    assert_string_equal(node_get(item, "c")->text, "y");
    assert_false(node_get(item, "c")->plain);
    assert_true(node_get(root, "a")->plain);
    assert_null(node_get(root, "nothing"));
}

static void expands_aliases(void **state)
{
    const struct node *root = parse(state, "a: &x {k: v}\nb: *x\n");

    assert_string_equal(node_get(node_get(root, "b"), "k")->text, "v");
}

/* Only a value that begins with {{ must be quoted. */
static void accepts_expressions_in_plain_scalars(void **state)
{
    struct fixture *fixture = *state;
    const struct node *root = parse(state, "a: x_{{y}}\nb: x {{y}} z\nc:\n- d/{{e.f('g')}}/h\n");

    assert_int_equal(fixture->diagnostics.count, 0);
    assert_string_equal(node_get(root, "a")->text, "x_{{y}}");
    assert_string_equal(node_get(root, "b")->text, "x {{y}} z");
    assert_string_equal(node_get(root, "c")->items[0]->text, "d/{{e.f('g')}}/h");
}

static void collects_problems(void **state)
{
    struct fixture *fixture = *state;

    parse(state, "a: 1\na: 2\nb: x\n<<: 3\n");
    assert_int_equal(fixture->diagnostics.count, 2);
    assert_string_equal(
        fixture->diagnostics.items[0].text, "duplicate key \"a\" (first on line 1)");
}

static void empty_is_a_mapping(void **state)
{
    const struct node *root = parse(state, "# nothing\n");

    assert_int_equal(root->kind, NODE_MAP);
    assert_int_equal(root->count, 0);
    assert_true(node_is_empty(node_get(parse(state, "a:\n"), "a")));
    assert_true(node_is_empty(node_get(parse(state, "a: null\n"), "a")));
    assert_false(node_is_empty(node_get(parse(state, "a: ''\n"), "a")));
}

static void becomes_json(void **state)
{
    const struct node *root =
        parse(state, "s: text\nq: '1'\nn: 1.5\nb: true\ne:\nl: [1, {x: y}]\n");
    struct iotify_buffer out;

    iotify_buffer_init(&out, 1000);
    node_to_json(root, &out);
    assert_string_equal(iotify_buffer_text(&out),
        "{\"s\":\"text\",\"q\":\"1\",\"n\":1.5,\"b\":true,\"e\":null,\"l\":[1,{\"x\":\"y\"}]}");
    iotify_buffer_clear(&out);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(knows_places), CASE(expands_aliases),
        CASE(accepts_expressions_in_plain_scalars), CASE(collects_problems),
        CASE(empty_is_a_mapping), CASE(becomes_json)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
