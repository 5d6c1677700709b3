/*
 * The host's event loop for transports, on libuv. One thread, that of the loop; loop_wake() is
 * the exception.
 */
#ifndef CORE_SIMULATE_LOOP_H
#define CORE_SIMULATE_LOOP_H

#include <iotify/transport.h>
#include <uv.h>

struct resolution;

struct loop {
    struct iotify_loop base; /* first: what transports see */
    uv_loop_t uv;
    uv_async_t wake;
    void (*woken)(void *argument);
    void *argument;
    bool running, stopped;
    struct resolution *resolutions; /* names looked up so far */
};

/* False when the system refuses. `woken` runs on the loop after loop_wake(). */
bool loop_init(struct loop *loop, void (*woken)(void *argument), void *argument);
/* Run until loop_stop(), which may come before; then loop_clear() frees what is left. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
void loop_clear(struct loop *loop);
/* Any thread. */
void loop_wake(struct loop *loop);

#endif
