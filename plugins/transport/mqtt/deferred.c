/* SPDX-License-Identifier: Apache-2.0 */
/* Events that wait until the host is out of its call. */
#include <stdlib.h>

#include "plugins/transport/mqtt/session.h"

struct deferred_late_event {
    struct mqtt_session *session; /* NULL: it is gone */
    enum mqtt_event event;
    uint64_t token;
};

struct deferred_list {
    struct deferred_late_event *items;
    size_t count, capacity;
};

struct mqtt_late {
    const struct mqtt_engine *engine;
    struct iotify_timer *timer;
    struct deferred_list waiting, telling;
};

static void deferred_fire(struct mqtt_session *session, enum mqtt_event event, uint64_t token)
{
    const struct iotify_session_events *events = session->engine->events;
    char *text;

    switch (event) {
    case ACKNOWLEDGED:
        events->acknowledged(session->user, token);
        break;
    case LOST:
        events->lost(session->user, token);
        break;
    case CLOSED:
        /* The host may connect again, or free the session once it is back from the event. */
        text = session->text;
        session->text = NULL;
        events->closed(session->user, session->reason, text ? text : "");
        free(text);
        break;
    }
}

/* What arises meanwhile waits for the next turn, in the other list. */
static void deferred_deliver(void *argument)
{
    struct mqtt_late *late = argument;
    struct deferred_list list = late->waiting;

    late->waiting = late->telling;
    late->telling = list;
    for (size_t i = 0; i < late->telling.count; i++) {
        const struct deferred_late_event *event = &late->telling.items[i];

        if (event->session)
            deferred_fire(event->session, event->event, event->token);
    }
    late->telling.count = 0;
}

struct mqtt_late *mqtt_late_new(const struct mqtt_engine *engine)
{
    struct mqtt_late *late = calloc(1, sizeof(*late));

    if (!late)
        return NULL;
    late->engine = engine;
    late->timer = engine->loop->timer_new(engine->loop, deferred_deliver, late);
    return late;
}

void mqtt_late_free(struct mqtt_late *late)
{
    if (!late)
        return;
    late->engine->loop->timer_free(late->timer);
    free(late->waiting.items);
    free(late->telling.items);
    free(late);
}

static void deferred_push(struct mqtt_session *session, enum mqtt_event event, uint64_t token)
{
    struct mqtt_late *late = session->engine->late;
    struct deferred_list *list = &late->waiting;

    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 64;
        struct deferred_late_event *items = realloc(list->items, capacity * sizeof(*items));

        if (!items)
            return;
        list->items = items;
        list->capacity = capacity;
    }
    if (list->count == 0)
        late->engine->loop->timer_start(late->timer, 0);
    list->items[list->count++] = (struct deferred_late_event){session, event, token};
}

void mqtt_raise(struct mqtt_session *session, enum mqtt_event event, uint64_t token)
{
    if (session->in_call)
        deferred_push(session, event, token);
    else
        deferred_fire(session, event, token);
}

void mqtt_late_forget(struct mqtt_session *session)
{
    struct deferred_list *lists[] = {
        &session->engine->late->waiting, &session->engine->late->telling};

    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < lists[i]->count; j++)
            if (lists[i]->items[j].session == session)
                lists[i]->items[j].session = NULL;
}
