/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "core/simulate/ledger.h"

static struct ledger ledger;

static int set_up(void **state)
{
    (void)state;
    ledger = (struct ledger){0};
    return 0;
}

static int set_up_verifying(void **state)
{
    set_up(state);
    ledger.verifies = true;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ledger_clear(&ledger);
    return 0;
}

static uint64_t add(int64_t intended, uint64_t print, bool over_rate)
{
    return ledger_add(&ledger,
        &(struct ledger_entry){.intended = intended, .print = print, .over_rate = over_rate});
}

/* One that never returns must not keep all that come after it. */
static void forgets_what_does_not_return(void **state)
{
    uint64_t token = 99, last = 0;
    int64_t intended;

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        last = ledger_add(&ledger, &(struct ledger_entry){.print = i, .sent = i});
        assert_true(ledger_acknowledge(&ledger, last, &intended));
        if (i != 3)
            assert_int_equal(ledger_receive(&ledger, i, &intended), ARRIVED);
    }
    assert_int_equal(ledger.unreceived, 1);
    assert_true(ledger.count > 900);
    assert_null(ledger_unreturned(&ledger, 3, &token));
    assert_non_null(ledger_unreturned(&ledger, 4, &token));
    assert_int_equal(token, 3);
    assert_false(ledger_forget(&ledger, 4));
    assert_true(ledger_forget(&ledger, 3));
    assert_false(ledger_forget(&ledger, 3));
    assert_int_equal(ledger.unreceived, 0);
    assert_true(ledger.count < 100);
    assert_null(ledger_unreturned(&ledger, 1000, &token));
}

/* Messages with QoS 0 are not acknowledged by the server, and never overdue. */
static void finds_what_is_overdue(void **state)
{
    const struct ledger_entry once = {.sent = 1, .once = true}, early = {.sent = 2},
                              late = {.sent = 7};
    uint64_t token = 99;
    int64_t intended;

    (void)state;
    assert_null(ledger_overdue(&ledger, 100, &token));
    ledger_add(&ledger, &once);
    ledger_add(&ledger, &early);
    ledger_add(&ledger, &early);
    ledger_add(&ledger, &late);
    assert_null(ledger_overdue(&ledger, 2, &token));
    assert_non_null(ledger_overdue(&ledger, 3, &token));
    assert_int_equal(token, 1);
    assert_true(ledger_acknowledge(&ledger, 1, &intended));
    assert_non_null(ledger_overdue(&ledger, 7, &token));
    assert_int_equal(token, 2);
    assert_true(ledger_lose(&ledger, 2));
    assert_null(ledger_overdue(&ledger, 7, &token));
    assert_non_null(ledger_overdue(&ledger, 8, &token));
    assert_int_equal(token, 3);
}

static void acknowledges_in_any_order(void **state)
{
    int64_t intended;

    (void)state;
    for (int64_t i = 0; i < 1000; i++)
        assert_int_equal(add(100 + i, 0, false), i);
    assert_int_equal(ledger.open, 1000);
    for (uint64_t i = 0; i < 1000; i += 2)
        assert_true(ledger_acknowledge(&ledger, i, &intended));
    assert_int_equal(intended, 1098);
    assert_false(ledger_acknowledge(&ledger, 4, &intended));
    assert_false(ledger_acknowledge(&ledger, 1000, &intended));
    for (uint64_t i = 999; i < 1000; i -= 2)
        assert_true(ledger_acknowledge(&ledger, i, &intended));
    assert_int_equal(ledger.open, 0);
    assert_int_equal(ledger.count, 0);
    assert_int_equal(add(1, 0, false), 1000);
}

static void reports_what_is_left(void **state)
{
    const struct ledger_entry *entry;
    uint32_t at = 0;
    int64_t intended;

    (void)state;
    for (int64_t i = 0; i < 5; i++)
        add(i, 0, i == 3);
    assert_true(ledger_acknowledge(&ledger, 1, &intended));
    assert_true(ledger_lose(&ledger, 2));
    assert_false(ledger_lose(&ledger, 2));
    ledger_take_back(&ledger);
    entry = ledger_unsettled(&ledger, &at);
    assert_int_equal(entry->intended, 0);
    entry = ledger_unsettled(&ledger, &at);
    assert_int_equal(entry->intended, 3);
    assert_true(entry->over_rate);
    assert_null(ledger_unsettled(&ledger, &at));
    assert_int_equal(ledger.open, 2);
}

static void follows_messages_home(void **state)
{
    int64_t intended = 0;

    (void)state;
    for (uint64_t i = 0; i < 5; i++)
        add((int64_t)i, 1000 + i, false);
    assert_int_equal(ledger.unreceived, 5);
    /* A message may come back before its acknowledgement. */
    assert_int_equal(ledger_receive(&ledger, 1000, &intended), ARRIVED);
    assert_true(ledger_acknowledge(&ledger, 0, &intended));
    assert_int_equal(ledger_receive(&ledger, 1002, &intended), ARRIVED);
    assert_int_equal(intended, 2);
    assert_int_equal(ledger_receive(&ledger, 1001, &intended), ARRIVED_REORDERED);
    assert_int_equal(ledger_receive(&ledger, 1001, &intended), ARRIVED_AGAIN);
    assert_int_equal(ledger_receive(&ledger, 77, &intended), ARRIVED_FOREIGN);
    assert_int_equal(ledger_receive(&ledger, 1003, &intended), ARRIVED);
    assert_int_equal(ledger.unreceived, 1);
    assert_true(ledger_lose(&ledger, 4));
    assert_int_equal(ledger.unreceived, 0);
}

/* Equal payloads match the oldest message first; one more than was sent is a duplicate. */
static void counts_equal_payloads(void **state)
{
    int64_t intended;

    (void)state;
    for (int64_t i = 0; i < 3; i++)
        add(i, 5, false);
    for (int64_t i = 0; i < 3; i++) {
        assert_int_equal(ledger_receive(&ledger, 5, &intended), ARRIVED);
        assert_int_equal(intended, i);
    }
    assert_int_equal(ledger_receive(&ledger, 5, &intended), ARRIVED_AGAIN);
}

static void forgets_what_is_long_settled(void **state)
{
    int64_t intended;

    (void)state;
    for (uint64_t i = 0; i < 100000; i++) {
        assert_int_equal(add(1, i, false), i);
        assert_true(ledger_acknowledge(&ledger, i, &intended));
        assert_int_equal(ledger_receive(&ledger, i, &intended), ARRIVED);
    }
    assert_true(ledger.capacity <= 128);
    /* A duplicate that comes soon is still recognized. */
    assert_int_equal(ledger_receive(&ledger, 99990, &intended), ARRIVED_AGAIN);
}

static void prints_differ(void **state)
{
    (void)state;
    assert_true(ledger_print("abc", 3) != ledger_print("abd", 3));
    assert_true(ledger_print("abc", 3) != ledger_print("abc\0", 4));
    assert_true(ledger_print("", 0) != ledger_print("\0", 1));
    assert_true(ledger_print("12345678abc", 11) != ledger_print("abc12345678", 11));
    assert_true(ledger_print("12345678", 8) == ledger_print("12345678", 8));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
#define VERIFYING(function) cmocka_unit_test_setup_teardown(function, set_up_verifying, tear_down)

/* Only hang-ups in a row count, and only messages that were in flight at each of them. */
static void gives_up_after_three_hang_ups(void **state)
{
    int64_t intended;
    uint64_t token;

    (void)state;
    assert_false(ledger_disconnect(&ledger, true));
    assert_false(ledger.suspect);
    add(1, 0, false);
    assert_false(ledger_disconnect(&ledger, true));
    assert_false(ledger_disconnect(&ledger, true));
    assert_true(ledger.suspect);
    assert_false(ledger_disconnect(&ledger, false));
    assert_false(ledger.suspect);
    assert_false(ledger_disconnect(&ledger, true));
    add(2, 0, false);
    assert_false(ledger_disconnect(&ledger, true));
    assert_true(ledger_acknowledge(&ledger, 0, &intended));
    assert_false(ledger_disconnect(&ledger, true));
    assert_non_null(ledger_open(&ledger, &token));
    assert_int_equal(token, 1);
    assert_true(ledger_disconnect(&ledger, true));
    assert_true(ledger_lose(&ledger, token));
    assert_false(ledger.suspect);
    assert_null(ledger_open(&ledger, &token));
}

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(acknowledges_in_any_order), CASE(reports_what_is_left),
        CASE(finds_what_is_overdue), CASE(gives_up_after_three_hang_ups),
        VERIFYING(follows_messages_home), VERIFYING(counts_equal_payloads),
        VERIFYING(forgets_what_is_long_settled), VERIFYING(forgets_what_does_not_return),
        cmocka_unit_test(prints_differ)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
