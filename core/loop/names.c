/* SPDX-License-Identifier: Apache-2.0 */
#include "core/loop/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/activity.h"
#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/loop/lookup.h"

/* One who waits for a name, in a ring of its resolution. */
struct iotify_lookup {
    struct iotify_lookup *next, *previous;
    void (*done)(void *argument, const char *address, const char *error);
    void *argument;
};

/* A resolved name is valid for one minute. */
#define ADDRESSES_MAX 16
#define ADDRESS_LIFE (60 * SECOND)
/* The same once a connection to one of them has failed: many devices may fail at once. */
#define ADDRESS_LIFE_DOUBTED SECOND

struct names_resolution {
    char *host;
    int64_t expires;       /* when the addresses expire; 0: no addresses */
    struct lookup *lookup; /* NULL: none is under way */
    bool doubted;          /* a connection has failed since they were looked up */
    char addresses[ADDRESSES_MAX][INET6_ADDRSTRLEN + 20];
    size_t count, next_address; /* used in turn, to spread the sessions */
    char error[120];
    struct iotify_timer *later;    /* reports a cached answer, asynchronously */
    struct iotify_lookup waiting;  /* the heads of two rings: for an answer, and */
    struct iotify_lookup answered; /* for `done` to be called, which may cancel others */
    struct names_resolution *next;
};

static void names_lookup_ring(struct iotify_lookup *head)
{
    head->next = head->previous = head;
}

static void names_lookup_append(struct iotify_lookup *head, struct iotify_lookup *lookup)
{
    lookup->next = head;
    lookup->previous = head->previous;
    head->previous->next = lookup;
    head->previous = lookup;
}

static void names_lookup_unlink(struct iotify_lookup *lookup)
{
    lookup->previous->next = lookup->next;
    lookup->next->previous = lookup->previous;
}

void names_resolve_cancel(struct iotify_lookup *lookup)
{
    names_lookup_unlink(lookup);
    free(lookup);
}

static void names_report_resolved(struct names_resolution *resolution)
{
    struct iotify_lookup *lookup;
    struct activity before;

    while ((lookup = resolution->waiting.next) != &resolution->waiting) {
        names_lookup_unlink(lookup);
        names_lookup_append(&resolution->answered, lookup);
    }
    while ((lookup = resolution->answered.next) != &resolution->answered) {
        names_lookup_unlink(lookup);
        before = activity_begin(resolution->later->loop->plugin, "resolved");
        lookup->done(lookup->argument,
            resolution->count
                ? resolution->addresses[resolution->next_address++ % resolution->count]
                : NULL,
            resolution->count ? NULL : resolution->error);
        activity_end(before);
        free(lookup);
    }
}

static void names_on_later(void *argument)
{
    names_report_resolved(argument);
}

/* Take the addresses of one family only: often just one family of a host is reachable. */
static void names_take_addresses(
    struct names_resolution *resolution, const struct addrinfo *found, int family)
{
    for (; found && resolution->count < ADDRESSES_MAX; found = found->ai_next) {
        char *address = resolution->addresses[resolution->count];

        if (found->ai_family == family &&
            getnameinfo(found->ai_addr, found->ai_addrlen, address,
                sizeof(resolution->addresses[0]), NULL, 0, NI_NUMERICHOST) == 0)
            resolution->count++;
    }
}

static void names_take_answer(
    struct names_resolution *resolution, const struct addrinfo *found, const char *error)
{
    resolution->doubted = false;
    resolution->count = 0;
    /*
     * Prefer IPv4, which most brokers and NAT gateways support; IPv6 when there is no IPv4 address.
     */
    names_take_addresses(resolution, found, AF_INET);
    if (resolution->count == 0)
        names_take_addresses(resolution, found, AF_INET6);
    if (resolution->count == 0)
        snprintf(resolution->error, sizeof(resolution->error), "%s", error ? error : "no address");
    /* A failure is not cached: the next call resolves again. */
    resolution->expires = resolution->count ? clock_now() + ADDRESS_LIFE : 0;
    names_report_resolved(resolution);
}

/* Take the answers that have come. */
void names_take_answers(struct loop *loop)
{
    struct names_resolution *resolution;

    for (resolution = loop->resolutions; resolution; resolution = resolution->next) {
        struct addrinfo *found;
        const char *error;

        if (!resolution->lookup || !lookup_take(resolution->lookup, &found, &error))
            continue;
        resolution->lookup = NULL;
        names_take_answer(resolution, found, error);
        if (found)
            freeaddrinfo(found);
    }
}

static void names_on_answered(void *argument)
{
    loop_wake(argument);
}

void loop_doubt_addresses(struct loop *loop)
{
    struct names_resolution *resolution;

    for (resolution = loop->resolutions; resolution; resolution = resolution->next)
        if (resolution->expires > 0 && !resolution->doubted) {
            resolution->doubted = true;
            resolution->expires += ADDRESS_LIFE_DOUBTED - ADDRESS_LIFE;
        }
}

static struct names_resolution *names_find_resolution(struct loop *loop, const char *host)
{
    struct names_resolution *resolution;

    for (resolution = loop->resolutions; resolution; resolution = resolution->next)
        if (strcmp(resolution->host, host) == 0)
            return resolution;
    resolution = memory_new(1, sizeof(*resolution));
    resolution->host = strdup(host);
    names_lookup_ring(&resolution->waiting);
    names_lookup_ring(&resolution->answered);
    resolution->later = memory_new(1, sizeof(*resolution->later));
    loop_timer_init(resolution->later, loop, names_on_later, resolution);
    resolution->next = loop->resolutions;
    loop->resolutions = resolution;
    return resolution;
}

struct iotify_lookup *names_resolve(const struct iotify_loop *base, const char *host,
    void (*done)(void *argument, const char *address, const char *error), void *argument)
{
    struct loop *loop = (struct loop *)base;
    struct names_resolution *resolution = names_find_resolution(loop, host);
    struct iotify_lookup *lookup = memory_new(1, sizeof(*lookup));

    *lookup = (struct iotify_lookup){.done = done, .argument = argument};
    names_lookup_append(&resolution->waiting, lookup);
    if (resolution->lookup)
        return lookup;
    if (resolution->expires > clock_now()) {
        loop->base.timer_start(resolution->later, 0);
        return lookup;
    }
    resolution->lookup = lookup_begin(host, names_on_answered, loop);
    if (!resolution->lookup) {
        resolution->count = 0;
        snprintf(resolution->error, sizeof(resolution->error), "cannot start a thread for it");
        loop->base.timer_start(resolution->later, 0);
    }
    return lookup;
}

void names_clear(struct loop *loop)
{
    while (loop->resolutions) {
        struct names_resolution *resolution = loop->resolutions;
        struct iotify_lookup *lookup, *next;

        loop->resolutions = resolution->next;
        loop->base.timer_stop(resolution->later);
        free(resolution->later);
        if (resolution->lookup)
            lookup_abandon(resolution->lookup);
        for (lookup = resolution->waiting.next; lookup != &resolution->waiting; lookup = next) {
            next = lookup->next;
            free(lookup);
        }
        free(resolution->host);
        free(resolution);
    }
}
