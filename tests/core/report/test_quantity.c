/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <math.h>
#include <string.h>

#include "core/report/quantity.h"

static void has_three_digits(void **state)
{
    static const struct {
        void (*format)(double value, char text[QUANTITY_SIZE]);
        double value;
        const char *text;
    } cases[] = {{quantity_time, 0, "0 ms"}, {quantity_time, NAN, "-"},
        {quantity_time, 412.4e-6, "412 µs"}, {quantity_time, 999.4e-6, "999 µs"},
        {quantity_time, 999.6e-6, "1.00 ms"}, {quantity_time, 0.0312, "31.2 ms"},
        {quantity_time, 0.9994, "999 ms"}, {quantity_time, 0.9996, "1.00 s"},
        {quantity_time, 9.996, "10.0 s"}, {quantity_time, 3600, "3600 s"},
        {quantity_bytes, 0, "0 B"}, {quantity_bytes, 999, "999 B"},
        {quantity_bytes, 999.6, "1.00 kB"}, {quantity_bytes, 12345678, "12.3 MB"},
        {quantity_bytes, 5e15, "5000 TB"}, {quantity_rate, 0, "0/s"},
        {quantity_rate, 0.516, "0.52/s"}, {quantity_rate, 980.4, "980/s"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[QUANTITY_SIZE];

        cases[i].format(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
    }
}

/* What is not all does not look like all, and what is not nothing does not look like nothing. */
static void says_all_of_all_only(void **state)
{
    static const struct {
        double part, whole;
        const char *text;
    } cases[] = {{0, 0, ""}, {0, 7, " (0%)"}, {7, 7, " (100%)"}, {1, 3, " (33.3%)"},
        {99999, 100000, " (>99.9%)"}, {1, 1e6, " (<0.01%)"}, {5, 1000, " (0.50%)"},
        {8, 4, " (200%)"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[QUANTITY_SIZE];

        quantity_share(cases[i].part, cases[i].whole, text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_three_digits), cmocka_unit_test(says_all_of_all_only)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
