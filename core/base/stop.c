/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"

static atomic_int stop_signal;
static atomic_llong stop_moment; /* nanoseconds of the monotonic clock */

static void stop_on_signal(int number)
{
    static const char text[] = "\nleaving at once\n";

    /* clock_gettime(), write() and _exit() are async-signal-safe. */
    atomic_store(&stop_moment, clock_now());
    if (atomic_exchange(&stop_signal, number) != 0) {
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

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction current;

        /* nohup and background jobs set SIG_IGN on purpose: keep it. */
        if (sigaction(signals[i], NULL, &current) == 0 && current.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
    sigaction(SIGPIPE, &ignore, NULL);
}

int stop_requested(void)
{
    return atomic_load(&stop_signal);
}

bool stop_overdue(int64_t nanoseconds)
{
    return stop_requested() && clock_now() - atomic_load(&stop_moment) > nanoseconds;
}
