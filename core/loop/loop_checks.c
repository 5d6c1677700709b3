/* SPDX-License-Identifier: Apache-2.0 */
#include "core/loop/loop_checks.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/activity.h"
#include "core/base/arena.h"

enum loop_checks_kind { CHECKS_WATCH, CHECKS_TIMER, CHECKS_LOOKUP, CHECKS_KINDS };

/* What a plugin has of a loop. */
struct loop_checks_handle {
    void *pointer; /* first */
    enum loop_checks_kind kind;
    int descriptor; /* of a watch */
    /* Of a lookup, whose pointer is the handle itself: the loop's own, and whom to tell. */
    struct iotify_lookup *lookup;
    struct loop_checks *checks;
    void (*done)(void *argument, const char *address, const char *error);
    void *argument;
};

struct loop_checks {
    struct loop *loop;
    void (*fault)(void *argument, const char *operation, const char *text);
    void *argument;
    struct iotify_loop functions; /* of the loop, without checks */
    void *handles;                /* a tree of search.h */
    int counts[CHECKS_KINDS];
};

/* Of this thread: a handle does not tell its loop when it is damaged. */
static _Thread_local struct loop_checks *checks_here;
/* Any, for what a foreign thread does. */
static struct loop_checks *_Atomic loop_checks_any;

static int loop_checks_compare(const void *one, const void *other)
{
    uintptr_t a = (uintptr_t)((const struct loop_checks_handle *)one)->pointer,
              b = (uintptr_t)((const struct loop_checks_handle *)other)->pointer;

    return (a > b) - (a < b);
}

static struct loop_checks_handle *loop_checks_find(
    const struct loop_checks *checks, const void *pointer, enum loop_checks_kind kind)
{
    const struct loop_checks_handle key = {.pointer = (void *)pointer};
    void *found = tfind(&key, &checks->handles, loop_checks_compare);
    struct loop_checks_handle *handle = found ? *(struct loop_checks_handle **)found : NULL;

    return handle && handle->kind == kind ? handle : NULL;
}

static struct loop_checks_handle *loop_checks_add(
    struct loop_checks *checks, void *pointer, enum loop_checks_kind kind)
{
    struct loop_checks_handle *handle = memory_new(1, sizeof(*handle));

    *handle = (struct loop_checks_handle){
        .pointer = pointer ? pointer : handle, .kind = kind, .checks = checks};
    if (!tsearch(handle, &checks->handles, loop_checks_compare))
        abort();
    checks->counts[kind]++;
    return handle;
}

static void loop_checks_remove(struct loop_checks *checks, struct loop_checks_handle *handle)
{
    checks->counts[handle->kind]--;
    tdelete(handle, &checks->handles, loop_checks_compare);
    free(handle);
}

/* ------------------------------------------------------------------ who calls */

/* The host's own code uses the loop, too: its timers are no handles. */
static bool loop_checks_in_plugin(void)
{
    return atomic_load_explicit(&activity_here.plugin, memory_order_relaxed);
}

static void loop_checks_blame_thread(const char *operation)
{
    struct loop_checks *checks = atomic_load(&loop_checks_any);

    if (checks)
        checks->fault(checks->argument, operation,
            "was called on a foreign thread; post() is the only function for that");
}

/* Whether a call is on the loop's thread, and for this loop; `base` NULL: it is for a handle. */
static bool loop_checks_allow(const struct iotify_loop *base, const char *operation)
{
    if (!checks_here) {
        loop_checks_blame_thread(operation);
        return false;
    }
    if (!base || base == &checks_here->loop->base)
        return true;
    checks_here->fault(
        checks_here->argument, operation, "was called with the loop of another channel");
    return false;
}

/*
 * What a handle stands for; NULL after a fault, and for the host's own: is the call to be carried
 * out?
 */
static struct loop_checks_handle *loop_checks_take(
    const void *pointer, enum loop_checks_kind kind, const char *operation, bool *carried_out)
{
    static const char *const names[] = {"watch", "timer", "lookup"};
    struct loop_checks_handle *handle;
    char text[100];

    *carried_out = false;
    if (!loop_checks_allow(NULL, operation))
        return NULL;
    *carried_out = !loop_checks_in_plugin();
    if (*carried_out)
        return NULL;
    handle = loop_checks_find(checks_here, pointer, kind);
    *carried_out = handle;
    if (handle)
        return handle;
    snprintf(text, sizeof(text), "got a %s that is none: it was freed, or is not of this channel",
        names[kind]);
    checks_here->fault(checks_here->argument, operation, text);
    return NULL;
}

/* ------------------------------------------------------------------ watches */

struct loop_checks_search {
    int descriptor;
    struct loop_checks_handle *found;
};

static void loop_checks_compare_descriptor(const void *node, VISIT visit, void *argument)
{
    struct loop_checks_handle *handle = *(struct loop_checks_handle *const *)node;
    struct loop_checks_search *search = argument;

    if ((visit == postorder || visit == leaf) && handle->kind == CHECKS_WATCH &&
        handle->descriptor == search->descriptor)
        search->found = handle;
}

/* The system takes a descriptor twice only when it was closed in between. */
static struct iotify_watch *loop_checks_watch(const struct iotify_loop *base, int descriptor,
    int events, void (*ready)(void *argument, int events), void *argument)
{
    struct loop_checks_search search = {descriptor, NULL};
    struct iotify_watch *watch = NULL;
    char text[100];

    if (loop_checks_allow(base, "watch"))
        watch = checks_here->functions.watch(base, descriptor, events, ready, argument);
    if (!watch)
        return NULL;
    twalk_r(checks_here->handles, loop_checks_compare_descriptor, &search);
    if (search.found) {
        snprintf(text, sizeof(text),
            "got the descriptor %d, which was closed without unwatch() before", descriptor);
        checks_here->fault(checks_here->argument, "watch", text);
        search.found->descriptor = -1;
    }
    loop_checks_add(checks_here, watch, CHECKS_WATCH)->descriptor = descriptor;
    return watch;
}

static void loop_checks_rewatch(struct iotify_watch *watch, int events)
{
    bool carried_out;

    loop_checks_take(watch, CHECKS_WATCH, "rewatch", &carried_out);
    if (carried_out)
        checks_here->functions.rewatch(watch, events);
}

static void loop_checks_unwatch(struct iotify_watch *watch)
{
    bool carried_out;
    struct loop_checks_handle *handle =
        loop_checks_take(watch, CHECKS_WATCH, "unwatch", &carried_out);

    if (!handle)
        return;
    loop_checks_remove(checks_here, handle);
    checks_here->functions.unwatch(watch);
}

/* ------------------------------------------------------------------ timers */

/* On a foreign thread, too: it is never NULL. */
static struct iotify_timer *loop_checks_timer_new(
    const struct iotify_loop *base, void (*fire)(void *argument), void *argument)
{
    const struct loop_checks *checks = ((const struct loop *)base)->checks;
    struct iotify_timer *timer;

    if (!loop_checks_allow(base, "timer_new")) {
        /* Never freed: the contract allows no NULL, and any use of it is reported, too. */
        timer = memory_new(1, sizeof(*timer));
        return timer;
    }
    timer = checks->functions.timer_new(base, fire, argument);
    if (loop_checks_in_plugin())
        loop_checks_add(checks_here, timer, CHECKS_TIMER);
    return timer;
}

static void loop_checks_timer_start(struct iotify_timer *timer, int64_t delay)
{
    bool carried_out;

    loop_checks_take(timer, CHECKS_TIMER, "timer_start", &carried_out);
    if (carried_out)
        checks_here->functions.timer_start(timer, delay);
}

static void loop_checks_timer_stop(struct iotify_timer *timer)
{
    bool carried_out;

    loop_checks_take(timer, CHECKS_TIMER, "timer_stop", &carried_out);
    if (carried_out)
        checks_here->functions.timer_stop(timer);
}

static void loop_checks_timer_free(struct iotify_timer *timer)
{
    bool carried_out;
    struct loop_checks_handle *handle =
        loop_checks_take(timer, CHECKS_TIMER, "timer_free", &carried_out);

    if (handle)
        loop_checks_remove(checks_here, handle);
    if (carried_out)
        checks_here->functions.timer_free(timer);
}

/* ------------------------------------------------------------------ lookups */

static void loop_checks_done(void *argument, const char *address, const char *error)
{
    struct loop_checks_handle *handle = argument;
    void (*done)(void *argument, const char *address, const char *error) = handle->done;

    argument = handle->argument;
    loop_checks_remove(handle->checks, handle);
    done(argument, address, error);
}

static struct iotify_lookup *loop_checks_resolve(const struct iotify_loop *base, const char *host,
    void (*done)(void *argument, const char *address, const char *error), void *argument)
{
    struct loop_checks_handle *handle;
    struct activity before;

    if (!loop_checks_allow(base, "resolve"))
        return NULL;
    handle = loop_checks_add(checks_here, NULL, CHECKS_LOOKUP);
    handle->done = done;
    handle->argument = argument;
    before = activity_pause();
    handle->lookup = checks_here->functions.resolve(base, host, loop_checks_done, handle);
    activity_end(before);
    return (struct iotify_lookup *)handle;
}

static void loop_checks_resolve_cancel(struct iotify_lookup *lookup)
{
    bool carried_out;
    struct loop_checks_handle *handle =
        loop_checks_take(lookup, CHECKS_LOOKUP, "resolve_cancel", &carried_out);
    struct activity before;

    if (!handle)
        return;
    before = activity_pause();
    checks_here->functions.resolve_cancel(handle->lookup);
    activity_end(before);
    loop_checks_remove(checks_here, handle);
}

/* ------------------------------------------------------------------ begin and end */

struct loop_checks *loop_checks_begin(struct loop *loop,
    void (*fault)(void *argument, const char *operation, const char *text), void *argument)
{
    struct loop_checks *checks = memory_new(1, sizeof(*checks));

    *checks = (struct loop_checks){
        .loop = loop, .fault = fault, .argument = argument, .functions = loop->base};
    loop->checks = checks;
    loop->base.watch = loop_checks_watch;
    loop->base.rewatch = loop_checks_rewatch;
    loop->base.unwatch = loop_checks_unwatch;
    loop->base.timer_new = loop_checks_timer_new;
    loop->base.timer_start = loop_checks_timer_start;
    loop->base.timer_stop = loop_checks_timer_stop;
    loop->base.timer_free = loop_checks_timer_free;
    loop->base.resolve = loop_checks_resolve;
    loop->base.resolve_cancel = loop_checks_resolve_cancel;
    checks_here = checks;
    atomic_store(&loop_checks_any, checks);
    return checks;
}

/* Free a handle that the plugin did not free. */
static void loop_checks_free_handle(void *argument)
{
    struct loop_checks_handle *handle = argument;
    const struct iotify_loop *functions = &handle->checks->functions;

    switch (handle->kind) {
    case CHECKS_WATCH:
        functions->unwatch(handle->pointer);
        break;
    case CHECKS_TIMER:
        functions->timer_free(handle->pointer);
        break;
    default:
        functions->resolve_cancel(handle->lookup);
        break;
    }
    free(handle);
}

void loop_checks_end(struct loop_checks *checks)
{
    struct loop_checks *any = checks;
    char text[100];

    if (checks->counts[CHECKS_WATCH] || checks->counts[CHECKS_TIMER] ||
        checks->counts[CHECKS_LOOKUP]) {
        snprintf(text, sizeof(text), "left %d watches, %d timers and %d lookups behind",
            checks->counts[CHECKS_WATCH], checks->counts[CHECKS_TIMER],
            checks->counts[CHECKS_LOOKUP]);
        checks->fault(checks->argument, "channel_free", text);
    }
    checks->loop->base = checks->functions;
    checks->loop->checks = NULL;
    atomic_compare_exchange_strong(&loop_checks_any, &any, NULL);
    checks_here = NULL;
    tdestroy(checks->handles, loop_checks_free_handle);
    free(checks);
}
