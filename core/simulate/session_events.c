/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/session_events.h"

#include <stdio.h>
#include <string.h>

#include "core/base/activity.h"
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

/* ------------------------------------------------------------------ events: the host's own code */

/*
 * A copy, with the members that both sides know, of a structure that begins with its size. False
 * when it is smaller than in the first version of the contract.
 */
static bool session_events_copy(void *to, size_t to_size, const void *from, size_t least)
{
    uint32_t size;

    memcpy(&size, from, sizeof(size));
    if (size < least)
        return false;
    memcpy(to, from, size < to_size ? size : to_size);
    return true;
}

static void session_events_on_connected(void *user, const struct iotify_connect_times *given)
{
    struct activity before = activity_pause();
    const struct device *device = user;
    struct iotify_connect_times times = {0};

    if (!given)
        session_events_fault(device->loop, "connected", "came without its times");
    else if (!session_events_copy(&times, sizeof(times), given,
                 offsetof(struct iotify_connect_times, resumed) + sizeof(bool)))
        session_events_fault(
            device->loop, "connected", "came with a struct_size that is too small");
    else if (times.tcp < 0 || times.tls < 0 || times.session < 0)
        session_events_fault(device->loop, "connected", "came with a negative time");
    else
        device_on_connected(user, &times);
    activity_end(before);
}

/* What is wrong with a message; NULL: nothing. */
static const char *session_events_check_message(const struct iotify_message *message)
{
    if (!message->topic)
        return "came without a topic";
    if (!message->payload.data && message->payload.size)
        return "came with a payload at NULL";
    if (message->payload.size > PTRDIFF_MAX)
        return "came with a payload whose size is not valid";
    if (message->property_count &&
        (!message->properties || message->property_size < sizeof(struct iotify_property)))
        return "came with properties that are not valid";
    for (uint32_t i = 0; i < message->property_count; i++) {
        struct iotify_property property;

        memcpy(&property, (const char *)message->properties + i * (size_t)message->property_size,
            sizeof(property));
        if (!property.name || !property.value)
            return "came with a property whose name or value is NULL";
    }
    return NULL;
}

/* The properties as the host indexes them, which may be of another size than the plugin's. */
static void session_events_take_properties(struct iotify_message *message, struct arena *arena)
{
    struct iotify_property *copy;

    if (message->property_size == sizeof(*copy) || !message->property_count)
        return;
    copy = arena_array(arena, message->property_count, sizeof(*copy));
    for (uint32_t i = 0; i < message->property_count; i++)
        memcpy(&copy[i], (const char *)message->properties + i * (size_t)message->property_size,
            sizeof(*copy));
    message->properties = copy;
}

static void session_events_on_message(void *user, const struct iotify_message *given)
{
    struct activity before = activity_pause();
    const struct device *device = user;
    struct iotify_message message = {0};
    struct arena arena = {0};
    const char *wrong;

    if (!given)
        wrong = "came without a message";
    else if (!session_events_copy(&message, sizeof(message), given, sizeof(struct iotify_message)))
        wrong = "came with a struct_size that is too small";
    else
        wrong = session_events_check_message(&message);
    if (wrong) {
        session_events_fault(device->loop, "message", "%s", wrong);
    } else {
        session_events_take_properties(&message, &arena);
        answers_on_received(user, &message);
        arena_clear(&arena);
    }
    activity_end(before);
}

static void session_events_on_closed(void *user, enum iotify_close reason, const char *text)
{
    struct activity before = activity_pause();
    const struct device *device = user;

    if (reason < IOTIFY_CLOSED_BY_US || reason > IOTIFY_CLOSED_DENIED) {
        session_events_fault(device->loop, "closed", "came with the reason %d", (int)reason);
        reason = IOTIFY_CLOSED_PROTOCOL;
    }
    if (!text)
        session_events_fault(device->loop, "closed", "came without a text");
    device_on_closed(user, reason, text ? text : "");
    activity_end(before);
}

static void session_events_on_acknowledged(void *user, uint64_t token)
{
    struct activity before = activity_pause();

    answers_on_acknowledged(user, token);
    activity_end(before);
}

static void session_events_on_lost(void *user, uint64_t token)
{
    struct activity before = activity_pause();

    answers_on_lost(user, token);
    activity_end(before);
}

static void session_events_on_refused(void *user, uint64_t token, int32_t code, const char *text)
{
    struct activity before = activity_pause();
    const struct device *device = user;

    if (!text)
        session_events_fault(device->loop, "refused", "came without a text");
    answers_on_refused(user, token, code, text ? text : "");
    activity_end(before);
}

const struct iotify_session_events session_events = {.struct_size = sizeof(session_events),
    .connected = session_events_on_connected,
    .acknowledged = session_events_on_acknowledged,
    .message = session_events_on_message,
    .closed = session_events_on_closed,
    .lost = session_events_on_lost,
    .refused = session_events_on_refused};
