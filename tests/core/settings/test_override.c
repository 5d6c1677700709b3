/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "core/settings/override.h"

static struct arena arena;
static struct diagnostics diagnostics;

static int tear_down(void **state)
{
    (void)state;
    arena_clear(&arena);
    diagnostics_clear(&diagnostics);
    return 0;
}

static struct node *tree(void)
{
    return tree_parse_text(&arena, &diagnostics, "t",
        "devices: 3\nplugins: {aws: {use: aws-iot}}\n"
        "pipelines: {deploy: [{aws.device: {issuer: local}}, {aws.policy: }]}\n");
}

static struct node *device_of(struct node *root)
{
    return node_get(node_get(node_get(root, "pipelines"), "deploy")->items[0], "aws.device");
}

static void sets_values(void **state)
{
    struct node *root = tree();

    (void)state;
    override_apply(&arena, &diagnostics, root, "devices=500");
    override_apply(&arena, &diagnostics, root, "plugins.aws.region=eu-west-1");
    override_apply(&arena, &diagnostics, root, "plugins.glob.use=file");
    assert_int_equal(diagnostics.count, 0);
    assert_string_equal(node_get(root, "devices")->text, "500");
    assert_string_equal(
        node_get(node_get(node_get(root, "plugins"), "aws"), "region")->text, "eu-west-1");
    assert_string_equal(node_get(node_get(node_get(root, "plugins"), "glob"), "use")->text, "file");
}

static void a_step_name_is_one_part(void **state)
{
    struct node *root = tree();

    (void)state;
    override_apply(&arena, &diagnostics, root, "pipelines.deploy.0.aws.device.issuer=csr");
    override_apply(&arena, &diagnostics, root, "pipelines.deploy.1.aws.policy.name=P");
    assert_int_equal(diagnostics.count, 0);
    assert_string_equal(node_get(device_of(root), "issuer")->text, "csr");
    assert_string_equal(
        node_get(node_get(node_get(node_get(root, "pipelines"), "deploy")->items[1], "aws.policy"),
            "name")
            ->text,
        "P");
}

static void values_are_yaml(void **state)
{
    struct node *root = tree();

    (void)state;
    override_apply(&arena, &diagnostics, root, "devices={first: 5, count: 2}");
    override_apply(&arena, &diagnostics, root, "run=[deploy]");
    override_apply(&arena, &diagnostics, root, "name=");
    assert_int_equal(diagnostics.count, 0);
    assert_string_equal(node_get(node_get(root, "devices"), "first")->text, "5");
    assert_int_equal(node_get(root, "run")->kind, NODE_LIST);
    assert_true(node_is_empty(node_get(root, "name")));
}

static void refuses_nonsense(void **state)
{
    static const struct {
        const char *text, *error;
    } bad[] = {
        {.text = "devices", .error = "write it as PATH=VALUE, for example devices=500"},
        {.text = "=5", .error = "write it as PATH=VALUE, for example devices=500"},
        {.text = "pipelines.deploy.7.x=1",
            .error = "\"7\" is not the number of an item; the list has the items 0 to 1"},
        {.text = "pipelines.deploy.first.x=1",
            .error = "\"first\" is not the number of an item; the list has the items 0 to 1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        override_apply(&arena, &diagnostics, tree(), bad[i].text);
        assert_int_equal(diagnostics.count, i < 1 ? 1 : i + 1);
        assert_string_equal(diagnostics.items[diagnostics.count - 1].text, bad[i].error);
        assert_int_equal(diagnostics.items[diagnostics.count - 1].location.line, 0);
    }
}

#define CASE(function) cmocka_unit_test_teardown(function, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(sets_values), CASE(a_step_name_is_one_part),
        CASE(values_are_yaml), CASE(refuses_nonsense)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
