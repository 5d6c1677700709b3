/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that wait because the server asked for a pause: the transport returned
 * IOTIFY_RESULT_THROTTLED for them. On the loop's thread.
 */
#ifndef CORE_SIMULATE_HELD_H
#define CORE_SIMULATE_HELD_H

#include "core/base/arena.h"
#include "core/simulate/device.h"

/* Messages of one device, and of a loop, that can wait; further ones are refused. */
#define HELD_OF_DEVICE 10
#define HELD_OF_LOOP 20000

struct held_message {
    struct device *device;
    struct arena arena;  /* owns what follows, with what the options refer to */
    const void *options; /* the transport's, of the message */
    struct iotify_bytes payload;
    int64_t intended, due;
    struct held_message *next;
};

struct held {
    struct iotify_timer *timer;
    struct held_message *first, **last; /* those of one device are in their order */
    size_t count;
    int64_t due;   /* when the timer fires, if there are any */
    bool reported; /* in the log */
};

/* Start before the loop's first turn, end after its last one. */
void held_begin(struct simulate_loop *loop);
void held_end(struct simulate_loop *loop);
/*
 * Keep a message for `pause` nanoseconds, then hand it over again. The options are in the arena of
 * the loop's call, which is emptied, or live as long as the loop.
 */
void held_add(struct device *device, const void *options, struct iotify_bytes payload,
    int64_t intended, int64_t pause);
bool held_has_room(const struct device *device);
/* The device ends: its messages count as failed. */
void held_forget(struct device *device);

#endif
