/* SPDX-License-Identifier: Apache-2.0 */
/* Events that occur while the host is inside a call, and are delivered from the loop. */
#include "plugins/transport/mqtt/deferred.h"

#include <stdlib.h>

#include "plugins/transport/mqtt/session.h"

struct deferred_late_event {
    struct mqtt_session *session; /* NULL: freed */
    enum mqtt_event event;
    uint64_t token;
};

struct deferred_list {
    struct deferred_late_event *items;
    size_t count, capacity;
};

struct mqtt_deferred {
    const struct mqtt_channel *channel;
    struct iotify_timer *timer;
    struct deferred_list waiting, delivering;
};

static void deferred_fire(struct mqtt_session *session, enum mqtt_event event, uint64_t token)
{
    const struct iotify_session_events *events = session->channel->events;
    char *text;

    switch (event) {
    case ACKNOWLEDGED:
        events->acknowledged(session->user, token);
        break;
    case LOST:
        events->lost(session->user, token);
        break;
    case CLOSED:
        /* Detach the text first: the host may connect again inside the event. */
        text = session->text;
        session->text = NULL;
        events->closed(session->user, session->reason, text ? text : "");
        free(text);
        break;
    }
}

/* Deliver the list. Events that occur during delivery go into the other list, for the next turn. */
static void deferred_deliver(void *argument)
{
    struct mqtt_deferred *deferred = argument;
    struct deferred_list list = deferred->waiting;

    deferred->waiting = deferred->delivering;
    deferred->delivering = list;
    for (size_t i = 0; i < deferred->delivering.count; i++) {
        const struct deferred_late_event *event = &deferred->delivering.items[i];

        if (event->session)
            deferred_fire(event->session, event->event, event->token);
    }
    deferred->delivering.count = 0;
}

struct mqtt_deferred *mqtt_deferred_new(const struct mqtt_channel *channel)
{
    struct mqtt_deferred *deferred = calloc(1, sizeof(*deferred));

    if (!deferred)
        return NULL;
    deferred->channel = channel;
    deferred->timer = channel->loop->timer_new(channel->loop, deferred_deliver, deferred);
    return deferred;
}

void mqtt_deferred_free(struct mqtt_deferred *deferred)
{
    if (!deferred)
        return;
    deferred->channel->loop->timer_free(deferred->timer);
    free(deferred->waiting.items);
    free(deferred->delivering.items);
    free(deferred);
}

static void deferred_push(struct mqtt_session *session, enum mqtt_event event, uint64_t token)
{
    struct mqtt_deferred *deferred = session->channel->deferred;
    struct deferred_list *list = &deferred->waiting;

    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 64;
        struct deferred_late_event *items = realloc(list->items, capacity * sizeof(*items));

        if (!items)
            return;
        list->items = items;
        list->capacity = capacity;
    }
    if (list->count == 0)
        deferred->channel->loop->timer_start(deferred->timer, 0);
    list->items[list->count++] = (struct deferred_late_event){session, event, token};
}

void mqtt_raise(struct mqtt_session *session, enum mqtt_event event, uint64_t token)
{
    if (session->in_call)
        deferred_push(session, event, token);
    else
        deferred_fire(session, event, token);
}

void mqtt_deferred_forget(struct mqtt_session *session)
{
    struct deferred_list *lists[] = {
        &session->channel->deferred->waiting, &session->channel->deferred->delivering};

    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < lists[i]->count; j++)
            if (lists[i]->items[j].session == session)
                lists[i]->items[j].session = NULL;
}
