/* SPDX-License-Identifier: Apache-2.0 */
#include "core/report/distribution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"

/* Buckets per factor of e, and the number of the bucket of 1. */
#define RESOLUTION 200
#define NUMBER_OF_ONE 150000

void distribution_clear(struct distribution *distribution)
{
    free(distribution->buckets);
    *distribution = (struct distribution){0};
}

/* The first bucket whose number is not smaller. */
static size_t distribution_find(const struct distribution *distribution, int32_t number)
{
    size_t low = 0, high = distribution->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (distribution->buckets[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void distribution_add(struct distribution *distribution, int32_t number, int64_t count)
{
    size_t at = distribution_find(distribution, number);
    struct distribution_bucket *bucket;

    if (at < distribution->count && distribution->buckets[at].number == number) {
        distribution->buckets[at].count += count;
        return;
    }
    if (distribution->count == distribution->capacity) {
        distribution->capacity = distribution->capacity ? distribution->capacity * 2 : 16;
        distribution->buckets = memory_grow(
            distribution->buckets, distribution->capacity, sizeof(*distribution->buckets));
    }
    bucket = &distribution->buckets[at];
    memmove(bucket + 1, bucket, (distribution->count - at) * sizeof(*bucket));
    *bucket = (struct distribution_bucket){number, count};
    distribution->count++;
}

void distribution_merge(struct distribution *into, const struct distribution *from)
{
    for (size_t i = 0; i < from->count; i++)
        distribution_add(into, from->buckets[i].number, from->buckets[i].count);
}

double distribution_value(int32_t number)
{
    double size = exp((abs(number) - NUMBER_OF_ONE) / (double)RESOLUTION);

    return number == 0 ? 0 : number < 0 ? -size : size;
}

double distribution_quantile(const struct distribution *distribution, double share)
{
    int64_t total = 0, seen = 0;
    size_t at = 0;

    for (size_t i = 0; i < distribution->count; i++)
        total += distribution->buckets[i].count;
    if (total == 0)
        return 0;
    while (at + 1 < distribution->count &&
           (double)(seen += distribution->buckets[at].count) < share * (double)total)
        at++;
    return distribution_value(distribution->buckets[at].number);
}
