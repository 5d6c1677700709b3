/* SPDX-License-Identifier: Apache-2.0 */
#include "core/loop/wheel.h"

#define SLOT_BITS 6
#define SLOT_MASK 63

void wheel_ring_init(struct wheel_link *ring)
{
    ring->next = ring->previous = ring;
}

void wheel_ring_append(struct wheel_link *ring, struct wheel_timer *timer)
{
    struct wheel_link *link = &timer->link;

    link->next = ring;
    link->previous = ring->previous;
    ring->previous->next = link;
    ring->previous = link;
}

void wheel_ring_take(struct wheel_link *from, struct wheel_link *into)
{
    if (from->next == from)
        return;
    *into = *from;
    into->next->previous = into->previous->next = into;
    wheel_ring_init(from);
}

static void wheel_unlink(struct wheel_timer *timer)
{
    timer->link.previous->next = timer->link.next;
    timer->link.next->previous = timer->link.previous;
    timer->link.next = timer->link.previous = NULL;
}

struct wheel_timer *wheel_ring_pop(struct wheel_link *ring)
{
    struct wheel_timer *timer = (struct wheel_timer *)ring->next;

    if (ring->next == ring)
        return NULL;
    wheel_unlink(timer);
    return timer;
}

void wheel_init(struct wheel *wheel, int64_t now)
{
    *wheel = (struct wheel){.origin = now};
    for (size_t level = 0; level < WHEEL_LEVELS; level++)
        for (size_t slot = 0; slot < 64; slot++)
            wheel_ring_init(&wheel->slots[level][slot]);
}

/*
 * The level is that of the highest base-64 digit in which `due` differs from the current tick. So
 * all timers of a level come before those of the next level, and within a level they are ordered by
 * slot.
 */
static void wheel_insert(struct wheel *wheel, struct wheel_timer *timer)
{
    uint64_t differing = (uint64_t)(timer->due ^ wheel->elapsed) | SLOT_MASK;
    int level = (63 - __builtin_clzll(differing)) / SLOT_BITS;
    size_t slot;

    if (level >= WHEEL_LEVELS)
        level = WHEEL_LEVELS - 1;
    slot = (size_t)(timer->due >> (level * SLOT_BITS)) & SLOT_MASK;
    wheel_ring_append(&wheel->slots[level][slot], timer);
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

void wheel_stop(struct wheel *wheel, struct wheel_timer *timer)
{
    struct wheel_link *ring = timer->link.next;
    uintptr_t offset;

    if (!ring)
        return;
    wheel_unlink(timer);
    /* The slot is empty when only its head is left. Rings of callers lie outside `slots`. */
    offset = (uintptr_t)ring - (uintptr_t)&wheel->slots[0][0];
    if (ring->next == ring && offset < sizeof(wheel->slots)) {
        size_t index = offset / sizeof(wheel->slots[0][0]);

        wheel->occupied[index / 64] &= ~(UINT64_C(1) << (index % 64));
    }
}

void wheel_start(struct wheel *wheel, struct wheel_timer *timer, int64_t moment)
{
    const int64_t tick = INT64_C(1) << WHEEL_TICK_BITS;

    wheel_stop(wheel, timer);
    timer->due =
        moment > wheel->origin ? (moment - wheel->origin + tick - 1) >> WHEEL_TICK_BITS : 0;
    if (timer->due < wheel->elapsed)
        timer->due = wheel->elapsed;
    wheel_insert(wheel, timer);
}

/* Find the next occupied slot: the tick at which it begins, or INT64_MAX when there is none. */
static int64_t wheel_find_next(const struct wheel *wheel, int *level, size_t *slot)
{
    for (*level = 0; *level < WHEEL_LEVELS; (*level)++) {
        int shift = *level * SLOT_BITS;

        if (wheel->occupied[*level] == 0)
            continue;
        *slot = (size_t)__builtin_ctzll(wheel->occupied[*level]);
        return ((wheel->elapsed >> (shift + SLOT_BITS)) << (shift + SLOT_BITS)) +
               ((int64_t)*slot << shift);
    }
    return INT64_MAX;
}

void wheel_advance(struct wheel *wheel, int64_t now, struct wheel_link *due)
{
    int64_t until = now > wheel->origin ? (now - wheel->origin) >> WHEEL_TICK_BITS : 0;
    struct wheel_timer *timer;
    int64_t begins;
    size_t slot;
    int level;

    while ((begins = wheel_find_next(wheel, &level, &slot)) <= until) {
        struct wheel_link *ring = &wheel->slots[level][slot];

        if (begins > wheel->elapsed)
            wheel->elapsed = begins;
        wheel->occupied[level] &= ~(UINT64_C(1) << slot);
        while ((timer = wheel_ring_pop(ring))) {
            if (timer->due <= wheel->elapsed)
                wheel_ring_append(due, timer);
            else
                wheel_insert(wheel, timer);
        }
    }
    if (until > wheel->elapsed)
        wheel->elapsed = until;
}

int64_t wheel_next(const struct wheel *wheel)
{
    int level;
    size_t slot;
    int64_t begins = wheel_find_next(wheel, &level, &slot);

    return begins == INT64_MAX ? INT64_MAX : wheel->origin + (begins << WHEEL_TICK_BITS);
}
