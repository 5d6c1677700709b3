#include "core/simulate/loop.h"

#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/clock.h"

struct iotify_watch {
    uv_poll_t poll;
    int events; /* that are watched for now */
    void (*ready)(void *argument, int events);
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
    struct iotify_timer *later; /* answers that are known already come from the loop all the same */
    struct waiter *waiters, **last;
    struct resolution *next;
};

static struct loop *own(const struct iotify_loop *base)
{
    return (struct loop *)base;
}

/* Its being there is what keeps the loop from sleeping. */
static void on_idle(uv_idle_t *idle)
{
    (void)idle;
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
    watch->events = events;
    if (uv_poll_init(&own(base)->uv, &watch->poll, descriptor) != 0) {
        free(watch);
        return NULL;
    }
    uv_poll_start(&watch->poll, to_uv(events), on_poll);
    return watch;
}

static void watch_change(struct iotify_watch *watch, int events)
{
    /* libuv takes the descriptor out and puts it in again, whatever has changed. */
    if (events == watch->events)
        return;
    watch->events = events;
    uv_poll_start(&watch->poll, to_uv(events), on_poll);
}

static void watch_free(struct iotify_watch *watch)
{
    uv_poll_stop(&watch->poll);
    uv_close((uv_handle_t *)&watch->poll, free_handle);
}

/* ------------------------------------------------------------------ timers */

void loop_timer_init(
    struct iotify_timer *timer, struct loop *loop, void (*fire)(void *argument), void *argument)
{
    *timer = (struct iotify_timer){.loop = loop, .fire = fire, .argument = argument};
}

static struct iotify_timer *timer_new(
    const struct iotify_loop *base, void (*fire)(void *argument), void *argument)
{
    struct iotify_timer *timer = memory_new(1, sizeof(*timer));

    loop_timer_init(timer, own(base), fire, argument);
    return timer;
}

/* What is due at once waits for the next turn, so that it leaves room for input and output. */
static void timer_start(struct iotify_timer *timer, int64_t delay)
{
    struct loop *loop = timer->loop;

    if (delay > 0) {
        wheel_start(&loop->wheel, &timer->timer, clock_now() + delay);
        return;
    }
    wheel_stop(&loop->wheel, &timer->timer);
    if (loop->soon.next == &loop->soon)
        uv_idle_start(&loop->idle, on_idle);
    wheel_ring_append(&loop->soon, &timer->timer);
}

static void timer_stop(struct iotify_timer *timer)
{
    wheel_stop(&timer->loop->wheel, &timer->timer);
}

static void timer_free(struct iotify_timer *timer)
{
    timer_stop(timer);
    free(timer);
}

/* Before the loop sleeps: be woken when the next timer is due. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    int64_t next = wheel_next(&loop->wheel);
    struct itimerspec alarm = {.it_value = {0}};

    if (next == loop->alarm_at)
        return;
    loop->alarm_at = next;
    if (next != INT64_MAX)
        alarm.it_value = (struct timespec){next / SECOND, next % SECOND};
    timerfd_settime(loop->alarm, TFD_TIMER_ABSTIME, &alarm, NULL);
}

/* Setting it anew is what makes it unreadable. */
static void on_alarm(uv_poll_t *poll, int status, int events)
{
    struct loop *loop = poll->data;

    (void)status, (void)events;
    loop->alarm_at = 0;
}

static void fire_all(struct wheel_link *ring)
{
    struct wheel_timer *next;

    while ((next = wheel_ring_pop(ring))) {
        struct iotify_timer *timer = (struct iotify_timer *)next;

        timer->fire(timer->argument);
    }
}

/* After the descriptors: what was due at once, then what is due by now, then the owner. */
static void on_turn(uv_check_t *check)
{
    struct loop *loop = check->data;

    wheel_ring_init(&loop->due);
    if (loop->soon.next != &loop->soon) {
        wheel_ring_take(&loop->soon, &loop->due);
        uv_idle_stop(&loop->idle);
    }
    wheel_advance(&loop->wheel, clock_now(), &loop->due);
    fire_all(&loop->due);
    if (loop->settle)
        loop->settle(loop->argument);
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

static void on_later(void *argument)
{
    tell_waiters(argument);
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
    resolution->later = timer_new(&loop->base, on_later, resolution);
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
        timer_start(resolution->later, 0);
        return;
    }
    code = uv_getaddrinfo(&loop->uv, &resolution->request, on_resolved, host, NULL, &hints);
    resolution->under_way = code == 0;
    if (code != 0) {
        resolution->count = 0;
        snprintf(resolution->error, sizeof(resolution->error), "%s", uv_strerror(code));
        timer_start(resolution->later, 0);
    }
}

/* ------------------------------------------------------------------ life */

static void on_wake(uv_async_t *async)
{
    struct loop *loop = async->data;

    loop->woken(loop->argument);
}

bool loop_init(struct loop *loop, void (*woken)(void *argument), void (*settle)(void *argument),
    void *argument)
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
        .settle = settle,
        .argument = argument,
        .alarm_at = INT64_MAX,
        .alarm = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
    };
    if (loop->alarm < 0 || uv_loop_init(&loop->uv) != 0)
        return false;
    uv_loop_configure(&loop->uv, UV_METRICS_IDLE_TIME);
    wheel_init(&loop->wheel, clock_now());
    wheel_ring_init(&loop->soon);
    wheel_ring_init(&loop->due);
    loop->wake.data = loop->alarm_watch.data = loop->prepare.data = loop->check.data = loop;
    uv_idle_init(&loop->uv, &loop->idle);
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_prepare_start(&loop->prepare, on_prepare);
    uv_check_init(&loop->uv, &loop->check);
    uv_check_start(&loop->check, on_turn);
    uv_poll_init(&loop->uv, &loop->alarm_watch, loop->alarm);
    uv_poll_start(&loop->alarm_watch, UV_READABLE, on_alarm);
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
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    uv_close((uv_handle_t *)&loop->alarm_watch, NULL);
    for (struct resolution *each = loop->resolutions; each; each = each->next) {
        timer_free(each->later);
        if (each->under_way)
            uv_cancel((uv_req_t *)&each->request);
        else
            tell_waiters(each);
    }
    /* Let the closes and a name that is still looked up finish. */
    while (uv_loop_close(&loop->uv) == UV_EBUSY)
        uv_run(&loop->uv, UV_RUN_ONCE);
    close(loop->alarm);
    while (loop->resolutions) {
        struct resolution *resolution = loop->resolutions;

        loop->resolutions = resolution->next;
        free(resolution->host);
        free(resolution);
    }
}
