/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/console.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/base/log.h"

/* Lines that are logged at once, and per second from then on. */
#define BURST 500
#define RATE 20
/* Time between two notices of what was left out. */
#define NOTICE_PAUSE (10 * SECOND)

struct console_budget {
    double lines;
    int64_t at;
};

struct console {
    pthread_mutex_t lock;
    const char *where;
    struct console_budget plain, urgent;
    int64_t left_out, noticed; /* lines, and when they were last named */
};

struct console *console_new(const char *where)
{
    struct console *console = memory_new(1, sizeof(*console));
    int64_t now = clock_now();

    pthread_mutex_init(&console->lock, NULL);
    console->where = where;
    console->plain = console->urgent = (struct console_budget){BURST, now};
    console->noticed = now - NOTICE_PAUSE;
    return console;
}

static void console_notice(struct console *console, int64_t now)
{
    if (console->left_out)
        log_write(IOTIFY_LOG_WARNING, console->where,
            "%lld lines of the scripts' console are not shown; -v shows all",
            (long long)console->left_out);
    console->left_out = 0;
    console->noticed = now;
}

void console_free(struct console *console)
{
    if (!console)
        return;
    console_notice(console, 0);
    pthread_mutex_destroy(&console->lock);
    free(console);
}

static bool console_take(struct console_budget *budget, int64_t now)
{
    budget->lines += RATE * (double)(now - budget->at) / SECOND;
    budget->lines = budget->lines < BURST ? budget->lines : BURST;
    budget->at = now;
    if (budget->lines < 1)
        return false;
    budget->lines--;
    return true;
}

bool console_may_log(struct console *console, enum iotify_level level)
{
    int64_t now = clock_now();
    bool good;

    if (!log_enabled(level))
        return false;
    if (log_enabled(IOTIFY_LOG_DEBUG))
        return true;
    pthread_mutex_lock(&console->lock);
    good = console_take(level <= IOTIFY_LOG_WARNING ? &console->urgent : &console->plain, now);
    console->left_out += !good;
    if (console->left_out && now - console->noticed >= NOTICE_PAUSE)
        console_notice(console, now);
    pthread_mutex_unlock(&console->lock);
    return good;
}
