/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that look random and are the same in every run: for schedules, never for secrets. */
#ifndef CORE_BASE_RANDOM_H
#define CORE_BASE_RANDOM_H

#include <stdint.h>

/* splitmix64: any value is a good beginning. */
static inline uint64_t random_mix(uint64_t value)
{
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* From 0 to below 1. */
static inline double random_share(uint64_t bits)
{
    return (double)(bits >> 11) / 9007199254740992.0;
}

/* The next of a sequence. */
static inline double random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return random_share(random_mix(*state));
}

/* A value of one's own for each of many, such as the clients of a run. */
static inline uint64_t random_of(uint64_t seed, uint64_t number)
{
    return random_mix(random_mix(seed) ^ (number * UINT64_C(0xd6e8feb86659fd93)));
}

#endif
