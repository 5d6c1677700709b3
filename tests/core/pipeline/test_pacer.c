#include "check.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/pipeline/pacer.h"

static double rate(void *argument, const char *operation)
{
    (void)argument;
    return strcmp(operation, "Slow") == 0 ? 10 : 0;
}

static void spaces_calls(void **state)
{
    struct pacer *pacer = pacer_new(rate, NULL);
    const int64_t now = 1000 * SECOND;

    (void)state;
    for (int64_t i = 0; i < 20; i++)
        assert_int_equal(pacer_take(pacer, "Slow", now), now + i * SECOND / 10);
    /* Other operations have their own turns, and some have no limit. */
    assert_int_equal(pacer_take(pacer, "Free", now), now);
    assert_int_equal(pacer_take(pacer, "Free", now), now);
    /* A pause does not save up a burst. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spaces_calls), cmocka_unit_test(holds_back)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
