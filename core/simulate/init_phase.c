/* init() of all devices of an engine, before its loop runs. */
#include "core/simulate/device.h"
#include "core/simulate/prefetch.h"
#include "core/simulate/solo.h"

/* Clients whose init() runs before it is waited for what they asked of the glob. */
#define INIT_CHUNK 256

static bool awaits(const struct engine *engine, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++)
        if (engine->devices[i].awaiting)
            return true;
    return false;
}

static void take_answers(struct engine *engine)
{
    script_await(engine->script, SECOND / 10);
    acts_do(engine);
}

static void run_chunk(struct engine *engine, size_t from, size_t end)
{
    for (size_t i = from; i < end && !engine->end_asked; i++) {
        device_init(&engine->devices[i]);
        if (engine->prefetch)
            prefetch_learn(engine->prefetch, engine->script, engine->devices[i].client);
        if (engine->simulation->solo)
            solo_started(&engine->devices[i]);
    }
    /* What else they wait for may be in the hands of those to come. */
    while (awaits(engine, from, end) && script_progresses(engine->script) && !engine->end_asked)
        take_answers(engine);
}

/*
 * init() of all devices, some at a time: what the first two read of the glob tells what the others
 * will, and that is read for many of them at once.
 */
void inits_run(struct engine *engine)
{
    for (size_t i = 0; i < engine->count; i++)
        script_add_state(engine->script, engine->devices[i].client);
    engine->prefetch = prefetch_new();
    for (size_t at = 0, end; at < engine->count && !engine->end_asked; at = end) {
        /* The first two by themselves. */
        end = at < PREFETCH_MODELS ? at + 1 : at + INIT_CHUNK;
        end = end < engine->count ? end : engine->count;
        if (at >= PREFETCH_MODELS)
            for (size_t i = at; i < end; i++)
                prefetch_add(engine->prefetch, engine->script, engine->devices[i].client);
        prefetch_read(engine->prefetch, engine->glob);
        run_chunk(engine, at, end);
    }
    while (awaits(engine, 0, engine->count) && !engine->end_asked) {
        script_give_up(engine->script);
        take_answers(engine);
    }
    prefetch_free(engine->prefetch);
    engine->prefetch = NULL;
    script_states_made(engine->script);
    acts_do(engine);
}
