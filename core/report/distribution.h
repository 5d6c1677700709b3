/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The distribution of numbers of any sign and size, such as the values of a script's metric: counts
 * in buckets whose middle is within 0.25 % of each of their values. Mergeable. One thread at a
 * time.
 *
 * The bucket of a number x is 0 for 0, else sign(x) * (round(200 * ln|x|) + 150000).
 */
#ifndef CORE_REPORT_DISTRIBUTION_H
#define CORE_REPORT_DISTRIBUTION_H

#include <stddef.h>
#include <stdint.h>

struct distribution_bucket {
    int32_t number;
    int64_t count;
};

struct distribution {
    struct distribution_bucket *buckets; /* by ascending number, none of them empty */
    size_t count, capacity;
};

/* A zero-initialized distribution is empty and valid. This frees its memory. */
void distribution_clear(struct distribution *distribution);
/* Add to a bucket. */
void distribution_add(struct distribution *distribution, int32_t number, int64_t count);
void distribution_merge(struct distribution *into, const struct distribution *from);
/* The middle of a bucket. */
double distribution_value(int32_t number);
/* The middle of the bucket that holds the value that `share` (0 to 1) of all do not exceed; 0 when
 * empty. */
double distribution_quantile(const struct distribution *distribution, double share);

#endif
