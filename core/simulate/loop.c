#include "core/simulate/loop.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/clock.h"

struct iotify_watch {
    uv_poll_t poll;
    void (*ready)(void *argument, int events);
    void *argument;
};

struct iotify_timer {
    uv_timer_t timer;
    void (*fire)(void *argument);
    void *argument;
};

struct waiter {
    void (*done)(void *argument, const char *address, const char *error);
    void *argument;
    struct waiter *next;
};

/* A name's addresses are asked for again after a minute. */
#define ADDRESSES_MAX 16
#define ADDRESS_LIFE (60 * SECOND)

struct resolution {
    char *host;
    int64_t expires; /* when the addresses are too old; 0: there are none */
    bool under_way;
    char addresses[ADDRESSES_MAX][INET6_ADDRSTRLEN + 20];
    size_t count, next_address; /* sessions take turns, so that they spread over all of them */
    char error[120];
    uv_getaddrinfo_t request;
    uv_timer_t later; /* answers that are known already come from the loop all the same */
    struct waiter *waiters, **last;
    struct resolution *next;
};

static struct loop *own(const struct iotify_loop *base)
{
    return (struct loop *)base;
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static int64_t now(const struct iotify_loop *base)
{
    (void)base;
    return clock_now();
}

/* ------------------------------------------------------------------ watches */

static int to_uv(int events)
{
    return (events & IOTIFY_READABLE ? UV_READABLE : 0) |
           (events & IOTIFY_WRITABLE ? UV_WRITABLE : 0) | UV_DISCONNECT;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct iotify_watch *watch = (struct iotify_watch *)poll;
    int seen =
        (events & UV_READABLE ? IOTIFY_READABLE : 0) | (events & UV_WRITABLE ? IOTIFY_WRITABLE : 0);

    if (status < 0)
        seen |= IOTIFY_ERRORED;
    /* A half-closed peer still has bytes for us: reading finds the end by itself. */
    if (events & UV_DISCONNECT)
        seen |= IOTIFY_READABLE;
    watch->ready(watch->argument, seen);
}

static struct iotify_watch *watch_new(const struct iotify_loop *base, int descriptor, int events,
    void (*ready)(void *argument, int events), void *argument)
{
    struct iotify_watch *watch = memory_new(1, sizeof(*watch));

    watch->ready = ready;
    watch->argument = argument;
    if (uv_poll_init(&own(base)->uv, &watch->poll, descriptor) != 0) {
        free(watch);
        return NULL;
    }
    uv_poll_start(&watch->poll, to_uv(events), on_poll);
    return watch;
}

static void watch_change(struct iotify_watch *watch, int events)
{
    uv_poll_start(&watch->poll, to_uv(events), on_poll);
}

static void watch_free(struct iotify_watch *watch)
{
    uv_poll_stop(&watch->poll);
    uv_close((uv_handle_t *)&watch->poll, free_handle);
}

/* ------------------------------------------------------------------ timers */

static void on_timer(uv_timer_t *handle)
{
    struct iotify_timer *timer = (struct iotify_timer *)handle;

    timer->fire(timer->argument);
}

static struct iotify_timer *timer_new(
    const struct iotify_loop *base, void (*fire)(void *argument), void *argument)
{
    struct iotify_timer *timer = memory_new(1, sizeof(*timer));

    timer->fire = fire;
    timer->argument = argument;
    uv_timer_init(&own(base)->uv, &timer->timer);
    return timer;
}

static void timer_start(struct iotify_timer *timer, int64_t delay)
{
    /*
     * libuv counts milliseconds from the time of its turn, which stands still during callbacks.
     * Round up, so that nothing is early; and never due within the same turn, so that timers that
     * start themselves again leave room for input and output.
     */
    int64_t due = (int64_t)(uv_hrtime() + (delay > 0 ? (uint64_t)delay : 0)) + MILLISECOND - 1;
    int64_t milliseconds = due / MILLISECOND - (int64_t)uv_now(timer->timer.loop);

    uv_timer_start(&timer->timer, on_timer, milliseconds > 1 ? (uint64_t)milliseconds : 1, 0);
}

static void timer_stop(struct iotify_timer *timer)
{
    uv_timer_stop(&timer->timer);
}

static void timer_free(struct iotify_timer *timer)
{
    uv_timer_stop(&timer->timer);
    uv_close((uv_handle_t *)&timer->timer, free_handle);
}

/* ------------------------------------------------------------------ names */

static void tell_waiters(struct resolution *resolution)
{
    struct waiter *waiter = resolution->waiters;

    resolution->waiters = NULL;
    resolution->last = &resolution->waiters;
    while (waiter) {
        struct waiter *next = waiter->next;

        waiter->done(waiter->argument,
            resolution->count
                ? resolution->addresses[resolution->next_address++ % resolution->count]
                : NULL,
            resolution->error);
        free(waiter);
        waiter = next;
    }
}

static void on_later(uv_timer_t *timer)
{
    tell_waiters(timer->data);
}

/* Those of one family: a host that has both most often reaches only one of them. */
static void take_addresses(struct resolution *resolution, const struct addrinfo *found, int family)
{
    for (; found && resolution->count < ADDRESSES_MAX; found = found->ai_next) {
        char *address = resolution->addresses[resolution->count];

        if (found->ai_family == family &&
            getnameinfo(found->ai_addr, found->ai_addrlen, address,
                sizeof(resolution->addresses[0]), NULL, 0, NI_NUMERICHOST) == 0)
            resolution->count++;
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct resolution *resolution = request->data;

    resolution->under_way = false;
    resolution->count = 0;
    /* IPv4 first, as most brokers and NAT gateways have it; IPv6 where there is nothing else. */
    take_addresses(resolution, found, AF_INET);
    if (resolution->count == 0)
        take_addresses(resolution, found, AF_INET6);
    if (resolution->count == 0)
        snprintf(resolution->error, sizeof(resolution->error), "%s",
            status ? uv_strerror(status) : "no address");
    uv_freeaddrinfo(found);
    /* A failure is not kept: the next attempt asks again. */
    resolution->expires = resolution->count ? clock_now() + ADDRESS_LIFE : 0;
    tell_waiters(resolution);
}

static struct resolution *find_resolution(struct loop *loop, const char *host)
{
    struct resolution *resolution;

    for (resolution = loop->resolutions; resolution; resolution = resolution->next)
        if (strcmp(resolution->host, host) == 0)
            return resolution;
    resolution = memory_new(1, sizeof(*resolution));
    resolution->host = strdup(host);
    resolution->last = &resolution->waiters;
    resolution->request.data = resolution;
    uv_timer_init(&loop->uv, &resolution->later);
    resolution->later.data = resolution;
    resolution->next = loop->resolutions;
    loop->resolutions = resolution;
    return resolution;
}

static void resolve(const struct iotify_loop *base, const char *host,
    void (*done)(void *argument, const char *address, const char *error), void *argument)
{
    struct loop *loop = own(base);
    struct resolution *resolution = find_resolution(loop, host);
    struct waiter *waiter = memory_new(1, sizeof(*waiter));
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    bool asked = resolution->waiters != NULL;
    int code;

    *waiter = (struct waiter){done, argument, NULL};
    *resolution->last = waiter;
    resolution->last = &waiter->next;
    if (asked || resolution->under_way)
        return;
    if (resolution->expires > clock_now()) {
        uv_timer_start(&resolution->later, on_later, 0, 0);
        return;
    }
    code = uv_getaddrinfo(&loop->uv, &resolution->request, on_resolved, host, NULL, &hints);
    resolution->under_way = code == 0;
    if (code != 0) {
        resolution->count = 0;
        snprintf(resolution->error, sizeof(resolution->error), "%s", uv_strerror(code));
        uv_timer_start(&resolution->later, on_later, 0, 0);
    }
}

/* ------------------------------------------------------------------ life */

static void on_wake(uv_async_t *async)
{
    struct loop *loop = async->data;

    loop->woken(loop->argument);
}

bool loop_init(struct loop *loop, void (*woken)(void *argument), void *argument)
{
    *loop = (struct loop){
        .base = {.struct_size = sizeof(struct iotify_loop),
            .now = now,
            .watch = watch_new,
            .rewatch = watch_change,
            .unwatch = watch_free,
            .timer_new = timer_new,
            .timer_start = timer_start,
            .timer_stop = timer_stop,
            .timer_free = timer_free,
            .resolve = resolve},
        .woken = woken,
        .argument = argument,
    };
    if (uv_loop_init(&loop->uv) != 0)
        return false;
    loop->wake.data = loop;
    return uv_async_init(&loop->uv, &loop->wake, on_wake) == 0;
}

void loop_run(struct loop *loop)
{
    loop->running = true;
    if (!loop->stopped)
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    loop->running = loop->stopped = false;
}

/* libuv would keep a stop that comes too early, for the turn that closes the handles. */
void loop_stop(struct loop *loop)
{
    loop->stopped = true;
    if (loop->running)
        uv_stop(&loop->uv);
}

void loop_wake(struct loop *loop)
{
    uv_async_send(&loop->wake);
}

void loop_clear(struct loop *loop)
{
    uv_close((uv_handle_t *)&loop->wake, NULL);
    for (struct resolution *each = loop->resolutions; each; each = each->next) {
        uv_close((uv_handle_t *)&each->later, NULL);
        if (each->under_way)
            uv_cancel((uv_req_t *)&each->request);
        else
            tell_waiters(each);
    }
    /* Let the closes and a name that is still looked up finish. */
    while (uv_loop_close(&loop->uv) == UV_EBUSY)
        uv_run(&loop->uv, UV_RUN_ONCE);
    while (loop->resolutions) {
        struct resolution *resolution = loop->resolutions;

        loop->resolutions = resolution->next;
        free(resolution->host);
        free(resolution);
    }
}
