/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/base/clock.h"

/* How long calls that are in flight at a stop are waited for. */
#define STOP_PATIENCE SECOND

static atomic_int stop_signal;
static int stop_timer = -1;
static atomic_llong stop_moment; /* nanoseconds of the monotonic clock */

static void stop_on_signal(int number)
{
    static const char text[] = "\nleaving at once\n";

    const struct itimerspec patience = {.it_value.tv_sec = STOP_PATIENCE / SECOND};

    /* clock_gettime(), write(), _exit() and the system call below are async-signal-safe. */
    atomic_store(&stop_moment, clock_now());
    if (atomic_exchange(&stop_signal, number) == 0) {
        timerfd_settime(stop_timer, 0, &patience, NULL);
    } else {
        ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

        (void)ignored;
        _exit(128 + number);
    }
}

void stop_install(void)
{
    struct sigaction action = {.sa_handler = stop_on_signal};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

    stop_timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction current;

        /* nohup and background jobs set SIG_IGN on purpose: keep it. */
        if (sigaction(signals[i], NULL, &current) == 0 && current.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
    sigaction(SIGPIPE, &ignore, NULL);
    /* A file that would be too large is an error of the write. */
    sigaction(SIGXFSZ, &ignore, NULL);
}

int stop_requested(void)
{
    return atomic_load(&stop_signal);
}

bool stop_cancels(void)
{
    return stop_requested() && clock_now() - atomic_load(&stop_moment) > STOP_PATIENCE;
}

void stop_forget(void)
{
    const struct itimerspec off = {0};

    timerfd_settime(stop_timer, 0, &off, NULL);
    atomic_store(&stop_signal, 0);
}

int stop_descriptor(void)
{
    return stop_timer;
}
