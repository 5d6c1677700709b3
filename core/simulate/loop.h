/*
 * The host's event loop for transports, on libuv. One thread, that of the loop; loop_wake() is
 * the exception.
 */
#ifndef CORE_SIMULATE_LOOP_H
#define CORE_SIMULATE_LOOP_H

#include <iotify/transport.h>
#include <uv.h>

#include "core/simulate/wheel.h"

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
    uv_loop_t uv;
    uv_async_t wake;
    struct wheel wheel;
    struct wheel_link soon; /* timers of the next turn */
    struct wheel_link due;  /* timers that fire just now */
    uv_idle_t idle;         /* runs while there are any for the next turn */
    uv_prepare_t prepare;
    uv_check_t check;
    int alarm; /* a timerfd: exact to microseconds, where libuv's timers count milliseconds */
    uv_poll_t alarm_watch;
    int64_t alarm_at;
    void (*woken)(void *argument);
    void (*settle)(void *argument);
    void *argument;
    bool running, stopped;
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
/* Any thread. */
void loop_wake(struct loop *loop);

#endif
