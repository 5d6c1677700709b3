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
    arena_wipe(&message->arena);
    free(message);
}

static void held_append(struct simulate_loop *loop, struct held_message *message, int64_t pause)
{
    message->due = simulate_loop_now(loop) + (pause > 0 ? pause : PAUSE_DEFAULT);
    message->next = NULL;
    *loop->held.last = message;
    loop->held.last = &message->next;
}

/* Those that are due, once; what is held again is appended. */
static void held_on_timer(void *argument)
{
    struct simulate_loop *loop = argument;
    struct held_message *list = loop->held.first, *message;
    int64_t now = simulate_loop_now(loop), next = INT64_MAX;

    loop->held.first = NULL;
    loop->held.last = &loop->held.first;
    while ((message = list)) {
        struct device *device = message->device;
        int64_t pause = message->due - now;

        list = message->next;
        if (pause <= 0 && device->connected_at)
            pause = message_hand_over_again(message);
        if (pause == 0 && device->connected_at) {
            held_free(message);
            device_drained_of_held(device);
            continue;
        }
        held_append(loop, message, pause);
        next = message->due < next ? message->due : next;
    }
    if (loop->held.first)
        loop->events.base.timer_start(loop->held.timer, next - now);
}

void held_begin(struct simulate_loop *loop)
{
    loop->held.last = &loop->held.first;
    loop->held.timer = loop->events.base.timer_new(&loop->events.base, held_on_timer, loop);
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

void held_add(struct device *device, const void *options, struct iotify_bytes payload,
    int64_t intended, int64_t pause)
{
    struct simulate_loop *loop = device->loop;
    struct held_message *message = memory_new(1, sizeof(*message));

    *message = (struct held_message){
        .device = device, .arena = loop->call.arena, .options = options, .intended = intended};
    loop->call.arena = (struct arena){0};
    message->payload = (struct iotify_bytes){
        arena_copy(&message->arena, payload.data, payload.size), payload.size};
    device->held++;
    if (!loop->held.reported)
        call_log(&loop->call.base, IOTIFY_LOG_WARNING,
            "the server asks for a pause: messages wait for %.3g s",
            (double)(pause > 0 ? pause : PAUSE_DEFAULT) / SECOND);
    loop->held.reported = true;
    if (!loop->held.first)
        loop->events.base.timer_start(loop->held.timer, pause > 0 ? pause : PAUSE_DEFAULT);
    held_append(loop, message, pause);
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
