/* What scripts ask of their devices while they run, and what is done about it afterwards. */
#include <string.h>

#include "core/simulate/device.h"

/* NULL: it can be done. */
static const char *refuse(const struct device *device, enum script_act_kind kind)
{
    if (kind == ACT_ASSERT || kind == ACT_FINISH)
        return NULL;
    if (!device->engine->transport)
        return "there is no connection: the template says transport: none";
    if (kind != ACT_PUBLISH && !device->init_done && device->phase != WAITING)
        return "in finish() the device is about to disconnect by itself";
    if (kind == ACT_RECONNECT || (kind != ACT_PUBLISH && (device->offline || device->departing)))
        return NULL;
    if (device->phase == WAITING)
        return "there is no connection yet: this is for message(), response() and finish()";
    if (device->offline || device->departing || device->phase == OFFLINE)
        return "the device is disconnected; reconnect() brings it back";
    if (!device->connected_at)
        return "the connection is lost at the moment";
    return NULL;
}

const char *acts_on_asked(
    void *argument, const struct script_turn *turn, const struct script_act *asked)
{
    struct engine *engine = argument;
    struct arena *arena = &engine->acts_arena;
    struct device *device;
    const char *refused;
    struct act *act;

    if (turn->slot < 0 || turn->slot >= (int64_t)engine->count)
        return "there is no device here to do that";
    device = &engine->devices[turn->slot];
    refused = refuse(device, asked->kind);
    if (refused)
        return refused;
    act = arena_alloc(arena, sizeof(*act));
    *act = (struct act){NULL, device, *turn, *asked};
    if (asked->kind == ACT_DISCONNECT || asked->kind == ACT_DROP || asked->kind == ACT_RECONNECT)
        device->departing = true;
    if (asked->topic)
        act->asked.topic = arena_string(arena, asked->topic);
    if (asked->text)
        act->asked.text = arena_string(arena, asked->text);
    if (asked->payload.data)
        act->asked.payload.data = arena_copy(arena, asked->payload.data, asked->payload.size);
    *engine->last_act = act;
    engine->last_act = &act->next;
    return NULL;
}

static void act_out(const struct act *act)
{
    const struct script_act *asked = &act->asked;
    struct device *device = act->device;

    switch (asked->kind) {
    case ACT_PUBLISH:
        message_publish(device, asked);
        break;
    case ACT_DISCONNECT:
    case ACT_DROP:
        device->departing = false;
        device->absent = true;
        device_go_offline(device, asked->kind == ACT_DISCONNECT);
        break;
    case ACT_RECONNECT:
        device->departing = false;
        device->absent = true;
        device_come_back(device);
        break;
    case ACT_ASSERT:
        device->spoiled = true;
        device_fail_script(device, act->turn,
            &(struct script_error){"AssertionFailed", asked->location, true, asked->text, "", ""});
        break;
    case ACT_FINISH:
        device->complete = true;
        break;
    }
}

/*
 * What one act leads to may ask for more, and even have that done: the memory of all is kept until
 * the last is done.
 */
static void act_out_all(struct engine *engine, const struct act *act)
{
    engine->acting++;
    for (; act; act = act->next)
        act_out(act);
    engine->acting--;
    if (!engine->acts && engine->acting == 0)
        arena_reset(&engine->acts_arena);
}

void acts_do_of(struct device *device)
{
    struct engine *engine = device->engine;
    struct act *own = NULL, **last_own = &own, **link = &engine->acts;

    while (*link) {
        struct act *act = *link;

        if (act->device == device) {
            *link = act->next;
            *last_own = act;
            last_own = &act->next;
        } else {
            link = &act->next;
        }
    }
    *last_own = NULL;
    engine->last_act = link;
    if (own)
        act_out_all(engine, own);
}

void acts_do(struct engine *engine)
{
    struct act *act = engine->acts;

    engine->acts = NULL;
    engine->last_act = &engine->acts;
    if (act)
        act_out_all(engine, act);
}
