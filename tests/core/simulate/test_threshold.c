/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "core/simulate/threshold.h"

static void evaluates(void **state)
{
    static const struct {
        const char *expression;
        enum threshold_state expected;
    } cases[] = {{.expression = "failed == 0", .expected = THRESHOLD_HOLDS},
        {.expression = "failed==1", .expected = THRESHOLD_CROSSED},
        {.expression = "published >= 100", .expected = THRESHOLD_HOLDS},
        {.expression = "published > 100", .expected = THRESHOLD_CROSSED},
        {.expression = "lost != 0", .expected = THRESHOLD_HOLDS},
        {.expression = "publish.p99 < 500ms", .expected = THRESHOLD_HOLDS},
        {.expression = "publish.p99 < 1ms", .expected = THRESHOLD_CROSSED},
        {.expression = "publish.max <= 1s", .expected = THRESHOLD_HOLDS},
        {.expression = "connect.p50 == 0s", .expected = THRESHOLD_UNMEASURED},
        {.expression = "connect.p50 < 1s", .expected = THRESHOLD_UNMEASURED},
        {.expression = "temperature == 60", .expected = THRESHOLD_HOLDS},
        {.expression = "temperature.mean == 20", .expected = THRESHOLD_HOLDS},
        {.expression = "temperature.max > 30", .expected = THRESHOLD_CROSSED},
        {.expression = "temperature.count == 3", .expected = THRESHOLD_HOLDS},
        {.expression = "odd.count == 5", .expected = THRESHOLD_HOLDS},
        {.expression = "temperature.p50 <= 20.05", .expected = THRESHOLD_HOLDS},
        {.expression = "temperature.p50 < 19.95", .expected = THRESHOLD_CROSSED},
        {.expression = "temperature.p999 > 29.9", .expected = THRESHOLD_HOLDS},
        {.expression = "humidity < 1", .expected = THRESHOLD_UNMEASURED},
        {.expression = "generator.cpu < 0.6", .expected = THRESHOLD_HOLDS},
        {.expression = "generator.saturated == 0", .expected = THRESHOLD_HOLDS}};
    struct simulate_summary results = {.cpu = 0.5};
    struct distribution_bucket buckets[] = {{150461, 1}, {150599, 1}, {150680, 1}};
    const struct distribution values = {buckets, 3, 3}; /* 10, 20, 30 */
    double value;

    (void)state;
    results.tally.counts[TALLY_PUBLISHED] = 100;
    results.tally.counts[TALLY_LOST] = 3;
    tally_add_metric(&results.tally,
        &(struct tally_metric){
            .name = "temperature", .count = 3, .sum = 60, .min = 10, .max = 30, .values = values});
    tally_add_metric(&results.tally,
        &(struct tally_metric){.name = "odd.count", .count = 1, .sum = 5, .min = 5, .max = 5});
    for (int64_t i = 1; i <= 100; i++)
        histogram_add(&results.tally.times[TALLY_PUBLISH], i * 1000000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(
            threshold_evaluate(cases[i].expression, &results, &value), cases[i].expected);
    threshold_evaluate("published > 0", &results, &value);
    assert_float_equal(value, 100, 0);
    /* A latency that holds although the generator was saturated holds. */
    results.saturated = true;
    assert_int_equal(threshold_evaluate("publish.p99 < 500ms", &results, &value), THRESHOLD_HOLDS);
    assert_int_equal(
        threshold_evaluate("publish.p99 < 50ms", &results, &value), THRESHOLD_SATURATED);
    assert_int_equal(threshold_evaluate("failed == 0", &results, &value), THRESHOLD_HOLDS);
    tally_clear(&results.tally);
}

static void replaces_defaults_by_name(void **state)
{
    (void)state;
    assert_true(threshold_same_metric("failed < 10", "failed == 0"));
    assert_true(threshold_same_metric(" failed!=10", "failed == 0"));
    assert_false(threshold_same_metric("lost < 10", "failed == 0"));
}

static void says_what_is_wrong(void **state)
{
    const char *own[] = {"temperature", "odd.count"};
    const struct metric_names names = {own, 2, false}, any = {.any = true};
    struct arena arena = {0};

    (void)state;
    assert_null(threshold_check(&arena, "publish.p99 < 500ms", &names));
    assert_null(threshold_check(&arena, "temperature.mean < 5", &names));
    assert_null(threshold_check(&arena, "odd.count < 5", &names));
    assert_null(threshold_check(&arena, "whatever < 5", &any));
    assert_string_equal(threshold_check(&arena, "publsh.p99 < 500ms", &names),
        "unknown metric \"publsh.p99\"; did you mean \"publish.p99\"?");
    assert_string_equal(threshold_check(&arena, "temprature.mean < 5", &names),
        "unknown metric \"temprature.mean\"; did you mean \"temperature.mean\"?");
    assert_string_equal(threshold_check(&arena, "failed = 0", &names),
        "invalid threshold \"failed = 0\" (expected METRIC < VALUE, for example publish.p99 < "
        "500ms)");
    assert_string_equal(threshold_check(&arena, "failed < many", &names),
        "\"failed\" compares with a number, not \"many\"");
    assert_non_null(threshold_check(&arena, "", &names));
    assert_non_null(threshold_check(&arena, "<", &names));
    assert_non_null(threshold_check(&arena, "failed <", &names));
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(evaluates),
        cmocka_unit_test(replaces_defaults_by_name), cmocka_unit_test(says_what_is_wrong)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
