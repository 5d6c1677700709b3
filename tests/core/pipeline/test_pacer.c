/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/pipeline/pacer.h"

static double rate(void *argument, const char *operation, bool *known)
{
    (void)argument;
    *known = strcmp(operation, "Guessed") != 0;
    return strcmp(operation, "Free") == 0 ? 0 : 10;
}

static void spaces_calls(void **state)
{
    struct pacer *pacer = pacer_new(rate, NULL);
    const int64_t now = 1000 * SECOND;

    (void)state;
    for (int64_t i = 0; i < 20; i++)
        assert_int_equal(pacer_take(pacer, "Slow", now), now + i * SECOND / 10);
    /* Other operations are paced separately, and some have no limit. */
    assert_int_equal(pacer_take(pacer, "Free", now), now);
    assert_int_equal(pacer_take(pacer, "Free", now), now);
    /* A pause does not accumulate a burst. */
    assert_int_equal(pacer_take(pacer, "Slow", now + 100 * SECOND), now + 100 * SECOND);
    assert_int_equal(
        pacer_take(pacer, "Slow", now + 100 * SECOND), now + 100 * SECOND + SECOND / 10);
    pacer_free(pacer);
}

static void holds_back(void **state)
{
    struct pacer *pacer = pacer_new(rate, NULL);

    (void)state;
    pacer_hold(pacer, "Slow", 5 * SECOND);
    assert_int_equal(pacer_take(pacer, "Slow", SECOND), 5 * SECOND);
    pacer_hold(pacer, "Slow", 2 * SECOND);
    assert_int_equal(pacer_take(pacer, "Slow", SECOND), 5 * SECOND + SECOND / 10);
    pacer_free(pacer);
}

/* Use an operation at its full rate: each call waits for its turn. */
static void use(struct pacer *pacer, const char *operation, int calls)
{
    for (int i = 0; i < calls; i++) {
        pacer_take(pacer, operation, 0);
        pacer_report(pacer, operation, clock_now(), false);
    }
}

static void keeps_to_what_is_known(void **state)
{
    struct pacer *pacer = pacer_new(rate, NULL);

    (void)state;
    use(pacer, "Slow", 1000);
    assert_true(pacer_rate(pacer, "Slow") == 10);
    assert_true(pacer_rate(pacer, "Free") == 0);
    pacer_free(pacer);
}

static void feels_its_way_beyond_a_guess(void **state)
{
    struct pacer *pacer = pacer_new(rate, NULL);

    (void)state;
    use(pacer, "Guessed", 100);
    assert_true(pacer_rate(pacer, "Guessed") > 13);
    /* A rate that is not fully used says nothing about the limit. */
    pacer_free(pacer);
    pacer = pacer_new(rate, NULL);
    for (int i = 0; i < 100; i++) {
        pacer_take(pacer, "Guessed", (i + 1) * 10 * SECOND);
        pacer_report(pacer, "Guessed", clock_now(), false);
    }
    assert_true(pacer_rate(pacer, "Guessed") == 10);
    pacer_free(pacer);
}

static void slows_down_once_for_calls_under_way(void **state)
{
    struct pacer *pacer = pacer_new(rate, NULL);
    int64_t sent = clock_now();

    (void)state;
    pacer_take(pacer, "Slow", sent);
    for (int i = 0; i < 50; i++)
        pacer_report(pacer, "Slow", sent, true);
    assert_true(pacer_rate(pacer, "Slow") > 6.6 && pacer_rate(pacer, "Slow") < 6.8);
    /* A call that was sent after the slowdown is new information. */
    pacer_report(pacer, "Slow", clock_now() + 1, true);
    assert_true(pacer_rate(pacer, "Slow") > 4.4 && pacer_rate(pacer, "Slow") < 4.6);
    for (int i = 0; i < 100; i++)
        pacer_report(pacer, "Slow", clock_now() + SECOND, true);
    assert_true(pacer_rate(pacer, "Slow") > 0);
    use(pacer, "Slow", 2000);
    assert_true(pacer_rate(pacer, "Slow") == 10);
    pacer_free(pacer);
}

static void repeats_have_a_budget(void **state)
{
    struct pacer *pacer = pacer_new(rate, NULL);
    int repeats = 0;

    (void)state;
    while (pacer_may_repeat(pacer) && repeats < 1000)
        repeats++;
    assert_int_equal(repeats, 100);
    for (int i = 0; i < 10; i++)
        pacer_earn(pacer);
    assert_true(pacer_may_repeat(pacer));
    assert_true(pacer_may_repeat(pacer));
    assert_false(pacer_may_repeat(pacer));
    pacer_free(pacer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(spaces_calls), cmocka_unit_test(holds_back),
        cmocka_unit_test(keeps_to_what_is_known), cmocka_unit_test(feels_its_way_beyond_a_guess),
        cmocka_unit_test(slows_down_once_for_calls_under_way),
        cmocka_unit_test(repeats_have_a_budget)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
