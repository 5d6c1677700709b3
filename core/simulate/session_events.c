/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/session_events.h"

#include <stdio.h>
#include <string.h>

#include "core/simulate/answers.h"
#include "core/simulate/simulate_loop_internal.h"

static const char *session_events_plugin(const struct simulate_loop *loop)
{
    return loop->simulation->template->transport->plugin->name;
}

/* Keep the first one, and let the monitor end all loops. */
static void session_events_end(struct simulate_loop *loop, const char *text)
{
    struct simulation_reported *reported = loop->simulation->reported;

    pthread_mutex_lock(&reported->lock);
    if (!atomic_load(&reported->faulted))
        snprintf(reported->fault, sizeof(reported->fault), "%s", text);
    atomic_store(&reported->faulted, true);
    pthread_mutex_unlock(&reported->lock);
}

void session_events_fault(
    struct simulate_loop *loop, const char *operation, const char *format, ...)
{
    char text[256];
    va_list arguments;
    struct call call;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    call_init(&call, loop->simulation->where);
    call_fault(&call, session_events_plugin(loop), operation, "%s", text);
    session_events_end(loop, call.message);
    call_clear(&call);
}

enum iotify_result session_events_checked(
    struct simulate_loop *loop, struct call *call, const char *operation, enum iotify_result result)
{
    result = call_checked(call, session_events_plugin(loop), operation, result);
    if (strcmp(call->code, "PluginFault") == 0)
        session_events_end(loop, call->message);
    return result;
}

/* ------------------------------------------------------------------ events */

static void session_events_on_connected(void *user, const struct iotify_connect_times *times)
{
    const struct device *device = user;

    if (!times)
        session_events_fault(device->loop, "connected", "came without its times");
    else if (times->tcp < 0 || times->tls < 0 || times->session < 0)
        session_events_fault(device->loop, "connected", "came with a negative time");
    else
        device_on_connected(user, times);
}

static void session_events_on_message(void *user, const char *topic, struct iotify_bytes payload)
{
    const struct device *device = user;

    if (!topic)
        session_events_fault(device->loop, "message", "came without a topic");
    else if (!payload.data && payload.size)
        session_events_fault(
            device->loop, "message", "came with a payload of %zu bytes at NULL", payload.size);
    else
        answers_on_received(user, topic, payload);
}

static void session_events_on_closed(void *user, enum iotify_close reason, const char *text)
{
    const struct device *device = user;

    if ((int)reason < IOTIFY_CLOSED_BY_US || reason > IOTIFY_CLOSED_DENIED) {
        session_events_fault(device->loop, "closed", "came with the reason %d", (int)reason);
        reason = IOTIFY_CLOSED_PROTOCOL;
    }
    if (!text)
        session_events_fault(device->loop, "closed", "came without a text");
    device_on_closed(user, reason, text ? text : "");
}

const struct iotify_session_events session_events = {.struct_size = sizeof(session_events),
    .connected = session_events_on_connected,
    .acknowledged = answers_on_acknowledged,
    .message = session_events_on_message,
    .closed = session_events_on_closed,
    .lost = answers_on_lost};
