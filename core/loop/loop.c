/* SPDX-License-Identifier: Apache-2.0 */
#include "core/loop/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/loop/lookup.h"

struct iotify_watch {
    void (*ready)(void *argument, int events); /* NULL: freed by the transport */
    void *argument;
    struct loop *loop;
    struct iotify_watch *next; /* in the list `gone` */
    int descriptor, events;
};

struct loop_waiter {
    void (*done)(void *argument, const char *address, const char *error);
    void *argument;
    struct loop_waiter *next;
};

#define EVENTS 512

/* A resolved name is valid for one minute. */
#define ADDRESSES_MAX 16
#define ADDRESS_LIFE (60 * SECOND)
/* The same once a connection to one of them has failed: many devices may fail at once. */
#define ADDRESS_LIFE_DOUBTED SECOND

struct loop_resolution {
    char *host;
    int64_t expires;       /* when the addresses expire; 0: no addresses */
    struct lookup *lookup; /* NULL: none is under way */
    bool doubted;          /* a connection has failed since they were looked up */
    char addresses[ADDRESSES_MAX][INET6_ADDRSTRLEN + 20];
    size_t count, next_address; /* used in turn, to spread the sessions */
    char error[120];
    struct iotify_timer *later; /* reports a cached answer, asynchronously */
    struct loop_waiter *waiters, **last;
    struct loop_resolution *next;
};

static struct loop *loop_of(const struct iotify_loop *base)
{
    return (struct loop *)base;
}

static int64_t loop_now(const struct iotify_loop *base)
{
    (void)base;
    return clock_now();
}

/* ------------------------------------------------------------------ watches */

static uint32_t loop_to_epoll(int events)
{
    return (events & IOTIFY_EVENT_READABLE ? EPOLLIN : 0u) |
           (events & IOTIFY_EVENT_WRITABLE ? EPOLLOUT : 0u) | EPOLLRDHUP;
}

static int loop_from_epoll(uint32_t events)
{
    /* A half-closed peer may still have sent data: reading it also finds the end of the stream. */
    return (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP) ? IOTIFY_EVENT_READABLE : 0) |
           (events & EPOLLOUT ? IOTIFY_EVENT_WRITABLE : 0) |
           (events & (EPOLLERR | EPOLLHUP) ? IOTIFY_EVENT_ERROR : 0);
}

static struct iotify_watch *loop_watch_new(const struct iotify_loop *base, int descriptor,
    int events, void (*ready)(void *argument, int events), void *argument)
{
    struct iotify_watch *watch = memory_new(1, sizeof(*watch));
    struct epoll_event event = {.events = loop_to_epoll(events), .data = {.ptr = watch}};

    *watch = (struct iotify_watch){ready, argument, loop_of(base), NULL, descriptor, events};
    if (epoll_ctl(loop_of(base)->epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        free(watch);
        return NULL;
    }
    return watch;
}

static void loop_watch_change(struct iotify_watch *watch, int events)
{
    struct epoll_event event = {.events = loop_to_epoll(events), .data = {.ptr = watch}};

    if (events == watch->events)
        return;
    watch->events = events;
    epoll_ctl(watch->loop->epoll, EPOLL_CTL_MOD, watch->descriptor, &event);
}

static void loop_watch_free(struct iotify_watch *watch)
{
    struct loop *loop = watch->loop;

    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->descriptor, NULL);
    watch->ready = NULL;
    watch->next = loop->gone;
    loop->gone = watch;
}

static void loop_free_gone(struct loop *loop)
{
    while (loop->gone) {
        struct iotify_watch *watch = loop->gone;

        loop->gone = watch->next;
        free(watch);
    }
}

/* ------------------------------------------------------------------ timers */

void loop_timer_init(
    struct iotify_timer *timer, struct loop *loop, void (*fire)(void *argument), void *argument)
{
    *timer = (struct iotify_timer){.loop = loop, .fire = fire, .argument = argument};
}

static struct iotify_timer *loop_timer_new(
    const struct iotify_loop *base, void (*fire)(void *argument), void *argument)
{
    struct iotify_timer *timer = memory_new(1, sizeof(*timer));

    loop_timer_init(timer, loop_of(base), fire, argument);
    return timer;
}

/* A timer without delay fires in the next turn, so that descriptors are served in between. */
static void loop_start_soon(struct iotify_timer *timer)
{
    wheel_stop(&timer->loop->wheel, &timer->timer);
    wheel_ring_append(&timer->loop->soon, &timer->timer);
}

static void loop_timer_start(struct iotify_timer *timer, int64_t delay)
{
    if (delay > 0)
        wheel_start(&timer->loop->wheel, &timer->timer, clock_now() + delay);
    else
        loop_start_soon(timer);
}

void loop_timer_at(struct iotify_timer *timer, int64_t moment)
{
    if (moment > timer->loop->turned_at)
        wheel_start(&timer->loop->wheel, &timer->timer, moment);
    else
        loop_start_soon(timer);
}

static void loop_timer_stop(struct iotify_timer *timer)
{
    wheel_stop(&timer->loop->wheel, &timer->timer);
}

static void loop_timer_free(struct iotify_timer *timer)
{
    loop_timer_stop(timer);
    free(timer);
}

static void loop_fire_all(struct wheel_link *ring)
{
    struct wheel_timer *next;

    while ((next = wheel_ring_pop(ring))) {
        struct iotify_timer *timer = (struct iotify_timer *)next;

        timer->fire(timer->argument);
    }
}

/* Fire the timers without delay, then those that are due, then call the owner's `settle`. */
static void loop_fire_timers(struct loop *loop)
{
    wheel_ring_take(&loop->soon, &loop->due);
    loop->turned_at = clock_now();
    wheel_advance(&loop->wheel, loop->turned_at, &loop->due);
    loop_fire_all(&loop->due);
    if (loop->settle)
        loop->settle(loop->argument);
}

/* ------------------------------------------------------------------ name resolution */

static void loop_report_resolved(struct loop_resolution *resolution)
{
    struct loop_waiter *waiter = resolution->waiters;

    resolution->waiters = NULL;
    resolution->last = &resolution->waiters;
    while (waiter) {
        struct loop_waiter *next = waiter->next;

        waiter->done(waiter->argument,
            resolution->count
                ? resolution->addresses[resolution->next_address++ % resolution->count]
                : NULL,
            resolution->error);
        free(waiter);
        waiter = next;
    }
}

static void loop_on_later(void *argument)
{
    loop_report_resolved(argument);
}

/* Take the addresses of one family only: often just one family of a host is reachable. */
static void loop_take_addresses(
    struct loop_resolution *resolution, const struct addrinfo *found, int family)
{
    for (; found && resolution->count < ADDRESSES_MAX; found = found->ai_next) {
        char *address = resolution->addresses[resolution->count];

        if (found->ai_family == family &&
            getnameinfo(found->ai_addr, found->ai_addrlen, address,
                sizeof(resolution->addresses[0]), NULL, 0, NI_NUMERICHOST) == 0)
            resolution->count++;
    }
}

static void loop_take_answer(
    struct loop_resolution *resolution, const struct addrinfo *found, const char *error)
{
    resolution->doubted = false;
    resolution->count = 0;
    /*
     * Prefer IPv4, which most brokers and NAT gateways support; IPv6 when there is no IPv4 address.
     */
    loop_take_addresses(resolution, found, AF_INET);
    if (resolution->count == 0)
        loop_take_addresses(resolution, found, AF_INET6);
    if (resolution->count == 0)
        snprintf(resolution->error, sizeof(resolution->error), "%s", error ? error : "no address");
    /* A failure is not cached: the next call resolves again. */
    resolution->expires = resolution->count ? clock_now() + ADDRESS_LIFE : 0;
    loop_report_resolved(resolution);
}

/* Take the answers that have come. */
static void loop_take_answers(struct loop *loop)
{
    struct loop_resolution *resolution;

    for (resolution = loop->resolutions; resolution; resolution = resolution->next) {
        struct addrinfo *found;
        const char *error;

        if (!resolution->lookup || !lookup_take(resolution->lookup, &found, &error))
            continue;
        resolution->lookup = NULL;
        loop_take_answer(resolution, found, error);
        if (found)
            freeaddrinfo(found);
    }
}

static void loop_on_answered(void *argument)
{
    loop_wake(argument);
}

void loop_doubt_addresses(struct loop *loop)
{
    struct loop_resolution *resolution;

    for (resolution = loop->resolutions; resolution; resolution = resolution->next)
        if (resolution->expires > 0 && !resolution->doubted) {
            resolution->doubted = true;
            resolution->expires += ADDRESS_LIFE_DOUBTED - ADDRESS_LIFE;
        }
}

static struct loop_resolution *loop_find_resolution(struct loop *loop, const char *host)
{
    struct loop_resolution *resolution;

    for (resolution = loop->resolutions; resolution; resolution = resolution->next)
        if (strcmp(resolution->host, host) == 0)
            return resolution;
    resolution = memory_new(1, sizeof(*resolution));
    resolution->host = strdup(host);
    resolution->last = &resolution->waiters;
    resolution->later = loop_timer_new(&loop->base, loop_on_later, resolution);
    resolution->next = loop->resolutions;
    loop->resolutions = resolution;
    return resolution;
}

static void loop_resolve(const struct iotify_loop *base, const char *host,
    void (*done)(void *argument, const char *address, const char *error), void *argument)
{
    struct loop *loop = loop_of(base);
    struct loop_resolution *resolution = loop_find_resolution(loop, host);
    struct loop_waiter *waiter = memory_new(1, sizeof(*waiter));
    bool asked = resolution->waiters != NULL;

    *waiter = (struct loop_waiter){done, argument, NULL};
    *resolution->last = waiter;
    resolution->last = &waiter->next;
    if (asked || resolution->lookup)
        return;
    if (resolution->expires > clock_now()) {
        loop_timer_start(resolution->later, 0);
        return;
    }
    resolution->lookup = lookup_begin(host, loop_on_answered, loop);
    if (!resolution->lookup) {
        resolution->count = 0;
        snprintf(resolution->error, sizeof(resolution->error), "cannot start a thread for it");
        loop_timer_start(resolution->later, 0);
    }
}

/* ------------------------------------------------------------------ setup and run */

static void loop_on_wake(struct loop *loop)
{
    eventfd_t count;

    eventfd_read(loop->wake, &count);
    loop_take_answers(loop);
    loop->woken(loop->argument);
}

bool loop_init(struct loop *loop, void (*woken)(void *argument), void (*settle)(void *argument),
    void *argument)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = &loop->wake}};

    *loop = (struct loop){
        .base = {.struct_size = sizeof(struct iotify_loop),
            .now = loop_now,
            .watch = loop_watch_new,
            .rewatch = loop_watch_change,
            .unwatch = loop_watch_free,
            .timer_new = loop_timer_new,
            .timer_start = loop_timer_start,
            .timer_stop = loop_timer_stop,
            .timer_free = loop_timer_free,
            .resolve = loop_resolve},
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .woken = woken,
        .settle = settle,
        .argument = argument,
    };
    if (loop->epoll < 0 || loop->wake < 0 ||
        epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) != 0) {
        if (loop->epoll >= 0)
            close(loop->epoll);
        if (loop->wake >= 0)
            close(loop->wake);
        return false;
    }
    wheel_init(&loop->wheel, clock_now());
    wheel_ring_init(&loop->soon);
    wheel_ring_init(&loop->due);
    return true;
}

/* Wait until an event occurs or the next timer is due. Returns the number of events, or -1. */
static int loop_wait_for_events(struct loop *loop, struct epoll_event *events, int count)
{
    int64_t next = wheel_next(&loop->wheel), before = clock_now(), wait = next - before;
    struct timespec time;
    int found = -1;

    if (loop->soon.next != &loop->soon || wait < 0)
        wait = 0;
    if (next == INT64_MAX && wait > 0)
        wait = SECOND;
    time = (struct timespec){wait / SECOND, wait % SECOND};
    if (!loop->coarse) {
        found = epoll_pwait2(loop->epoll, events, count, &time, NULL);
        loop->coarse = found < 0 && errno == ENOSYS;
    }
    if (loop->coarse) {
        if (wait > 60 * SECOND)
            wait = 60 * SECOND;
        found =
            epoll_wait(loop->epoll, events, count, (int)((wait + MILLISECOND - 1) / MILLISECOND));
    }
    if (wait > 0)
        loop->slept += clock_now() - before;
    return found;
}

static void loop_handle(struct loop *loop, const struct epoll_event *event)
{
    struct iotify_watch *watch = event->data.ptr;

    if (event->data.ptr == &loop->wake)
        loop_on_wake(loop);
    else if (watch->ready)
        watch->ready(watch->argument, loop_from_epoll(event->events));
}

void loop_run(struct loop *loop)
{
    struct epoll_event events[EVENTS];

    while (!loop->stopped) {
        int count = loop_wait_for_events(loop, events, EVENTS);

        for (int i = 0; i < count; i++)
            loop_handle(loop, &events[i]);
        loop_fire_timers(loop);
        loop_free_gone(loop);
    }
    loop->stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

void loop_wake(struct loop *loop)
{
    eventfd_write(loop->wake, 1);
}

void loop_clear(struct loop *loop)
{
    for (struct loop_resolution *each = loop->resolutions; each; each = each->next) {
        loop_timer_free(each->later);
        if (each->lookup) {
            lookup_abandon(each->lookup);
            each->count = 0;
            snprintf(each->error, sizeof(each->error), "the run has ended");
        }
        loop_report_resolved(each);
    }
    loop_free_gone(loop);
    close(loop->epoll);
    close(loop->wake);
    while (loop->resolutions) {
        struct loop_resolution *resolution = loop->resolutions;

        loop->resolutions = resolution->next;
        free(resolution->host);
        free(resolution);
    }
}
