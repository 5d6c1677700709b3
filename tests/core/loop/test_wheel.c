/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdlib.h>

#include "core/loop/wheel.h"

#define TICK (INT64_C(1) << WHEEL_TICK_BITS)

static struct wheel wheel;
static struct wheel_link due;

static int set_up(void **state)
{
    (void)state;
    wheel_init(&wheel, 1000);
    wheel_ring_init(&due);
    return 0;
}

static size_t count_due(int64_t now)
{
    size_t count = 0;

    wheel_advance(&wheel, now, &due);
    while (wheel_ring_pop(&due))
        count++;
    return count;
}

static void is_never_early_and_a_tick_late_at_most(void **state)
{
    (void)state;
    for (int64_t delay = 1; delay < INT64_C(1) << 50; delay = delay * 3 + 12345) {
        struct wheel_timer timer = {0};
        int64_t moment = 1000 + delay, now = 1000;

        wheel_init(&wheel, 1000);
        wheel_start(&wheel, &timer, moment);
        /* Advance to the wheel's next moment until the timer fires, in few turns. */
        for (int turns = 0; timer.link.next; turns++) {
            assert_true(turns < WHEEL_LEVELS + 1);
            assert_true(wheel_next(&wheel) >= now);
            now = wheel_next(&wheel);
            wheel_advance(&wheel, now, &due);
            if (due.next != &due)
                wheel_ring_pop(&due);
        }
        assert_in_range(now, moment, moment + TICK);
        assert_true(wheel_next(&wheel) == INT64_MAX);
    }
}

static void keeps_the_order_of_times(void **state)
{
    enum { MANY = 5000 };
    static struct wheel_timer timers[MANY];
    int64_t last = 0;
    size_t seen = 0;
    uint64_t random = 7;

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        wheel_start(&wheel, &timers[i], 1000 + (int64_t)(random >> 30));
    }
    for (int64_t now = 1000; seen < MANY; now += 50 * TICK + 17) {
        struct wheel_timer *timer;

        wheel_advance(&wheel, now, &due);
        while ((timer = wheel_ring_pop(&due))) {
            assert_true(timer->due >= last);
            last = timer->due;
            seen++;
        }
    }
}

static void stops_and_moves(void **state)
{
    struct wheel_timer a = {0}, b = {0};

    (void)state;
    wheel_start(&wheel, &a, 1000 + 10 * TICK);
    wheel_start(&wheel, &b, 1000 + 10 * TICK);
    wheel_stop(&wheel, &a);
    wheel_stop(&wheel, &a);
    assert_int_equal(count_due(1000 + 20 * TICK), 1);
    wheel_start(&wheel, &a, 1000 + 5000 * TICK);
    wheel_start(&wheel, &a, 1000 + 30 * TICK);
    assert_int_equal(count_due(1000 + 31 * TICK), 1);
    assert_true(wheel_next(&wheel) == INT64_MAX);
    /* The last timer of a slot clears the slot's mark. */
    wheel_start(&wheel, &a, 1000 + 70000 * TICK);
    wheel_stop(&wheel, &a);
    assert_true(wheel_next(&wheel) == INT64_MAX);
    /* A timer for the past is due now. */
    wheel_start(&wheel, &a, 5);
    assert_int_equal(count_due(1000 + 31 * TICK), 1);
}

/* A callback may stop a timer that is due after it. */
static void stops_what_is_due_already(void **state)
{
    struct wheel_timer a = {0}, b = {0};

    (void)state;
    wheel_start(&wheel, &a, 1000 + TICK);
    wheel_start(&wheel, &b, 1000 + TICK);
    wheel_advance(&wheel, 1000 + 2 * TICK, &due);
    assert_ptr_equal(wheel_ring_pop(&due), &a);
    wheel_stop(&wheel, &b);
    assert_null(wheel_ring_pop(&due));
}

/* Compares with a plain list: random starts, moves, stops and turns. */
static void agrees_with_a_simple_list(void **state)
{
    enum { MANY = 200 };
    static struct wheel_timer timers[MANY];
    static int64_t moments[MANY];
    uint64_t random = 99;
    int64_t now = 1000;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t i;
        struct wheel_timer *timer;

        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        i = (size_t)(random >> 40) % MANY;
        if ((random >> 33) % 8 == 0) {
            wheel_stop(&wheel, &timers[i]);
            moments[i] = 0;
        } else {
            moments[i] = now + (int64_t)((random >> 20) % (UINT64_C(1) << (20 + (random % 20))));
            wheel_start(&wheel, &timers[i], moments[i]);
        }
        now += (int64_t)((random >> 13) % (3 * TICK));
        wheel_advance(&wheel, now, &due);
        while ((timer = wheel_ring_pop(&due))) {
            size_t fired = (size_t)(timer - timers);

            assert_true(moments[fired] != 0 && moments[fired] <= now);
            moments[fired] = 0;
        }
        for (size_t j = 0; j < MANY; j++)
            assert_true(moments[j] == 0 || moments[j] + TICK > now);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(is_never_early_and_a_tick_late_at_most, set_up),
        cmocka_unit_test_setup(keeps_the_order_of_times, set_up),
        cmocka_unit_test_setup(stops_and_moves, set_up),
        cmocka_unit_test_setup(stops_what_is_due_already, set_up),
        cmocka_unit_test_setup(agrees_with_a_simple_list, set_up)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
