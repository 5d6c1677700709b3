/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's event loop for transports: one epoll set, a timer wheel, and a thread for each name
 * that is looked up. Its timeouts have nanosecond resolution, and a watched descriptor costs 40
 * bytes. Only the loop's thread may call these functions, except loop_wake().
 */
#ifndef CORE_LOOP_LOOP_H
#define CORE_LOOP_LOOP_H

#include <iotify/transport.h>
#include <pthread.h>

#include "core/loop/wheel.h"

struct loop_checks;
struct loop_post;
struct names_resolution;
struct loop;

/* The timer of iotify/transport.h. The core embeds its own timers in the objects that own them. */
struct iotify_timer {
    struct wheel_timer timer; /* first */
    struct loop *loop;
    void (*fire)(void *argument);
    void *argument;
    bool of_plugin; /* made by timer_new() */
};

/* What the owner of a loop does for it, on the loop's thread, with the owner's argument. */
struct loop_owner {
    void (*woken)(void *argument); /* after loop_wake() */
    /* At the end of each turn, after its descriptors and timers; may be NULL. */
    void (*settle)(void *argument);
    /* Log a line of a transport, for the session of `user` unless it is NULL; may be NULL. */
    void (*log)(void *argument, void *user, enum iotify_level level, const char *text);
};

struct loop {
    struct iotify_loop base; /* first: the part that transports see */
    int epoll;
    int wake; /* an event descriptor in the epoll set, for other threads */
    struct wheel wheel;
    struct wheel_link soon;    /* timers that fire in the next turn */
    struct wheel_link due;     /* timers that fire in this turn */
    struct iotify_watch *gone; /* freed at the end of the turn: an event may still refer to them */
    int64_t slept;             /* nanoseconds spent waiting */
    int64_t turned_at;         /* when this turn collected its timers, in nanoseconds */
    bool coarse;               /* no epoll_pwait2(): timeouts are rounded up to milliseconds */
    bool stopped;
    const struct loop_owner *owner;
    void *argument;
    const char *plugin;         /* whose callbacks it calls, for struct activity; NULL: none */
    struct loop_checks *checks; /* NULL: without strict checks */
    struct names_resolution *resolutions; /* one for each host name resolved so far */
    pthread_mutex_t post_lock;
    struct loop_post *posts, **last_post; /* protected by post_lock */
};

/* False when a system call fails; nothing is left to free then. `owner` outlives the loop. */
bool loop_init(struct loop *loop, const struct loop_owner *owner, void *argument);
/*
 * Run until loop_stop(), which may also be called before. loop_clear() then frees the loop's
 * memory.
 */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
void loop_clear(struct loop *loop);
/*
 * Initialise a timer in the caller's memory; timer_start and timer_stop accept it, timer_free does
 * not.
 */
void loop_timer_init(
    struct iotify_timer *timer, struct loop *loop, void (*fire)(void *argument), void *argument);
/* As timer_new(), for the host's own timers: what they do is not the plugin's. */
struct iotify_timer *loop_timer_new(
    struct loop *loop, void (*fire)(void *argument), void *argument);
/* Start a timer for a time of the loop's clock; a time in the past fires in the next turn. */
void loop_timer_at(struct iotify_timer *timer, int64_t moment);
/* A connection has failed: look the known names up again when they are needed, once per second. */
void loop_doubt_addresses(struct loop *loop);
/* Run what was posted, also what that posts in turn. */
void loop_run_posts(struct loop *loop);
/* Make the loop call `woken`, which it also does without this now and then. Any thread. */
void loop_wake(struct loop *loop);

#endif
