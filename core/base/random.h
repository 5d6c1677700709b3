/* SPDX-License-Identifier: Apache-2.0 */
/* Reproducible pseudo-random numbers for schedules; never for secrets. Pure, any thread. */
#ifndef CORE_BASE_RANDOM_H
#define CORE_BASE_RANDOM_H

#include <stdint.h>

/* The mixing function of splitmix64; any value is a valid seed. */
static inline uint64_t random_mix(uint64_t value)
{
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* Map 64 random bits to [0, 1). */
static inline double random_share(uint64_t bits)
{
    return (double)(bits >> 11) / 9007199254740992.0;
}

/* Advance the sequence `state` and return its next number in [0, 1). */
static inline double random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return random_share(random_mix(*state));
}

/* Derive an independent seed for item `number`, such as a client of a run, from `seed`. */
static inline uint64_t random_of(uint64_t seed, uint64_t number)
{
    return random_mix(random_mix(seed) ^ (number * UINT64_C(0xd6e8feb86659fd93)));
}

#endif
