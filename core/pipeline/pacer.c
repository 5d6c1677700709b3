#include "core/pipeline/pacer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/clock.h"

struct lane {
    const char *operation;
    int64_t spacing; /* nanoseconds between two calls */
    int64_t next;
    struct lane *link;
};

struct pacer {
    pthread_mutex_t mutex;
    struct arena arena;
    struct lane *lanes;
    double (*rate)(void *argument, const char *operation);
    void *argument;
};

struct pacer *pacer_new(double (*rate)(void *argument, const char *operation), void *argument)
{
    struct pacer *pacer = memory_new(1, sizeof(*pacer));

    pthread_mutex_init(&pacer->mutex, NULL);
    pacer->rate = rate;
    pacer->argument = argument;
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

/* Called with the lock. */
static struct lane *find(struct pacer *pacer, const char *operation)
{
    struct lane *lane;
    double rate;

    for (lane = pacer->lanes; lane; lane = lane->link)
        if (strcmp(lane->operation, operation) == 0)
            return lane;
    rate = pacer->rate ? pacer->rate(pacer->argument, operation) : 0;
    lane = arena_alloc(&pacer->arena, sizeof(*lane));
    lane->operation = arena_string(&pacer->arena, operation);
    lane->spacing = rate > 0 ? (int64_t)((double)SECOND / rate) : 0;
    lane->link = pacer->lanes;
    pacer->lanes = lane;
    return lane;
}

int64_t pacer_take(struct pacer *pacer, const char *operation, int64_t now)
{
    struct lane *lane;
    int64_t turn;

    pthread_mutex_lock(&pacer->mutex);
    lane = find(pacer, operation);
    turn = lane->next > now ? lane->next : now;
    lane->next = turn + lane->spacing;
    pthread_mutex_unlock(&pacer->mutex);
    return turn;
}

void pacer_hold(struct pacer *pacer, const char *operation, int64_t until)
{
    struct lane *lane;

    pthread_mutex_lock(&pacer->mutex);
    lane = find(pacer, operation);
    if (lane->next < until)
        lane->next = until;
    pthread_mutex_unlock(&pacer->mutex);
}
