/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/held.h"

#include <stdlib.h>

#include "core/simulate/device_failure.h"
#include "core/simulate/device_internal.h"
#include "core/simulate/message.h"
#include "core/simulate/simulate_loop_internal.h"

/* Without a pause of its own, and for a device that is not connected. */
#define PAUSE_DEFAULT SECOND

static void held_free(struct held_message *message)
{
    message->device->held--;
    message->device->loop->held.count--;
    arena_wipe(&message->arena);
    free(message);
}

static void held_append(struct simulate_loop *loop, struct held_message *message)
{
    message->next = NULL;
    *loop->held.last = message;
    loop->held.last = &message->next;
}

/* Not while the device connects or disconnects: then the message waits on. */
static bool held_may_go(const struct device *device)
{
    return device->connected_at &&
           (device->phase == PHASE_RUNNING || device->phase == PHASE_DRAINING ||
               device->phase == PHASE_HOLDING || device->phase == PHASE_FINISHING);
}

/* True when the message is handed over, or cannot be. */
static bool held_try(struct held_message *message, int64_t now)
{
    int64_t pause;

    if (message->due > now)
        return false;
    pause = held_may_go(message->device) ? message_hand_over_again(message) : PAUSE_DEFAULT;
    message->due = now + pause;
    return pause == 0;
}

/* Those that are due, once. */
static void held_on_timer(void *argument)
{
    struct simulate_loop *loop = argument;
    struct held_message *list = loop->held.first, *message;
    int64_t now = simulate_loop_now(loop);

    loop->held.first = NULL;
    loop->held.last = &loop->held.first;
    loop->held.due = INT64_MAX;
    while ((message = list)) {
        struct device *device = message->device;

        list = message->next;
        if (held_try(message, now)) {
            held_free(message);
            device_drained_of_held(device);
            continue;
        }
        held_append(loop, message);
        if (message->due < loop->held.due)
            loop->held.due = message->due;
    }
    if (loop->held.first)
        loop->events.base.timer_start(loop->held.timer, loop->held.due - now);
}

void held_begin(struct simulate_loop *loop)
{
    loop->held.last = &loop->held.first;
    loop->held.timer = loop_timer_new(&loop->events, held_on_timer, loop);
}

void held_end(struct simulate_loop *loop)
{
    while (loop->held.first) {
        struct held_message *message = loop->held.first;

        loop->held.first = message->next;
        held_free(message);
    }
    loop->events.base.timer_free(loop->held.timer);
}

bool held_has_room(const struct device *device)
{
    return device->held < HELD_OF_DEVICE && device->loop->held.count < HELD_OF_LOOP;
}

/* The messages of a device keep their order: none is due before one that came before it. */
static int64_t held_last_due(const struct device *device)
{
    int64_t due = 0;

    for (const struct held_message *each = device->loop->held.first; device->held && each;
         each = each->next)
        if (each->device == device)
            due = each->due;
    return due;
}

void held_add(struct device *device, const void *options, struct iotify_bytes payload,
    int64_t intended, int64_t pause)
{
    struct simulate_loop *loop = device->loop;
    struct held_message *message = memory_new(1, sizeof(*message));
    int64_t now = simulate_loop_now(loop), before = held_last_due(device);

    *message = (struct held_message){.device = device,
        .arena = loop->call.arena,
        .options = options,
        .intended = intended,
        .due = before ? before : now + (pause > 0 ? pause : PAUSE_DEFAULT)};
    loop->call.arena = (struct arena){0};
    message->payload = (struct iotify_bytes){
        arena_copy(&message->arena, payload.data, payload.size), payload.size};
    device->held++;
    if (!loop->held.reported)
        call_log(&loop->call.base, IOTIFY_LOG_WARNING,
            "the server asks for a pause: messages wait for %.3g s",
            (double)(message->due - now) / SECOND);
    loop->held.reported = true;
    if (loop->held.count++ == 0 || message->due < loop->held.due) {
        loop->held.due = message->due;
        loop->events.base.timer_start(loop->held.timer, message->due - now);
    }
    held_append(loop, message);
}

void held_forget(struct device *device)
{
    struct simulate_loop *loop = device->loop;
    struct held_message **at = &loop->held.first;

    while (device->held && *at) {
        struct held_message *message = *at;

        if (message->device != device) {
            at = &message->next;
            continue;
        }
        *at = message->next;
        device_fail(device, "Throttled",
            "messages were not sent before the end: the server asked for a pause");
        device_tally(device)->counts[TALLY_REFUSED]++;
        device_tally(device)->counts[TALLY_FAILED]++;
        held_free(message);
    }
    loop->held.last = &loop->held.first;
    while (*loop->held.last)
        loop->held.last = &(*loop->held.last)->next;
}
