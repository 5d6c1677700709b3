#include "check.h"

#include "core/simulate/threshold.h"

static void evaluates(void **state)
{
    static const struct {
        const char *expression;
        bool holds;
    } cases[] = {{"failed == 0", true}, {"failed==1", false}, {"published >= 100", true},
        {"published > 100", false}, {"lost != 0", true}, {"publish.p99 < 500ms", true},
        {"publish.p99 < 1ms", false}, {"publish.max <= 1s", true},
        {"connect.p50 == 0s", false}, /* never measured */
        {"connect.p50 < 1s", false}};
    struct simulate_summary results = {.published = 100, .lost = 3};
    double value;

    (void)state;
    for (int64_t i = 1; i <= 100; i++)
        histogram_add(&results.publish, i * 1000000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(threshold_holds(cases[i].expression, &results, &value), cases[i].holds);
    threshold_holds("published > 0", &results, &value);
    assert_float_equal(value, 100, 0);
    histogram_clear(&results.publish);
}

static void says_what_is_wrong(void **state)
{
    struct arena arena = {0};

    (void)state;
    assert_null(threshold_check(&arena, "publish.p99 < 500ms"));
    assert_string_equal(threshold_check(&arena, "publsh.p99 < 500ms"),
        "unknown metric \"publsh.p99\"; did you mean \"publish.p99\"?");
    assert_string_equal(threshold_check(&arena, "failed = 0"),
        "\"failed = 0\" is no threshold; write METRIC < VALUE, for example publish.p99 < 500ms");
    assert_string_equal(threshold_check(&arena, "failed < many"),
        "\"failed\" compares with a number, not \"many\"");
    assert_non_null(threshold_check(&arena, ""));
    assert_non_null(threshold_check(&arena, "<"));
    assert_non_null(threshold_check(&arena, "failed <"));
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evaluates), cmocka_unit_test(says_what_is_wrong)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
