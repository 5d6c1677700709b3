/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/init_phase.h"

#include "core/simulate/simulate_loop_internal.h"
#include "core/simulate/solo.h"

/* Devices whose init() runs before the loop waits for the answers of the glob. */
#define CHUNK 256

static bool init_phase_waits(const struct simulate_loop *loop, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++)
        if (loop->devices[i].call == CALL_WAITING)
            return true;
    return false;
}

static void init_phase_take_answers(struct simulate_loop *loop)
{
    script_await(loop->scripts.context, SECOND / 10);
    script_commands_flush(loop);
}

static void init_phase_run_chunk(struct simulate_loop *loop, size_t from, size_t end)
{
    struct loop_scripts *scripts = &loop->scripts;

    for (size_t i = from; i < end && loop->end_asked == LOOP_RUNS; i++) {
        device_init(&loop->devices[i]);
        if (scripts->prefetch)
            prefetch_learn(scripts->prefetch, scripts->context, loop->devices[i].client);
        if (loop->simulation->solo)
            solo_started(&loop->devices[i]);
    }
    script_commands_flush(loop);
    /* Other promises may depend on devices of later chunks. */
    while (init_phase_waits(loop, from, end) && script_progresses(scripts->context) &&
           loop->end_asked == LOOP_RUNS)
        init_phase_take_answers(loop);
}

void init_phase_run(struct simulate_loop *loop)
{
    struct loop_scripts *scripts = &loop->scripts;

    for (size_t i = 0; i < loop->count; i++)
        script_add_state(scripts->context, loop->devices[i].client);
    scripts->prefetch = prefetch_new();
    for (size_t at = 0, end; at < loop->count && loop->end_asked == LOOP_RUNS; at = end) {
        /* The models run one at a time. */
        end = at < PREFETCH_MODELS ? at + 1 : at + CHUNK;
        end = end < loop->count ? end : loop->count;
        if (at >= PREFETCH_MODELS)
            for (size_t i = at; i < end; i++)
                prefetch_add(scripts->prefetch, scripts->context, loop->devices[i].client);
        prefetch_read(scripts->prefetch, scripts->glob);
        init_phase_run_chunk(loop, at, end);
    }
    while (init_phase_waits(loop, 0, loop->count) && loop->end_asked == LOOP_RUNS) {
        script_give_up(scripts->context);
        init_phase_take_answers(loop);
    }
    prefetch_free(scripts->prefetch);
    scripts->prefetch = NULL;
    script_states_made(scripts->context);
    script_commands_flush(loop);
}
