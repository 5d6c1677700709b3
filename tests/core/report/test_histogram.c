/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdlib.h>

#include "core/report/histogram.h"

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* Compares with sorted values, over nine powers of ten. */
static void quantiles_are_close(void **state)
{
    enum { COUNT = 20000 };
    static int64_t values[COUNT];
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 1.0};
    struct histogram histogram = {0};
    unsigned seed = 1;

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        int64_t scale = 1;

        for (int j = rand_r(&seed) % 10; j > 0; j--)
            scale *= 10;
        values[i] = scale * (rand_r(&seed) % 1000);
        histogram_add(&histogram, values[i]);
    }
    qsort(values, COUNT, sizeof(values[0]), by_value);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        int64_t exact = values[(size_t)(shares[i] * COUNT + 0.999999) - 1];
        int64_t found = histogram_quantile(&histogram, shares[i]);

        assert_true(found >= exact);
        assert_true((double)found <= (double)exact * 1.001 + 1);
    }
    assert_int_equal(histogram.max, values[COUNT - 1]);
    assert_int_equal(histogram_quantile(&histogram, 1.0), histogram.max);
    histogram_clear(&histogram);
}

/* What is counted below a bound is at most a bucket away from what lies there. */
static void cumulates(void **state)
{
    static const int64_t bounds[] = {0, 5, 2047, 1000000, 2500000, INT64_C(60000000000)};
    enum { BOUNDS = sizeof(bounds) / sizeof(bounds[0]) };
    struct histogram histogram = {0};
    int64_t numbers[BOUNDS];

    (void)state;
    histogram_cumulate(&histogram, bounds, BOUNDS, numbers);
    for (size_t i = 0; i < BOUNDS; i++)
        assert_int_equal(numbers[i], 0);
    for (int64_t value = 0; value < 3000; value++)
        histogram_add(&histogram, value);
    histogram_add(&histogram, 2490000);
    histogram_add(&histogram, 2510000);
    histogram_add(&histogram, INT64_C(70000000000));
    histogram_cumulate(&histogram, bounds, BOUNDS, numbers);
    assert_int_equal(numbers[0], 1);
    assert_int_equal(numbers[1], 6);
    assert_int_equal(numbers[2], 2048);
    assert_int_equal(numbers[3], 3000);
    assert_int_equal(numbers[4], 3001);
    assert_int_equal(numbers[5], 3002);
    histogram_clear(&histogram);
}

static void merges(void **state)
{
    struct histogram a = {0}, b = {0}, both = {0};

    (void)state;
    for (int64_t i = 0; i < 5000; i++) {
        histogram_add(i % 3 ? &a : &b, i * 1000);
        histogram_add(&both, i * 1000);
    }
    histogram_merge(&a, &b);
    assert_int_equal(a.count, both.count);
    assert_int_equal(a.max, both.max);
    for (int i = 1; i < 100; i++)
        assert_int_equal(histogram_quantile(&a, i / 100.0), histogram_quantile(&both, i / 100.0));
    histogram_clear(&a);
    histogram_clear(&b);
    histogram_clear(&both);
}

static void edges(void **state)
{
    struct histogram histogram = {0};

    (void)state;
    assert_int_equal(histogram_quantile(&histogram, 0.5), 0);
    histogram_add(&histogram, -5);
    assert_int_equal(histogram_quantile(&histogram, 0.5), 0);
    histogram_add(&histogram, INT64_MAX);
    assert_int_equal(histogram_quantile(&histogram, 1), INT64_MAX);
    histogram_clear(&histogram);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(quantiles_are_close),
        cmocka_unit_test(cumulates), cmocka_unit_test(merges), cmocka_unit_test(edges)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
