/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "core/report/tally.h"

static struct tally a, b;

static int tear_down(void **state)
{
    (void)state;
    tally_clear(&a);
    tally_clear(&b);
    return 0;
}

static void adds_up(void **state)
{
    (void)state;
    a.counts[TALLY_PUBLISHED] = 3;
    b.counts[TALLY_PUBLISHED] = 4;
    histogram_add(&a.times[TALLY_PUBLISH], 10);
    histogram_add_many(&b.times[TALLY_PUBLISH], 20, 3);
    failure_add(&a.arena, &a.failures, "X", "", "seven", 7, 1);
    failure_add(&b.arena, &b.failures, "X", "", "two", 2, 5);
    failure_add(&b.arena, &b.failures, "Y", "", "other", -1, 1);
    tally_add_metric(
        &a, &(struct tally_metric){.name = "m", .count = 1, .sum = 10, .min = 10, .max = 10});
    tally_add_metric(
        &b, &(struct tally_metric){.name = "m", .count = 2, .sum = 5, .min = 1, .max = 4});
    tally_merge(&a, &b);
    tally_reset(&b);
    assert_int_equal(a.counts[TALLY_PUBLISHED], 7);
    assert_int_equal(a.times[TALLY_PUBLISH].count, 4);
    assert_int_equal(a.times[TALLY_PUBLISH].max, 20);
    assert_int_equal(histogram_quantile(&a.times[TALLY_PUBLISH], 0.25), 10);
    assert_int_equal(a.failures->count, 6);
    assert_int_equal(a.failures->first_client, 2);
    assert_string_equal(a.failures->message, "two");
    assert_string_equal(a.failures->next->code, "Y");
    assert_float_equal(a.metrics->sum, 15, 0);
    assert_float_equal(a.metrics->min, 1, 0);
    assert_float_equal(a.metrics->max, 10, 0);
    assert_int_equal(b.times[TALLY_PUBLISH].count, 0);
    assert_int_equal(histogram_quantile(&b.times[TALLY_PUBLISH], 1), 0);
    /* It can be filled again. */
    histogram_add(&b.times[TALLY_PUBLISH], 1000);
    tally_merge(&a, &b);
    assert_int_equal(histogram_quantile(&a.times[TALLY_PUBLISH], 1), 1000);
}

static void keeps_the_first_devices(void **state)
{
    const struct tally_device *device;
    int64_t expected = 0;

    (void)state;
    for (int64_t i = 300; i-- > 0;)
        tally_add_device(&a, &(struct tally_device){.client = i, .lost = 1});
    tally_add_device(&a, &(struct tally_device){.client = 5, .lost = 2, .late = 1});
    assert_int_equal(a.device_count, TALLY_DEVICES_MAX);
    for (device = a.devices; device; device = device->next) {
        assert_int_equal(device->client, expected);
        assert_int_equal(device->lost, expected == 5 ? 3 : 1);
        expected++;
    }
    assert_int_equal(expected, TALLY_DEVICES_MAX);
}

/* Devices whose only trouble is a failure make room for those with lost messages. */
static void prefers_devices_with_counts(void **state)
{
    struct tally_reason reason = {.code = "ClosedByServer", .count = 1};
    const struct tally_device *device;
    int64_t expected = 0;

    (void)state;
    for (int64_t i = 0; i < 300; i++)
        tally_add_device(&a, &(struct tally_device){.client = i, .reasons = &reason});
    for (int64_t i = 500; i < 503; i++)
        tally_add_device(&a, &(struct tally_device){.client = i, .lost = 1});
    tally_add_device(&a, &(struct tally_device){.client = 400, .reasons = &reason});
    assert_int_equal(a.device_count, TALLY_DEVICES_MAX);
    for (device = a.devices; device; device = device->next, expected++)
        assert_int_equal(
            device->client, expected < TALLY_DEVICES_MAX - 3 ? expected : 403 + expected);
    assert_int_equal(expected, TALLY_DEVICES_MAX);
}

static void distributes_metrics(void **state)
{
    /* -10, 0, twice 1, and 1000 as scripts number their buckets */
    struct distribution_bucket some[] = {{-150461, 1}, {150000, 2}}, more[] = {{0, 1}, {151382, 1}};
    const struct tally_metric one = {"m", 3, -8, -10, 1, {some, 2, 2}, NULL},
                              two = {"m", 2, 1000, 0, 1000, {more, 2, 2}, NULL};

    (void)state;
    tally_add_metric(&a, &one);
    tally_add_metric(&b, &two);
    tally_merge(&a, &b);
    assert_int_equal(a.metrics->values.count, 4);
    assert_float_equal(tally_metric_quantile(a.metrics, 0.1), -10, 0);
    assert_float_equal(tally_metric_quantile(a.metrics, 0.4), 0, 0);
    assert_float_equal(tally_metric_quantile(a.metrics, 0.8), 1, 0);
    assert_float_equal(tally_metric_quantile(a.metrics, 0.81), 1000, 2.5);
    assert_float_equal(tally_metric_quantile(a.metrics, 1), 1000, 2.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(adds_up, tear_down),
        cmocka_unit_test_teardown(distributes_metrics, tear_down),
        cmocka_unit_test_teardown(keeps_the_first_devices, tear_down),
        cmocka_unit_test_teardown(prefers_devices_with_counts, tear_down)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
