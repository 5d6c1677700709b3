/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/activity.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/stop.h"

/* An operation that takes this long is named, and again after each further period. */
#define PERIOD 10
/* After a stop, operations that do not return have this long until the process ends without them.
 */
#define STOP_LIMIT 20
#define STACK_SIZE (32 * 1024)
/* With activity_time(): longer than this, in nanoseconds, is reported. */
#define BLOCKED INT64_C(100000000)
#define BLOCKED_FOR_SURE (5 * BLOCKED)
/* Threads that may call exit() at the same time: workers, loops and some more. */
#define EXITS_MAX 256

_Thread_local struct activity_thread activity_here;

static pthread_mutex_t activity_lock = PTHREAD_MUTEX_INITIALIZER;
static struct activity_thread *activity_threads;
static pthread_key_t activity_key;
static pthread_once_t activity_once = PTHREAD_ONCE_INIT;
static atomic_bool activity_ended;
static const char *_Atomic activity_noted;
static pid_t activity_process;

/* ------------------------------------------------------------------ threads */

static void activity_remove(void *thread)
{
    struct activity_thread **each = &activity_threads;

    pthread_mutex_lock(&activity_lock);
    while (*each && *each != thread)
        each = &(*each)->next;
    if (*each)
        *each = (*each)->next;
    pthread_mutex_unlock(&activity_lock);
}

/* The sanitizers have handlers and stacks of their own, also those of a plugin alone. */
static bool activity_is_sanitized(void)
{
    return dlsym(RTLD_DEFAULT, "__asan_init") || dlsym(RTLD_DEFAULT, "__tsan_init") ||
           dlsym(RTLD_DEFAULT, "__ubsan_handle_type_mismatch_v1_abort");
}

/* Handlers of crashes run on a stack of their own: the thread's may be used up. */
static void activity_set_stack(void)
{
    static _Thread_local char stack[STACK_SIZE];
    const stack_t own = {.ss_sp = stack, .ss_size = sizeof(stack)};

    if (!activity_is_sanitized())
        sigaltstack(&own, NULL);
}

static void activity_make_key(void)
{
    pthread_key_create(&activity_key, activity_remove);
}

static void activity_list(void)
{
    pthread_once(&activity_once, activity_make_key);
    pthread_setspecific(activity_key, &activity_here);
    activity_set_stack();
    pthread_mutex_lock(&activity_lock);
    activity_here.next = activity_threads;
    activity_threads = &activity_here;
    pthread_mutex_unlock(&activity_lock);
}

/* ------------------------------------------------------------------ times */

struct activity_usage {
    int64_t at, processor; /* nanoseconds */
    long waits, losses;    /* how often the thread gave its processor up, and had to */
};

static _Thread_local struct {
    bool listed;
    void (*blocked)(void *argument, const char *operation, int64_t nanoseconds);
    void *argument;
    struct activity_usage since; /* the last change of the activity */
} activity_own;

static int64_t activity_clock(clockid_t clock)
{
    struct timespec time = {0};

    clock_gettime(clock, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static struct activity_usage activity_usage(void)
{
    struct rusage usage = {0};

    getrusage(RUSAGE_THREAD, &usage);
    return (struct activity_usage){activity_clock(CLOCK_MONOTONIC),
        activity_clock(CLOCK_THREAD_CPUTIME_ID), usage.ru_nvcsw, usage.ru_nivcsw};
}

/*
 * Did the thread compute or wait for too long? If it lost its processor in between, most of that
 * time may have been the wait for a processor, so the limit is higher.
 */
static bool activity_blocked(const struct activity_usage *since, const struct activity_usage *now)
{
    int64_t limit = now->losses > since->losses ? BLOCKED_FOR_SURE : BLOCKED;

    return now->processor - since->processor > BLOCKED ||
           (now->at - since->at > limit && now->waits > since->waits);
}

void activity_prepare(void)
{
    const struct activity_usage now = activity_usage(), since = activity_own.since;
    const char *operation = atomic_load(&activity_here.operation);

    if (!activity_own.listed)
        activity_list();
    activity_own.listed = true;
    activity_here.ready = !activity_own.blocked;
    activity_own.since = now;
    if (activity_own.blocked && atomic_load(&activity_here.plugin) && operation &&
        activity_blocked(&since, &now))
        activity_own.blocked(activity_own.argument, operation, now.at - since.at);
}

void activity_note(const char *text)
{
    atomic_store(&activity_noted, text);
}

void activity_time(
    void (*blocked)(void *argument, const char *operation, int64_t nanoseconds), void *argument)
{
    activity_own.blocked = blocked;
    activity_own.argument = argument;
    activity_own.since = activity_usage();
    activity_here.ready = false;
}

/* ------------------------------------------------------------------ crashes and exits */

/*
 * Only functions that a signal handler may call. The first thread ends the process; others that
 * crash or exit in the meantime wait until it has ended.
 */
static void activity_blame(const char *what)
{
    static atomic_flag begun = ATOMIC_FLAG_INIT;
    const char *action = atomic_load(&activity_here.action);
    const char *plugin = atomic_load(&activity_here.plugin);
    const char *operation = atomic_load(&activity_here.operation);
    const char *note = atomic_load(&activity_noted);
    const char *const parts[] = {
        "\niotifyd: PluginFault: ", plugin ? plugin : "a thread that a plugin has started",
        plugin ? ": " : " ", action ? action : "", action ? "." : "", operation ? operation : "",
        !operation               ? ""
        : strchr(operation, ' ') ? " "
                                 : "() ",
        what, note ? ", in the case: " : "", note ? note : "",
        "; this is a mistake of the plugin\n"};
    char line[512];
    size_t size = 0;
    ssize_t ignored;

    while (atomic_flag_test_and_set(&begun))
        pause();
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        for (const char *at = parts[i]; *at && size < sizeof(line); at++)
            line[size++] = *at;
    ignored = write(STDERR_FILENO, line, size);
    (void)ignored;
}

/* The host itself ends by activity_exit(). Registered more than once: of threads that call
 * exit() at the same time, each takes one. */
static void activity_on_exit(void)
{
    /* The process of a plugin's own fork() may end. */
    if (atomic_load(&activity_ended) || getpid() != activity_process)
        return;
    activity_blame("ended the process with exit()");
    _exit(1);
}

static const struct {
    int number;
    const char *what;
} activity_crashes[] = {
    {SIGSEGV, "crashed (SIGSEGV)"},
    {SIGBUS, "crashed (SIGBUS)"},
    {SIGFPE, "crashed (SIGFPE)"},
    {SIGILL, "crashed (SIGILL)"},
    {SIGABRT, "crashed (SIGABRT: abort(), or an exception that nothing caught)"},
};

static void activity_on_crash(int number)
{
    const struct sigaction end = {.sa_handler = SIG_DFL};

    /* JavaScriptCore has a handler of its own, which calls this one, and would again. */
    sigaction(number, &end, NULL);
    if (atomic_load(&activity_here.plugin))
        for (size_t i = 0; i < sizeof(activity_crashes) / sizeof(activity_crashes[0]); i++)
            if (activity_crashes[i].number == number)
                activity_blame(activity_crashes[i].what);
    /* The process ends as it would have. */
    raise(number);
}

static void activity_install_crashes(void)
{
    struct sigaction action = {
        .sa_handler = activity_on_crash, .sa_flags = SA_NODEFER | SA_ONSTACK};

    if (activity_is_sanitized())
        return;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(activity_crashes) / sizeof(activity_crashes[0]); i++)
        sigaction(activity_crashes[i].number, &action, NULL);
}

/* ------------------------------------------------------------------ the watch */

static void activity_look_at(struct activity_thread *thread)
{
    unsigned serial = atomic_load_explicit(&thread->serial, memory_order_acquire);
    const char *plugin = atomic_load(&thread->plugin), *action = atomic_load(&thread->action);

    if (!plugin || serial != thread->seen) {
        thread->seen = serial;
        thread->seconds = 0;
        return;
    }
    thread->seconds++;
    if (thread->seconds % PERIOD == 0)
        log_write(IOTIFY_LOG_WARNING, "", "waiting for %s in %s%s%s() for %u s", plugin,
            action ? action : "", action ? "." : "", atomic_load(&thread->operation),
            thread->seconds);
}

/* After a stop: is there an operation that keeps a thread, since the stop? */
static void activity_leave(void)
{
    for (const struct activity_thread *thread = activity_threads; thread; thread = thread->next) {
        const char *plugin = atomic_load(&thread->plugin);
        const char *operation = atomic_load(&thread->operation);

        if (!plugin || !operation || thread->seconds < STOP_LIMIT ||
            atomic_load(&thread->serial) != thread->seen)
            continue;
        log_write(IOTIFY_LOG_ERROR, "",
            "PluginFault: %s: %s() does not return after a stop; leaving without a summary", plugin,
            operation);
        _exit(128 + stop_requested());
    }
}

static void *activity_watch_main(void *argument)
{
    const struct timespec second = {.tv_sec = 1};
    bool stopped = false;

    (void)argument;
    while (nanosleep(&second, NULL) <= 0) {
        pthread_mutex_lock(&activity_lock);
        for (struct activity_thread *each = activity_threads; each; each = each->next) {
            activity_look_at(each);
            if (!stopped && stop_requested())
                each->seconds = 0;
        }
        stopped = stop_requested() != 0;
        if (stopped)
            activity_leave();
        pthread_mutex_unlock(&activity_lock);
    }
    return NULL;
}

void activity_watch(void)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    pthread_t thread;

    activity_process = getpid();
    for (int i = 0; i < EXITS_MAX; i++)
        atexit(activity_on_exit);
    activity_install_crashes();
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_create(&thread, &attributes, activity_watch_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

void activity_exit(int status)
{
    atomic_store(&activity_ended, true);
    exit(status);
}
