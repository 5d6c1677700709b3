/* SPDX-License-Identifier: Apache-2.0 */
#include "core/loop/lookup.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/arena.h"

/* What libc needs for its modules. */
#define STACK_SIZE (512 * 1024)

struct lookup {
    char *host;
    void (*answered)(void *argument);
    void *argument;
    pthread_mutex_t lock; /* protects what follows */
    bool done, abandoned;
    struct addrinfo *found;
    int status;
};

static void lookup_free(struct lookup *lookup)
{
    pthread_mutex_destroy(&lookup->lock);
    free(lookup->host);
    free(lookup);
}

static void *lookup_main(void *argument)
{
    struct lookup *lookup = argument;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int status = getaddrinfo(lookup->host, NULL, &hints, &found);
    bool abandoned;

    pthread_mutex_lock(&lookup->lock);
    lookup->found = status == 0 ? found : NULL;
    lookup->status = status;
    lookup->done = true;
    abandoned = lookup->abandoned;
    if (!abandoned)
        lookup->answered(lookup->argument);
    pthread_mutex_unlock(&lookup->lock);
    if (!abandoned)
        return NULL;
    if (lookup->found)
        freeaddrinfo(lookup->found);
    lookup_free(lookup);
    return NULL;
}

struct lookup *lookup_begin(const char *host, void (*answered)(void *argument), void *argument)
{
    struct lookup *lookup = memory_new(1, sizeof(*lookup));
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;
    int failed;

    lookup->host = strdup(host);
    lookup->answered = answered;
    lookup->argument = argument;
    pthread_mutex_init(&lookup->lock, NULL);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    /* Signals are for the main thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = !lookup->host || pthread_create(&thread, &attributes, lookup_main, lookup) != 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (!failed)
        return lookup;
    lookup_free(lookup);
    return NULL;
}

bool lookup_take(struct lookup *lookup, struct addrinfo **found, const char **error)
{
    bool done;

    pthread_mutex_lock(&lookup->lock);
    done = lookup->done;
    pthread_mutex_unlock(&lookup->lock);
    if (!done)
        return false;
    *found = lookup->found;
    *error = lookup->status ? gai_strerror(lookup->status) : NULL;
    lookup_free(lookup);
    return true;
}

void lookup_abandon(struct lookup *lookup)
{
    bool done;

    pthread_mutex_lock(&lookup->lock);
    done = lookup->done;
    lookup->abandoned = true;
    pthread_mutex_unlock(&lookup->lock);
    if (!done)
        return;
    if (lookup->found)
        freeaddrinfo(lookup->found);
    lookup_free(lookup);
}
