/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: the queue of answers for a loop, and waiting for answers. */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/store/glob.h"
#include "core/store/glob_internal.h"

struct glob_port *glob_port_new(struct glob *glob, void (*wake)(void *argument), void *argument)
{
    struct glob_port *port = memory_new(1, sizeof(*port));

    port->glob = glob;
    port->last = &port->first;
    port->wake = wake;
    port->argument = argument;
    pthread_mutex_init(&port->lock, NULL);
    clock_condition_init(&port->came);
    return port;
}

void glob_port_free(struct glob_port *port)
{
    if (!port)
        return;
    /* Queued requests refer to the port. */
    glob_flush(port->glob);
    for (struct glob_answer *answer = glob_take(port), *next; answer; answer = next) {
        next = answer->next;
        glob_answer_free(answer);
    }
    pthread_mutex_destroy(&port->lock);
    pthread_cond_destroy(&port->came);
    free(port);
}

void glob_post(struct glob_port *port, struct glob_answer *answer)
{
    pthread_mutex_lock(&port->lock);
    if (!port->first && port->wake)
        port->wake(port->argument);
    *port->last = answer;
    port->last = &answer->next;
    pthread_cond_broadcast(&port->came);
    pthread_mutex_unlock(&port->lock);
}

struct glob_answer *glob_take(struct glob_port *port)
{
    struct glob_answer *all;

    pthread_mutex_lock(&port->lock);
    all = port->first;
    port->first = NULL;
    port->last = &port->first;
    pthread_mutex_unlock(&port->lock);
    return all;
}

void glob_await(struct glob_port *port, int64_t nanoseconds)
{
    int64_t until = clock_now() + nanoseconds;

    pthread_mutex_lock(&port->lock);
    while (!port->first && clock_now() < until)
        clock_condition_wait(&port->came, &port->lock, until);
    pthread_mutex_unlock(&port->lock);
}

void glob_answer_free(struct glob_answer *answer)
{
    if (!answer)
        return;
    arena_wipe(&answer->arena);
    free(answer);
}

/*
 * Remove and return the answer with this token; NULL when it has not arrived. The caller holds the
 * lock.
 */
static struct glob_answer *glob_port_take_one(struct glob_port *port, uint64_t token)
{
    struct glob_answer **slot = &port->first, *answer;

    while (*slot && (*slot)->token != token)
        slot = &(*slot)->next;
    answer = *slot;
    if (!answer)
        return NULL;
    *slot = answer->next;
    if (!*slot)
        port->last = slot;
    answer->next = NULL;
    return answer;
}

struct glob_answer *glob_wait(
    struct glob_port *port, struct call *call, const struct glob_request *request)
{
    struct glob_request own = *request;
    struct glob_answer *answer;
    int64_t began = clock_now();

    /* A token that scripts never use. */
    own.token = UINT64_MAX;
    if (glob_ask(port, call, &own) != IOTIFY_RESULT_OK)
        return NULL;
    pthread_mutex_lock(&port->lock);
    while (!(answer = glob_port_take_one(port, own.token)))
        pthread_cond_wait(&port->came, &port->lock);
    pthread_mutex_unlock(&port->lock);
    pthread_mutex_lock(&port->glob->lock);
    glob_note_blocking(port->glob, began);
    pthread_mutex_unlock(&port->glob->lock);
    return answer;
}
