/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/report/summary.h"

#define RUNS 4
#define VALUES_MAX 3000
#define BUCKETS 60000

/* Values of a run: a random number of them, over a random range. */
static void fill(struct histogram *histogram, struct histogram *all, int64_t *values, size_t *count,
    unsigned *seed)
{
    int64_t most = INT64_C(1) << (rand_r(seed) % 38 + 1);

    for (int i = rand_r(seed) % VALUES_MAX; i >= 0; i--) {
        int64_t value = ((int64_t)rand_r(seed) << 20 ^ rand_r(seed)) % most;

        histogram_add(histogram, value);
        histogram_add(all, value);
        values[(*count)++] = value;
    }
}

/* The buckets of a summary, as a reader of its reference would add them up. */
static void add_up(const struct histogram *histogram, int64_t *buckets)
{
    struct summary summary;
    struct simulate_summary *results;
    json_t *root, *pairs;
    size_t next = 0;

    summary_init(&summary, "job");
    results = summary_begin_simulate(
        &summary, summary_add_step(&summary, "simulate", "simulate", "device"));
    results->name = results->template = results->template_digest = results->transport = "x";
    results->present = true;
    histogram_merge(&results->tally.times[TALLY_PUBLISH], histogram);
    root = summary_to_json(&summary, 1);
    pairs = json_object_get(
        json_object_get(json_array_get(json_object_get(root, "simulations"), 0), "publish_seconds"),
        "buckets");
    assert_int_equal(json_array_size(pairs) % 2, 0);
    for (size_t i = 0; i < json_array_size(pairs); i += 2) {
        next += (size_t)json_integer_value(json_array_get(pairs, i));
        assert_true(next < BUCKETS);
        buckets[next++] += json_integer_value(json_array_get(pairs, i + 1));
    }
    json_decref(root);
    summary_clear(&summary);
}

/* The largest value of a bucket, in seconds: 2,048 of a nanosecond, then 1,024 per power of two. */
static double end_of(size_t bucket)
{
    size_t shift = bucket < 2048 ? 0 : bucket / 1024 - 1;

    return ((double)(bucket - shift * 1024 + 1) * pow(2, (double)shift) - 1) / 1e9;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* The buckets of several runs, added up, have the percentiles of all their values together. */
static void buckets_add_up(void **state)
{
    static const double shares[] = {0.001, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
    int64_t *buckets = malloc(BUCKETS * sizeof(*buckets));
    int64_t *values = malloc((size_t)RUNS * VALUES_MAX * sizeof(*values));
    unsigned seed = 7;

    (void)state;
    for (int round = 0; round < 60; round++) {
        struct histogram all = {0};
        size_t count = 0;

        memset(buckets, 0, BUCKETS * sizeof(*buckets));
        for (int run = 0; run < RUNS; run++) {
            struct histogram histogram = {0};

            fill(&histogram, &all, values, &count, &seed);
            add_up(&histogram, buckets);
            histogram_clear(&histogram);
        }
        qsort(values, count, sizeof(*values), by_value);
        for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
            int64_t wanted = (int64_t)ceil(shares[i] * (double)count), seen = 0;
            double exact = (double)values[wanted - 1] / 1e9, found;
            size_t bucket = 0;

            while ((seen += buckets[bucket]) < wanted)
                bucket++;
            found = end_of(bucket);
            assert_true(found >= exact && found <= exact * 1.001 + 1e-9);
            /* And those that a summary of all would have. */
            assert_true(
                fabs(fmin(found, (double)all.max / 1e9) -
                     (double)histogram_quantile(&all, shares[i]) / 1e9) < 1e-9 * (1 + found));
        }
        histogram_clear(&all);
    }
    free(buckets);
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(buckets_add_up)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
