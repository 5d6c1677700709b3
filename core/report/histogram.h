/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A histogram of values of 0 and more with three significant digits: the width of buckets doubles
 * every 1,024 buckets, so the relative error stays below 0.1 % over the whole range. Mergeable;
 * count and maximum are exact. One thread at a time.
 */
#ifndef CORE_REPORT_HISTOGRAM_H
#define CORE_REPORT_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

struct histogram {
    int64_t *counts;  /* NULL until the first value */
    size_t low, high; /* the buckets in use lie in [low, high) */
    int64_t count, max;
    double sum;
};

/* A zero-initialized histogram is empty and valid. This frees its memory. */
void histogram_clear(struct histogram *histogram);
/* Negative values count as 0. */
void histogram_add(struct histogram *histogram, int64_t value);
/* The same value `times` times. */
void histogram_add_many(struct histogram *histogram, int64_t value, int64_t times);
/* Empty it, and keep its memory. */
void histogram_reset(struct histogram *histogram);
void histogram_merge(struct histogram *into, const struct histogram *from);
/*
 * The value that `share` (0 to 1) of all values do not exceed, as the upper end of its bucket but
 * never above the maximum; 0 when empty.
 */
int64_t histogram_quantile(const struct histogram *histogram, double share);
/*
 * How many values each of the ascending bounds is not below, to the width of a bucket: the numbers
 * of a classic histogram of Prometheus.
 */
void histogram_cumulate(
    const struct histogram *histogram, const int64_t *bounds, size_t count, int64_t *numbers);

#endif
