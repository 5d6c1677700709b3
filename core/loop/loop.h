/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's event loop for transports: one epoll set, a wheel of timers, and libuv's threads for
 * names. It waits by the nanosecond, and a session costs it 40 bytes; libuv's own handles take
 * five times that. One thread, that of the loop; loop_wake() is the exception.
 */
#ifndef CORE_LOOP_LOOP_H
#define CORE_LOOP_LOOP_H

#include <iotify/transport.h>
#include <uv.h>

#include "core/loop/wheel.h"

struct resolution;
struct loop;

/* What stands behind iotify/transport.h's timers; the core's own lie inside their owners. */
struct iotify_timer {
    struct wheel_timer timer; /* first */
    struct loop *loop;
    void (*fire)(void *argument);
    void *argument;
};

struct loop {
    struct iotify_loop base; /* first: what transports see */
    int epoll;
    uv_loop_t uv; /* names, looked up by its threads, and being woken; waited for as one */
    uv_async_t wake;
    struct wheel wheel;
    struct wheel_link soon;    /* timers of the next turn */
    struct wheel_link due;     /* timers that fire just now */
    struct iotify_watch *gone; /* given back in this turn, when an event may still name them */
    int64_t slept;             /* nanoseconds */
    int64_t turned_at;         /* when the timers of this turn were looked at */
    bool coarse;               /* the system cannot wait for less than a millisecond */
    bool stopped;
    void (*woken)(void *argument);
    void (*settle)(void *argument);
    void *argument;
    struct resolution *resolutions; /* names looked up so far */
};

/*
 * False when the system refuses. `woken` runs on the loop after loop_wake(), `settle` (or NULL) at
 * the end of each turn, when all descriptors and timers had theirs.
 */
bool loop_init(struct loop *loop, void (*woken)(void *argument), void (*settle)(void *argument),
    void *argument);
/* Run until loop_stop(), which may come before; then loop_clear() frees what is left. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
void loop_clear(struct loop *loop);
/* Make a timer that the caller has the memory of; timer_start and timer_stop are for it too. */
void loop_timer_init(
    struct iotify_timer *timer, struct loop *loop, void (*fire)(void *argument), void *argument);
/* timer_start for a moment of the loop's clock; one that has passed comes in the next turn. */
void loop_timer_at(struct iotify_timer *timer, int64_t moment);
/* Any thread. */
void loop_wake(struct loop *loop);

#endif
