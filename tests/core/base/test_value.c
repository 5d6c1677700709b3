/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <iotify/buffer.h>

#include "core/base/value.h"

static void reads_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"250ms", 250000000}, {"10s", 10000000000}, {"1.5s", 1500000000},
        {"5m", 300000000000}, {"2h", 7200000000000}, {"1d", 86400000000000}, {"100us", 100000},
        {"7ns", 7}, {"0", 0}, {"0s", 0}};
    static const char *const bad[] = {"", "10", "s", "-1s", "1e3s", "10 s", "1.s", ".5s", "10S",
        "1m30s", "99999999999999999d", "nan", "inf", "0x10s"};
    int64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(value_parse_duration(good[i].text, &value));
        assert_int_equal(value, good[i].value);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(value_parse_duration(bad[i], &value));
}

static void durations_survive_printing(void **state)
{
    static const int64_t values[] = {0, 1, 999, 1000, 250000000, 1500000000, 60000000000,
        3600000000000, 90000000000, 86400000000000, 123456789};
    struct iotify_buffer text;
    int64_t value;

    (void)state;
    iotify_buffer_init(&text, 100);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        iotify_buffer_reset(&text);
        value_format_duration(values[i], &text);
        assert_true(value_parse_duration(iotify_buffer_text(&text), &value));
        assert_int_equal(value, values[i]);
    }
    iotify_buffer_clear(&text);
}

static void reads_numbers(void **state)
{
    int64_t value;

    (void)state;
    assert_true(value_parse_integer("-17", &value));
    assert_int_equal(value, -17);
    assert_true(value_parse_integer("9223372036854775807", &value));
    assert_false(value_parse_integer("9223372036854775808", &value));
    assert_false(value_parse_integer("1.0", &value));
    assert_false(value_parse_integer(" 1", &value));
    assert_false(value_parse_integer("0x10", &value));
    assert_false(value_parse_integer("", &value));
    assert_true(value_parse_size("128KB", &value));
    assert_int_equal(value, 128000);
    assert_true(value_parse_size("4MiB", &value));
    assert_int_equal(value, 4194304);
    assert_false(value_parse_size("4mb", &value));
}

static void reads_rates_and_booleans(void **state)
{
    double rate;
    bool boolean;

    (void)state;
    assert_true(value_parse_rate("200/s", &rate));
    assert_float_equal(rate, 200, 0);
    assert_true(value_parse_rate("30/m", &rate));
    assert_float_equal(rate, 0.5, 0);
    assert_true(value_parse_rate("15", &rate));
    assert_false(value_parse_rate("200/x", &rate));
    assert_false(value_parse_rate("-1/s", &rate));
    assert_true(value_parse_boolean("true", &boolean));
    assert_true(boolean);
    assert_true(value_parse_boolean("false", &boolean));
    assert_false(boolean);
    assert_false(value_parse_boolean("yes", &boolean));
    assert_false(value_parse_boolean("True", &boolean));
}

static void rates_and_shares_survive_printing(void **state)
{
    static const char *const rates[] = {
        "0", "1", "0.00001/s", "0.000000000000000001/s", "1/h", "30/m", "99999999999999999999/s"};
    static const char *const shares[] = {"0%", "30%", "100%", "0.00001%", "0.000000001"};
    struct iotify_buffer text;
    double value, again;

    (void)state;
    iotify_buffer_init(&text, 100);
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        assert_true(value_parse_rate(rates[i], &value));
        iotify_buffer_reset(&text);
        value_format_rate(value, &text);
        assert_true(value_parse_rate(iotify_buffer_text(&text), &again));
        assert_true(again >= value * (1 - 1e-14) && again <= value * (1 + 1e-14));
    }
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        assert_true(value_parse_share(shares[i], &value));
        iotify_buffer_reset(&text);
        value_format_share(value, &text);
        assert_true(value_parse_share(iotify_buffer_text(&text), &again));
        assert_true(again >= value * (1 - 1e-14) && again <= value * (1 + 1e-14));
    }
    iotify_buffer_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_durations),
        cmocka_unit_test(durations_survive_printing), cmocka_unit_test(reads_numbers),
        cmocka_unit_test(reads_rates_and_booleans),
        cmocka_unit_test(rates_and_shares_survive_printing)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
