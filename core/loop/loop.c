/* SPDX-License-Identifier: Apache-2.0 */
#include "core/loop/loop.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/activity.h"
#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/loop/names.h"

struct iotify_watch {
    void (*ready)(void *argument, int events); /* NULL: freed by the transport */
    void *argument;
    struct loop *loop;
    struct iotify_watch *next; /* in the list `gone` */
    int descriptor, events;
};

struct loop_post {
    void (*function)(void *argument);
    void *argument;
    struct loop_post *next;
};

#define EVENTS 512

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
    return (events & IOTIFY_EVENT_READABLE ? EPOLLIN | EPOLLRDHUP : 0u) |
           (events & IOTIFY_EVENT_WRITABLE ? EPOLLOUT : 0u);
}

/* A half-closed peer may still have sent data: reading it also finds the end of the stream. */
static int loop_from_epoll(uint32_t events, int wanted)
{
    int found = (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP) ? IOTIFY_EVENT_READABLE : 0) |
                (events & (EPOLLOUT | EPOLLHUP | EPOLLERR) ? IOTIFY_EVENT_WRITABLE : 0);

    return (found & wanted) | (events & (EPOLLERR | EPOLLHUP) ? IOTIFY_EVENT_ERROR : 0);
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

struct iotify_timer *loop_timer_new(struct loop *loop, void (*fire)(void *argument), void *argument)
{
    struct iotify_timer *timer = memory_new(1, sizeof(*timer));

    loop_timer_init(timer, loop, fire, argument);
    return timer;
}

static struct iotify_timer *loop_plugin_timer_new(
    const struct iotify_loop *base, void (*fire)(void *argument), void *argument)
{
    struct iotify_timer *timer = loop_timer_new(loop_of(base), fire, argument);

    timer->of_plugin = true;
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

/* Code of the plugin that no operation called. */
static void loop_call_plugin(
    const struct loop *loop, const char *what, void (*function)(void *argument), void *argument)
{
    struct activity before = activity_begin(loop->plugin, what);

    function(argument);
    activity_end(before);
}

static void loop_fire_all(struct wheel_link *ring)
{
    struct wheel_timer *next;

    while ((next = wheel_ring_pop(ring))) {
        struct iotify_timer *timer = (struct iotify_timer *)next;

        if (timer->of_plugin)
            loop_call_plugin(timer->loop, "timer", timer->fire, timer->argument);
        else
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
    if (loop->owner->settle)
        loop->owner->settle(loop->argument);
}

/* ------------------------------------------------------------------ log, posts */

static void loop_log(const struct iotify_loop *base, void *user, enum iotify_level level,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

static void loop_log(
    const struct iotify_loop *base, void *user, enum iotify_level level, const char *format, ...)
{
    const struct loop *loop = loop_of(base);
    char text[512];
    va_list arguments;

    struct activity before;

    if (!loop->owner->log || !format)
        return;
    before = activity_pause();
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    loop->owner->log(loop->argument, user, level, text);
    activity_end(before);
}

static void loop_post(
    const struct iotify_loop *base, void (*function)(void *argument), void *argument)
{
    struct loop *loop = loop_of(base);
    struct loop_post *post = memory_new(1, sizeof(*post));

    *post = (struct loop_post){function, argument, NULL};
    pthread_mutex_lock(&loop->post_lock);
    *loop->last_post = post;
    loop->last_post = &post->next;
    pthread_mutex_unlock(&loop->post_lock);
    loop_wake(loop);
}

static struct loop_post *loop_take_posts(struct loop *loop)
{
    struct loop_post *posts;

    pthread_mutex_lock(&loop->post_lock);
    posts = loop->posts;
    loop->posts = NULL;
    loop->last_post = &loop->posts;
    pthread_mutex_unlock(&loop->post_lock);
    return posts;
}

static void loop_end_posts(const struct loop *loop, struct loop_post *post, bool run)
{
    while (post) {
        struct loop_post *next = post->next;

        if (run)
            loop_call_plugin(loop, "posted", post->function, post->argument);
        free(post);
        post = next;
    }
}

void loop_run_posts(struct loop *loop)
{
    struct loop_post *posts;

    while ((posts = loop_take_posts(loop)))
        loop_end_posts(loop, posts, true);
}

/* ------------------------------------------------------------------ setup and run */

static void loop_on_wake(struct loop *loop)
{
    eventfd_t count;

    eventfd_read(loop->wake, &count);
    names_take_answers(loop);
    loop_run_posts(loop);
    loop->owner->woken(loop->argument);
}

bool loop_init(struct loop *loop, const struct loop_owner *owner, void *argument)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = &loop->wake}};

    *loop = (struct loop){
        .base = {.struct_size = sizeof(struct iotify_loop),
            .now = loop_now,
            .watch = loop_watch_new,
            .rewatch = loop_watch_change,
            .unwatch = loop_watch_free,
            .timer_new = loop_plugin_timer_new,
            .timer_start = loop_timer_start,
            .timer_stop = loop_timer_stop,
            .timer_free = loop_timer_free,
            .resolve = names_resolve,
            .resolve_cancel = names_resolve_cancel,
            .log = loop_log,
            .post = loop_post},
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
        .owner = owner,
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
    pthread_mutex_init(&loop->post_lock, NULL);
    loop->last_post = &loop->posts;
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

/* What the watch does not ask for any more may have been found before it was changed. */
static void loop_notify(const struct iotify_watch *watch, int events)
{
    struct activity before;

    if (!events)
        return;
    before = activity_begin(watch->loop->plugin, "ready");
    watch->ready(watch->argument, events);
    activity_end(before);
}

static void loop_handle(struct loop *loop, const struct epoll_event *event)
{
    struct iotify_watch *watch = event->data.ptr;

    if (event->data.ptr == &loop->wake)
        loop_on_wake(loop);
    else if (watch->ready)
        loop_notify(watch, loop_from_epoll(event->events, watch->events));
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
    names_clear(loop);
    loop_free_gone(loop);
    loop_end_posts(loop, loop_take_posts(loop), false);
    pthread_mutex_destroy(&loop->post_lock);
    close(loop->epoll);
    close(loop->wake);
}
