/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each thread is doing in plugins. Operations that take long are named in the log; when one
 * crashes the process or ends it, the last line on stderr names the plugin and the operation.
 */
#ifndef CORE_BASE_ACTIVITY_H
#define CORE_BASE_ACTIVITY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An operation of a plugin: "apply", or of an action, "device" and "apply". The texts are constant
 * as long as the plugin is loaded. Without a plugin: the host's own code.
 */
struct activity {
    const char *plugin, *action, *operation;
};

/* Of one thread; other threads read it. */
struct activity_thread {
    _Atomic(const char *) plugin, action, operation;
    atomic_uint serial; /* changes with each operation */
    bool ready; /* listed, and not timed: nothing more is to do at a change of the activity */
    /* For the watch, under its lock. */
    unsigned seen, seconds; /* the serial, and for how long it has not changed */
    struct activity_thread *next;
};

extern _Thread_local struct activity_thread activity_here;

/*
 * Before a change of the activity: make this thread known to the watch, until it ends, and take the
 * time when activity_time() asks for it.
 */
void activity_prepare(void);

/* This thread enters an operation. Returns what it was in before, for activity_end(). */
static inline struct activity activity_begin_action(
    const char *plugin, const char *action, const char *operation)
{
    struct activity_thread *here = &activity_here;
    const struct activity before = {atomic_load_explicit(&here->plugin, memory_order_relaxed),
        atomic_load_explicit(&here->action, memory_order_relaxed),
        atomic_load_explicit(&here->operation, memory_order_relaxed)};

    if (!here->ready)
        activity_prepare();
    atomic_store_explicit(&here->action, action, memory_order_relaxed);
    atomic_store_explicit(&here->operation, operation, memory_order_relaxed);
    atomic_store_explicit(&here->plugin, plugin, memory_order_relaxed);
    atomic_store_explicit(&here->serial,
        atomic_load_explicit(&here->serial, memory_order_relaxed) + 1, memory_order_release);
    return before;
}

static inline struct activity activity_begin(const char *plugin, const char *operation)
{
    return activity_begin_action(plugin, NULL, operation);
}

/* Inside of an operation, the host's own code begins. */
static inline struct activity activity_pause(void)
{
    return activity_begin_action(NULL, NULL, NULL);
}

/* This thread leaves the operation, or goes back into it. */
static inline void activity_end(struct activity before)
{
    activity_begin_action(before.plugin, before.action, before.operation);
}

/*
 * From now on, on this thread: call `blocked` after an operation has kept the thread busy or
 * waiting for more than 100 ms, without the host's own code in between. A thread that had to wait
 * for a processor has not blocked. NULL ends this.
 */
void activity_time(
    void (*blocked)(void *argument, const char *operation, int64_t nanoseconds), void *argument);

/* For the line about a crash: what is being tested. The text is not copied. NULL: nothing. */
void activity_note(const char *text);

/*
 * Install the handlers for crashes and for exit(), and start the watch, a thread that logs which
 * operations do not return. Once, on the main thread.
 */
void activity_watch(void);

/* End the process. After activity_watch(), any other exit() is a mistake of a plugin. */
_Noreturn void activity_exit(int status);

#endif
