/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits for the server: messages that it does not acknowledge in time, and bytes that it does
 * not read. On the loop's thread.
 */
#ifndef CORE_SIMULATE_BACKLOG_H
#define CORE_SIMULATE_BACKLOG_H

#include <stddef.h>

#include "core/loop/loop.h"

struct device;
struct simulate_loop;

struct backlog {
    struct iotify_timer *timer;
    size_t unwritten; /* bytes of the loop's devices: counted at `at`, and what was added since */
    int64_t at;
    int64_t checked; /* when acknowledgements were last looked for */
};

/* Start before the loop's first turn, end after its last one. */
void backlog_begin(struct simulate_loop *loop);
void backlog_end(struct simulate_loop *loop);
/*
 * May a payload of `size` bytes be queued, besides what waits? One message of a device may, unless
 * that of all devices is too much.
 */
bool backlog_has_room(struct device *device, size_t size);
/* It was queued. */
void backlog_add(struct device *device, size_t size);

#endif
