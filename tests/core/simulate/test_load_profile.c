/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/simulate/load_profile.h"

static struct load_profile load_profile;

static void make(
    const struct simulate_stage *stages, size_t count, int64_t interval, int64_t clients)
{
    const void *rows[8];
    struct simulate_options options = {.interval = interval, .stages = {rows, count}};

    for (size_t i = 0; i < count; i++)
        rows[i] = &stages[i];
    load_profile_init(&load_profile, &options, clients);
}

static int tear_down(void **state)
{
    (void)state;
    load_profile_clear(&load_profile);
    return 0;
}

/* The messages of one client from `from` on, until `to`. */
static int64_t count_messages(int64_t from, int64_t to)
{
    int64_t count = 0;

    for (int64_t at = from; (at = load_profile_after(&load_profile, at, 1)) < to; count++)
        continue;
    return count;
}

static void without_stages(void **state)
{
    (void)state;
    make(NULL, 0, 250 * MILLISECOND, 10);
    assert_int_equal(load_profile.ends, 0);
    assert_false(load_profile_varies(&load_profile));
    assert_true(load_profile_clients(&load_profile, 5 * SECOND) >= 10);
    assert_int_equal(load_profile_after(&load_profile, SECOND, 1), SECOND + 250 * MILLISECOND);
    assert_false(load_profile_shares(&load_profile, 0));
}

static void clients_ramp_and_hold(void **state)
{
    static const struct simulate_stage stages[] = {{"up", 10 * SECOND, 100, 0, 0},
        {"hold", 5 * SECOND, -1, 0, 0}, {"down", 10 * SECOND, 50, 0, 0}};

    (void)state;
    make(stages, 3, SECOND, 100);
    assert_true(load_profile_varies(&load_profile));
    assert_int_equal(load_profile.ends, 25 * SECOND);
    assert_int_equal(load_profile_clients(&load_profile, 0), 0);
    assert_int_equal(load_profile_clients(&load_profile, 5 * SECOND), 50);
    assert_int_equal(load_profile_clients(&load_profile, 12 * SECOND), 100);
    assert_int_equal(load_profile_clients(&load_profile, 20 * SECOND), 75);
    assert_int_equal(load_profile_clients(&load_profile, 30 * SECOND), 50);
    /* Each client by its own interval, independent of the others. */
    assert_int_equal(load_profile_after(&load_profile, 3 * SECOND, 1), 4 * SECOND);
    assert_true(load_profile_after(&load_profile, 24 * SECOND + 1, 1) == INT64_MAX);
}

static void a_rate_is_shared(void **state)
{
    static const struct simulate_stage stages[] = {{"up", 10 * SECOND, -1, 100, 0},
        {"hold", 10 * SECOND, -1, 0, 0}, {"down", 10 * SECOND, -1, 50, 0}};

    (void)state;
    make(stages, 3, SECOND, 50);
    assert_true(load_profile_shares(&load_profile, SECOND));
    /* 500 in the first stage, 1000 in the second, 750 in the third: shared by 50 clients. */
    assert_in_range(count_messages(0, 10 * SECOND), 9, 10);
    assert_in_range(count_messages(10 * SECOND, 20 * SECOND), 19, 20);
    assert_in_range(count_messages(20 * SECOND, 30 * SECOND), 14, 15);
    assert_in_range(count_messages(0, 30 * SECOND), 44, 45);
    /* On the plateau a client sends twice per second. */
    assert_int_equal(load_profile_after(&load_profile, 12 * SECOND, 1), 12 * SECOND + SECOND / 2);
    assert_int_equal(load_profile_after(&load_profile, 12 * SECOND, 0.5), 12 * SECOND + SECOND / 4);
    assert_true(load_profile_after(&load_profile, 30 * SECOND, 1) == INT64_MAX);
}

/* While clients join, each sends less often: the rate of all stays the same. */
static void a_rate_stays_when_clients_come(void **state)
{
    static const struct simulate_stage stages[] = {{"few", MILLISECOND, 10, 0, 0},
        {"rate", MILLISECOND, -1, 100, 0}, {"more", 10 * SECOND, 110, 0, 0}};
    int64_t begins = 2 * MILLISECOND, at = begins;
    double expected = 100 / 10.0 * log(11);

    (void)state;
    make(stages, 3, SECOND, 110);
    assert_in_range(count_messages(begins, 12 * SECOND), (int)expected - 1, (int)expected + 1);
    at = load_profile_after(&load_profile, at, 1);
    assert_true(llabs(at - begins - (int64_t)(SECOND * (exp(0.1) - 1))) < 2 * MILLISECOND);
}

/* The last client sends at the whole rate, and does not catch up for those that left. */
static void a_rate_among_fewer_and_fewer(void **state)
{
    static const struct simulate_stage stages[] = {{"up", 2 * SECOND, -1, 200, 0},
        {"away", 2 * SECOND, 0, 0, 0}, {"nobody", SECOND, -1, 0, 0},
        {"back", 2 * SECOND, 50, 0, 0}};
    /* From 50 to 1 over 1.96 s: 200/25 ln 50; then one client at the whole rate. */
    double expected = 200 / 25.0 * log(50) + 200 * 0.04;

    (void)state;
    make(stages, 4, SECOND, 50);
    assert_in_range(count_messages(2 * SECOND, 4 * SECOND), (int)expected - 2, (int)expected + 2);
    assert_in_range(count_messages(4 * SECOND, 5 * SECOND), 198, 201);
    assert_in_range(count_messages(5 * SECOND, 7 * SECOND), (int)expected - 2, (int)expected + 2);
}

static void as_fast_as_it_goes(void **state)
{
    (void)state;
    make(NULL, 0, 0, 10);
    assert_int_equal(load_profile_after(&load_profile, SECOND, 1), SECOND);
}

/* The same numbers as by going from message to message. */
static void messages_are_counted(void **state)
{
    static const struct simulate_stage stages[] = {{"up", 10 * SECOND, 100, 0, 0},
        {"faster", 10 * SECOND, -1, 300, 0}, {"hold", 5 * SECOND, -1, 0, 0},
        {"down", 10 * SECOND, 20, 0, 0}};

    (void)state;
    make(stages, 4, SECOND, 100);
    for (int64_t from = 0; from < 35; from++)
        for (int64_t until = from + 1; until <= 35; until++) {
            int64_t begin = from * SECOND + 10 * MILLISECOND,
                    end = until * SECOND - 7 * MILLISECOND;

            assert_int_equal(
                load_profile_count(&load_profile, begin, end), 1 + count_messages(begin, end));
        }
    assert_int_equal(load_profile_count(&load_profile, SECOND, SECOND), 0);
    load_profile_clear(&load_profile);
    make(NULL, 0, 250 * MILLISECOND, 10);
    assert_int_equal(load_profile_count(&load_profile, 0, SECOND), 4);
    assert_int_equal(load_profile_count(&load_profile, 0, SECOND + 1), 5);
    load_profile_clear(&load_profile);
    make(NULL, 0, 0, 10);
    assert_int_equal(load_profile_count(&load_profile, 0, SECOND), 0);
}

#define CASE(function) cmocka_unit_test_teardown(function, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(without_stages), CASE(clients_ramp_and_hold),
        CASE(a_rate_is_shared), CASE(a_rate_stays_when_clients_come),
        CASE(a_rate_among_fewer_and_fewer), CASE(as_fast_as_it_goes), CASE(messages_are_counted)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
