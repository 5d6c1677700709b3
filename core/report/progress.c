/* SPDX-License-Identifier: Apache-2.0 */
#include "core/report/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <iotify/buffer.h>

#include "core/base/clock.h"
#include "core/base/log.h"

#define REDRAW (100 * MILLISECOND)
/* The pace is that of the last ten seconds, from the first that was done, and known after one. */
#define SAMPLES 20
#define SAMPLE_PAUSE (500 * MILLISECOND)
#define PACE_KNOWN SECOND

static struct {
    bool quiet, terminal, drawn;
    int64_t began, shown;
    struct {
        int64_t at, done;
    } samples[SAMPLES]; /* a ring */
    size_t sample_count;
    int64_t first_at, first_done; /* when some were done, and how many; 0: none yet */
    struct iotify_buffer line;
} progress_state = {.line = {.ceiling = 4096}};

static void progress_hide(void *argument)
{
    (void)argument;
    if (progress_state.drawn)
        fputs("\r\033[K", stderr);
    progress_state.drawn = false;
}

static void progress_draw(void *argument)
{
    struct winsize size;
    int columns = 80;

    (void)argument;
    if (progress_state.line.size == 0)
        return;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
        columns = size.ws_col - 1;
    fprintf(stderr, "%.*s", columns, iotify_buffer_text(&progress_state.line));
    fflush(stderr);
    progress_state.drawn = true;
}

void progress_setup(bool quiet)
{
    progress_state.quiet = quiet;
    progress_state.terminal = isatty(STDERR_FILENO) == 1;
    if (progress_state.terminal && !quiet)
        log_set_display(progress_hide, progress_draw, NULL);
}

void progress_begin(const char *label, int64_t total)
{
    struct progress progress = {.label = label, .total = total};

    progress_end();
    progress_state.began = clock_now();
    progress_state.shown = progress_state.began;
    progress_state.sample_count = 0;
    progress_state.first_at = 0;
    if (progress_state.terminal) {
        progress_state.shown = 0;
        progress_show(&progress);
    }
}

double progress_seconds_left(const struct progress *progress)
{
    int64_t now = clock_now();
    size_t count = progress_state.sample_count;
    int64_t since =
        count < SAMPLES ? progress_state.began : progress_state.samples[count % SAMPLES].at;
    int64_t before = count < SAMPLES ? 0 : progress_state.samples[count % SAMPLES].done;
    double left = (double)(progress->total - progress->done);

    if (since < progress_state.first_at) {
        since = progress_state.first_at;
        before = progress_state.first_done;
    }
    if (left <= 0)
        return 0;
    if (progress->done > 0 && now - since >= PACE_KNOWN)
        return progress->done > before ? left * (double)(now - since) / (double)SECOND /
                                             (double)(progress->done - before)
                                       : 0;
    /* The forecast is for the time before anything is known. */
    return now - progress_state.began >= PACE_KNOWN ? 0 : progress->seconds_left;
}

static void progress_format(const struct progress *progress, int64_t now)
{
    double seconds = (double)(now - progress_state.began) / (double)SECOND;
    double rate = seconds > 0 ? (double)progress->done / seconds : 0;
    double left = progress_seconds_left(progress);
    struct iotify_buffer *line = &progress_state.line;

    iotify_buffer_reset(line);
    iotify_buffer_string(line, progress->label);
    if (progress->total > 0)
        iotify_buffer_format(line, "  %lld/%lld  %.0f/s", (long long)progress->done,
            (long long)progress->total, rate);
    if (progress->failed)
        iotify_buffer_format(line, "  %lld failed", (long long)progress->failed);
    if (progress->retried)
        iotify_buffer_format(line, "  %lld retries", (long long)progress->retried);
    if (progress->throttled)
        iotify_buffer_format(line, "  %lld throttled", (long long)progress->throttled);
    if (left > 0)
        iotify_buffer_format(line, "  ETA %.0f s", left);
    if (*progress->detail)
        iotify_buffer_format(line, "  %s", progress->detail);
}

static void progress_take_sample(int64_t done, int64_t now)
{
    size_t count = progress_state.sample_count;
    int64_t last = count ? progress_state.samples[(count - 1) % SAMPLES].at : progress_state.began;

    if (done > 0 && progress_state.first_at == 0) {
        progress_state.first_at = now;
        progress_state.first_done = done;
    }
    if (now - last < SAMPLE_PAUSE)
        return;
    progress_state.samples[count % SAMPLES].at = now;
    progress_state.samples[count % SAMPLES].done = done;
    progress_state.sample_count++;
}

void progress_show(const struct progress *progress)
{
    int64_t now = clock_now();
    int64_t pause = progress_state.terminal ? REDRAW : SECOND;

    progress_take_sample(progress->done, now);
    if (progress_state.quiet || now - progress_state.shown < pause)
        return;
    progress_state.shown = now;
    log_lock();
    progress_format(progress, now);
    if (progress_state.terminal) {
        progress_hide(NULL);
        progress_draw(NULL);
    } else {
        fprintf(stderr, "%s\n", iotify_buffer_text(&progress_state.line));
    }
    log_unlock();
}

void progress_end(void)
{
    log_lock();
    if (progress_state.terminal)
        progress_hide(NULL);
    iotify_buffer_reset(&progress_state.line);
    log_unlock();
}
