/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pipeline/pacer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/clock.h"

/*
 * Throttling takes a third of the rate; one second at full rate adds a twentieth of the first rate.
 */
#define DECREASE 0.67
#define INCREASE 0.05
#define RATE_MIN 0.5
/* The cost of a retry, the gain of a success, and the maximum. */
#define REPEAT_COST 5
#define EARNED 1
#define BUDGET_MAX 500

struct pacer_lane {
    const char *operation;
    double rate, first, limit; /* calls per second; rate 0: no limit, limit 0: estimated */
    int64_t next;
    int64_t decreased;                  /* when the rate last fell */
    bool used_up;                       /* the last call had to wait for its turn */
    int64_t calls, throttled, repeated; /* since pacer_take_counts() */
    struct pacer_lane *link;
};

struct pacer {
    pthread_mutex_t mutex;
    struct arena arena;
    struct pacer_lane *lanes;
    double (*rate)(void *argument, const char *operation, bool *known);
    void *argument;
    int budget;
};

struct pacer *pacer_new(
    double (*rate)(void *argument, const char *operation, bool *known), void *argument)
{
    struct pacer *pacer = memory_new(1, sizeof(*pacer));

    pthread_mutex_init(&pacer->mutex, NULL);
    pacer->rate = rate;
    pacer->argument = argument;
    pacer->budget = BUDGET_MAX;
    return pacer;
}

void pacer_free(struct pacer *pacer)
{
    if (!pacer)
        return;
    pthread_mutex_destroy(&pacer->mutex);
    arena_clear(&pacer->arena);
    free(pacer);
}

/* The caller holds the mutex. */
static struct pacer_lane *pacer_find(struct pacer *pacer, const char *operation)
{
    struct pacer_lane **end = &pacer->lanes, *lane;
    bool known = false;
    double rate;

    for (; *end; end = &(*end)->link)
        if (strcmp((*end)->operation, operation) == 0)
            return *end;
    rate = pacer->rate ? pacer->rate(pacer->argument, operation, &known) : 0;
    lane = arena_alloc(&pacer->arena, sizeof(*lane));
    lane->operation = arena_string(&pacer->arena, operation);
    lane->rate = lane->first = rate > 0 ? rate : 0;
    lane->limit = known ? lane->rate : 0;
    *end = lane;
    return lane;
}

int64_t pacer_take(struct pacer *pacer, const char *operation, int64_t now)
{
    struct pacer_lane *lane;
    int64_t turn;

    pthread_mutex_lock(&pacer->mutex);
    lane = pacer_find(pacer, operation);
    lane->calls++;
    lane->used_up = lane->next > now;
    turn = lane->used_up ? lane->next : now;
    if (lane->rate > 0)
        lane->next = turn + (int64_t)((double)SECOND / lane->rate);
    pthread_mutex_unlock(&pacer->mutex);
    return turn;
}

/* One decrease covers all calls that were sent before it. The caller holds the mutex. */
static void pacer_slow_down(struct pacer_lane *lane, int64_t started)
{
    if (started < lane->decreased)
        return;
    lane->decreased = clock_now();
    lane->rate *= DECREASE;
    if (lane->rate < RATE_MIN)
        lane->rate = RATE_MIN;
}

static void pacer_speed_up(struct pacer_lane *lane)
{
    if (!lane->used_up)
        return;
    lane->rate += lane->first * INCREASE / lane->rate;
    if (lane->limit > 0 && lane->rate > lane->limit)
        lane->rate = lane->limit;
}

void pacer_report(struct pacer *pacer, const char *operation, int64_t started, bool throttled)
{
    struct pacer_lane *lane;

    pthread_mutex_lock(&pacer->mutex);
    lane = pacer_find(pacer, operation);
    lane->throttled += throttled;
    if (lane->rate > 0 && throttled)
        pacer_slow_down(lane, started);
    else if (lane->rate > 0)
        pacer_speed_up(lane);
    pthread_mutex_unlock(&pacer->mutex);
}

void pacer_hold(struct pacer *pacer, const char *operation, int64_t until)
{
    struct pacer_lane *lane;

    pthread_mutex_lock(&pacer->mutex);
    lane = pacer_find(pacer, operation);
    if (lane->next < until)
        lane->next = until;
    pthread_mutex_unlock(&pacer->mutex);
}

void pacer_repeat(struct pacer *pacer, const char *operation)
{
    pthread_mutex_lock(&pacer->mutex);
    pacer_find(pacer, operation)->repeated++;
    pthread_mutex_unlock(&pacer->mutex);
}

void pacer_take_counts(struct pacer *pacer, struct arena *arena, struct call_summary **list)
{
    pthread_mutex_lock(&pacer->mutex);
    for (struct pacer_lane *lane = pacer->lanes; lane; lane = lane->link) {
        struct call_summary **at = list;

        if (lane->calls == 0)
            continue;
        while (*at && strcmp((*at)->operation, lane->operation) != 0)
            at = &(*at)->next;
        if (!*at) {
            *at = arena_alloc(arena, sizeof(**at));
            (*at)->operation = arena_string(arena, lane->operation);
        }
        (*at)->count += lane->calls;
        (*at)->throttled += lane->throttled;
        (*at)->retried += lane->repeated;
        (*at)->quota = lane->limit > 0 ? lane->limit : lane->first;
        lane->calls = lane->throttled = lane->repeated = 0;
    }
    pthread_mutex_unlock(&pacer->mutex);
}

double pacer_rate(struct pacer *pacer, const char *operation)
{
    double rate;

    pthread_mutex_lock(&pacer->mutex);
    rate = pacer_find(pacer, operation)->rate;
    pthread_mutex_unlock(&pacer->mutex);
    return rate;
}

void pacer_format(double rate, char text[PACER_RATE_SIZE])
{
    if (rate < 100)
        snprintf(text, PACER_RATE_SIZE, "%.3g/s", rate);
    else
        snprintf(text, PACER_RATE_SIZE, "%.0f/s", rate);
}

bool pacer_may_repeat(struct pacer *pacer)
{
    bool may;

    pthread_mutex_lock(&pacer->mutex);
    may = pacer->budget >= REPEAT_COST;
    pacer->budget -= may ? REPEAT_COST : 0;
    pthread_mutex_unlock(&pacer->mutex);
    return may;
}

void pacer_earn(struct pacer *pacer)
{
    pthread_mutex_lock(&pacer->mutex);
    pacer->budget += pacer->budget < BUDGET_MAX ? EARNED : 0;
    pthread_mutex_unlock(&pacer->mutex);
}
