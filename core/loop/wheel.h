/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers by the ten thousand: a hierarchical timing wheel. Starting, moving and stopping one costs
 * the same however many there are, and a timer is six words inside its owner. Times are rounded
 * up to ticks of about a millisecond: never early, and late by a tick at the most.
 * One thread at a time.
 */
#ifndef CORE_LOOP_WHEEL_H
#define CORE_LOOP_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_TICK_BITS 20 /* nanoseconds of a tick, as a power of two */
#define WHEEL_LEVELS 7     /* 64 slots each: 70 years */

/* A place in a ring; a ring's head is a link as well. */
struct wheel_link {
    struct wheel_link *next, *previous;
};

struct wheel_timer {
    struct wheel_link link; /* first; `next` is NULL while it is in no ring */
    int64_t due;            /* in ticks since the wheel began */
};

struct wheel {
    int64_t origin;  /* nanoseconds */
    int64_t elapsed; /* ticks */
    uint64_t occupied[WHEEL_LEVELS];
    struct wheel_link slots[WHEEL_LEVELS][64];
};

/* `now` is a moment of the caller's clock in nanoseconds; all later ones are not before it. */
void wheel_init(struct wheel *wheel, int64_t now);
/* Let the timer be due at `moment`; moves one that is in a ring. */
void wheel_start(struct wheel *wheel, struct wheel_timer *timer, int64_t moment);
/* Take the timer out of whatever ring it is in. */
void wheel_stop(struct wheel *wheel, struct wheel_timer *timer);
/* Append all that are due at `now` to the ring `due`, in the order of their times. */
void wheel_advance(struct wheel *wheel, int64_t now, struct wheel_link *due);
/* When wheel_advance() has something to do again, in nanoseconds; INT64_MAX: nothing is left. */
int64_t wheel_next(const struct wheel *wheel);

/* Rings that others keep timers in. */
void wheel_ring_init(struct wheel_link *ring);
void wheel_ring_append(struct wheel_link *ring, struct wheel_timer *timer);
/* Move all of one ring into another, which is empty. */
void wheel_ring_take(struct wheel_link *from, struct wheel_link *into);
/* The first of the ring, taken out; NULL when it is empty. */
struct wheel_timer *wheel_ring_pop(struct wheel_link *ring);

#endif
