/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/ramp.h"

#include "core/base/log.h"
#include "core/base/random.h"
#include "core/simulate/device.h"
#include "core/simulate/simulate_loop_internal.h"

#define TICK (5 * MILLISECOND)

/* How many of this loop's devices are among the first `clients` of the run. */
static size_t ramp_share(const struct simulate_loop *loop, int64_t clients)
{
    int64_t own = (clients - loop->share + loop->shares - 1) / loop->shares;

    return own <= 0 ? 0 : (size_t)own < loop->count ? (size_t)own : loop->count;
}

static size_t ramp_target(const struct simulate_loop *loop)
{
    const struct simulation *simulation = loop->simulation;
    int64_t clients =
        load_profile_clients(&simulation->load_profile, simulate_loop_now(loop) - loop->began);

    return ramp_share(loop, clients < simulation->clients ? clients : simulation->clients);
}

bool ramp_wants(const struct simulate_loop *loop, size_t device)
{
    return device < loop->ramp.joined;
}

/* Join as many devices as the rate has allowed since the last tick; park those above the target. */
static void ramp_on_timer(void *argument)
{
    struct simulate_loop *loop = argument;
    struct ramp *ramp = &loop->ramp;
    double rate = loop->simulation->options->connect_rate / (double)loop->shares;
    int64_t now = simulate_loop_now(loop);
    size_t target = loop->ending ? ramp->joined : ramp_target(loop);

    ramp->tokens += (double)(now - ramp->at) / SECOND * rate;
    ramp->at = now;
    if (!loop->channel)
        ramp->tokens = (double)loop->count;
    while (ramp->joined < target && ramp->tokens >= 1) {
        ramp->tokens -= 1;
        device_join(&loop->devices[ramp->joined++]);
    }
    /* Unused tokens do not accumulate. */
    if (ramp->joined >= target && ramp->tokens > 1)
        ramp->tokens = 1;
    while (ramp->joined > target)
        device_park(&loop->devices[--ramp->joined]);
    if (!loop->ending &&
        (ramp->joined < loop->count || load_profile_varies(&loop->simulation->load_profile)))
        loop->events.base.timer_start(ramp->timer, TICK);
}

/* Break a share of the connections: the same ones in every run. */
static void ramp_storm(struct simulate_loop *loop, double share)
{
    uint64_t seed = random_of((uint64_t)loop->simulation->options->seed, 1000 + loop->ramp.stage);

    for (size_t i = 0; i < loop->ramp.joined; i++) {
        struct device *device = &loop->devices[i];

        if (random_share(random_of(seed, (uint64_t)device->client)) < share)
            device_drop(device);
    }
}

void ramp_end_stage(struct simulate_loop *loop)
{
    struct ramp *ramp = &loop->ramp;

    if (ramp->ended == ramp->stage)
        return;
    ramp->ended = ramp->stage;
    ramp->stages[ramp->stage - 1] = (struct ramp_stage){loop->begun - ramp->begun,
        loop->channel ? atomic_load(&loop->report.connected) : (int64_t)ramp->joined};
    ramp->begun = loop->begun;
}

static void ramp_on_stage_timer(void *argument)
{
    struct simulate_loop *loop = argument;
    struct ramp *ramp = &loop->ramp;
    const struct load_profile *profile = &loop->simulation->load_profile;
    const struct load_profile_piece *piece = &profile->pieces[ramp->stage];

    if (loop->ending)
        return;
    ramp_end_stage(loop);
    if (loop->share == 0)
        log_write(IOTIFY_LOG_INFO, loop->simulation->where, "stage %zu of %zu%s%s begins",
            ramp->stage + 1, profile->count, piece->name ? ": " : "",
            piece->name ? piece->name : "");
    if (piece->storm > 0 && loop->channel)
        ramp_storm(loop, piece->storm);
    if (++ramp->stage < profile->count)
        loop->events.base.timer_start(ramp->stage_timer,
            loop->began + profile->pieces[ramp->stage].begins - simulate_loop_now(loop));
}

void ramp_begin(struct simulate_loop *loop)
{
    struct ramp *ramp = &loop->ramp;
    const struct iotify_loop *events = &loop->events.base;

    ramp->at = loop->began;
    if (loop->simulation->load_profile.count)
        ramp->stages =
            arena_array(&loop->arena, loop->simulation->load_profile.count, sizeof(*ramp->stages));
    /* Stagger the first connections of the loops. */
    ramp->tokens = 1 - (double)loop->share / (double)loop->shares;
    ramp->timer = loop_timer_new(&loop->events, ramp_on_timer, loop);
    ramp->stage_timer = loop_timer_new(&loop->events, ramp_on_stage_timer, loop);
    events->timer_start(ramp->timer, 0);
    if (loop->simulation->load_profile.count > 0)
        events->timer_start(ramp->stage_timer, 0);
}

void ramp_end(struct simulate_loop *loop)
{
    ramp_end_stage(loop);
    loop->events.base.timer_free(loop->ramp.timer);
    loop->events.base.timer_free(loop->ramp.stage_timer);
}
