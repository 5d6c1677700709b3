/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hierarchical timing wheel for tens of thousands of timers. Starting, moving and stopping a
 * timer takes constant time, and a timer lies inside its owner. Times are rounded up to ticks of
 * about a millisecond: a timer is never early, and at most one tick late. One thread at a time.
 */
#ifndef CORE_LOOP_WHEEL_H
#define CORE_LOOP_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_TICK_BITS 20 /* log2 of a tick in nanoseconds */
#define WHEEL_LEVELS 7     /* 64 slots each: 146 years */

/* A link in a ring (a circular list); the head of a ring is a link too. */
struct wheel_link {
    struct wheel_link *next, *previous;
};

struct wheel_timer {
    struct wheel_link link; /* first; `next` is NULL while the timer is in no ring */
    int64_t due;            /* in ticks since `origin` */
};

struct wheel {
    int64_t origin;  /* nanoseconds of the caller's clock */
    int64_t elapsed; /* ticks since `origin` */
    uint64_t occupied[WHEEL_LEVELS];
    struct wheel_link slots[WHEEL_LEVELS][64];
};

/* `now` is in nanoseconds of the caller's clock, which must not go backwards. */
void wheel_init(struct wheel *wheel, int64_t now);
/* Set the timer to `moment`, in nanoseconds; removes it from the ring that it is in. */
void wheel_start(struct wheel *wheel, struct wheel_timer *timer, int64_t moment);
/* Remove the timer from its ring, also one that the caller owns. No effect when it is in none. */
void wheel_stop(struct wheel *wheel, struct wheel_timer *timer);
/* Append the timers that are due at `now` to the ring `due`, ordered by tick. */
void wheel_advance(struct wheel *wheel, int64_t now, struct wheel_link *due);
/*
 * When wheel_advance() has work again, in nanoseconds: not after the next timer is due. INT64_MAX:
 * there are no timers.
 */
int64_t wheel_next(const struct wheel *wheel);

/* Rings of timers that a caller owns. */
void wheel_ring_init(struct wheel_link *ring);
void wheel_ring_append(struct wheel_link *ring, struct wheel_timer *timer);
/* Move all timers of one ring into another ring, which must be empty. */
void wheel_ring_take(struct wheel_link *from, struct wheel_link *into);
/* Remove and return the first timer of the ring; NULL when the ring is empty. */
struct wheel_timer *wheel_ring_pop(struct wheel_link *ring);

#endif
