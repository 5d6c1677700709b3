/* SPDX-License-Identifier: Apache-2.0 */
#include "core/report/histogram.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/arena.h"

/* 2,048 buckets of width 1, then half as many for each further power of two. */
#define EXACT_BITS 11
#define HALF (INT64_C(1) << (EXACT_BITS - 1))
#define BUCKETS ((size_t)((64 - EXACT_BITS + 1) * HALF + HALF))

static size_t histogram_bucket_of(int64_t value)
{
    int shift = 0;

    if (value >= 2 * HALF)
        shift = 64 - EXACT_BITS - __builtin_clzll((unsigned long long)value);
    return (size_t)(shift * HALF + (value >> shift));
}

/* The largest value that falls into the bucket. */
static int64_t histogram_bucket_end(size_t bucket)
{
    int64_t index = (int64_t)bucket;
    int64_t shift = index < 2 * HALF ? 0 : index / HALF - 1;

    return (int64_t)(((uint64_t)(index - shift * HALF + 1) << shift) - 1);
}

void histogram_clear(struct histogram *histogram)
{
    free(histogram->counts);
    *histogram = (struct histogram){0};
}

/* Prepare the buckets [low, high) for use. */
static void histogram_reach(struct histogram *histogram, size_t low, size_t high)
{
    if (!histogram->counts)
        histogram->counts = memory_new(BUCKETS, sizeof(*histogram->counts));
    if (histogram->count == 0 || low < histogram->low)
        histogram->low = low;
    if (histogram->count == 0 || high > histogram->high)
        histogram->high = high;
}

void histogram_add_many(struct histogram *histogram, int64_t value, int64_t times)
{
    size_t bucket = histogram_bucket_of(value > 0 ? value : 0);

    if (times <= 0)
        return;
    if (value < 0)
        value = 0;
    histogram_reach(histogram, bucket, bucket + 1);
    histogram->counts[bucket] += times;
    histogram->count += times;
    histogram->sum += (double)value * (double)times;
    if (value > histogram->max)
        histogram->max = value;
}

void histogram_add(struct histogram *histogram, int64_t value)
{
    histogram_add_many(histogram, value, 1);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    if (from->count == 0)
        return;
    histogram_reach(into, from->low, from->high);
    for (size_t i = from->low; i < from->high; i++)
        into->counts[i] += from->counts[i];
    into->count += from->count;
    into->sum += from->sum;
    if (from->max > into->max)
        into->max = from->max;
}

void histogram_reset(struct histogram *histogram)
{
    int64_t *counts = histogram->counts;

    for (size_t i = histogram->low; counts && i < histogram->high; i++)
        counts[i] = 0;
    *histogram = (struct histogram){.counts = counts};
}

int64_t histogram_quantile(const struct histogram *histogram, double share)
{
    int64_t wanted = (int64_t)ceil(share * (double)histogram->count), seen = 0;

    if (histogram->count == 0)
        return 0;
    if (wanted < 1)
        wanted = 1;
    for (size_t i = histogram->low; i < histogram->high; i++) {
        seen += histogram->counts[i];
        if (seen >= wanted) {
            int64_t end = histogram_bucket_end(i);
            return end < histogram->max ? end : histogram->max;
        }
    }
    return histogram->max;
}

void histogram_cumulate(
    const struct histogram *histogram, const int64_t *bounds, size_t count, int64_t *numbers)
{
    size_t at = histogram->low;
    int64_t seen = 0;

    for (size_t i = 0; i < count; i++) {
        while (at < histogram->high && histogram_bucket_end(at) <= bounds[i])
            seen += histogram->counts[at++];
        numbers[i] = seen;
    }
}
