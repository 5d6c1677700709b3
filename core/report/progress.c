/* SPDX-License-Identifier: Apache-2.0 */
#include "core/report/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <iotify/buffer.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/report/quantity.h"

#define REDRAW (100 * MILLISECOND)
/* The pace is that of the last ten seconds, from the first that was done, and known after one. */
#define SAMPLES 20
#define SAMPLE_PAUSE (500 * MILLISECOND)
#define PACE_KNOWN SECOND
#define BLOCK_MAX ((size_t)4096)
#define LINES_MAX 8
#define BAR_MIN 10
#define BAR_MAX 30
#define WHERE_MIN 8
/* Failures that are named; the summary has all. */
#define REASONS_MAX 3

static struct {
    struct progress_options options;
    bool terminal, reflows;
    size_t step; /* from 1 */
    const char *where;
    int64_t began, shown;
    struct {
        int64_t at, done;
    } samples[SAMPLES]; /* a ring */
    size_t sample_count;
    int64_t first_at, first_done; /* when some were done, and how many; 0: none yet */
    struct iotify_buffer block;   /* lines */
    size_t widths[LINES_MAX];     /* columns of each line that is on the terminal */
    size_t drawn;                 /* how many these are */
} progress_state = {.block = {.ceiling = BLOCK_MAX}};

/* ------------------------------------------------------------------ the terminal */

static void progress_size(size_t *columns, size_t *rows)
{
    struct winsize size;

    *columns = 80;
    *rows = 24;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0)
        return;
    *columns = size.ws_col > 1 ? size.ws_col : *columns;
    *rows = size.ws_row > 1 ? size.ws_row : *rows;
}

static bool progress_begins_character(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

static size_t progress_width(const char *text, size_t length)
{
    size_t width = 0;

    for (size_t i = 0; i < length; i++)
        width += progress_begins_character(text[i]);
    return width;
}

/* The bytes of a line that fit: whole fields, which have two spaces between them. */
static size_t progress_fit(const char *line, size_t length, size_t columns)
{
    size_t width = 0, fields = 0, at = 0;

    for (; at < length; at++) {
        width += progress_begins_character(line[at]);
        if (width > columns)
            break;
        if (at > 2 && line[at] == ' ' && line[at - 1] == ' ')
            fields = at - 1;
    }
    return at == length || fields == 0 ? at : fields;
}

/* Remove the block. Most terminals break its lines anew when they become narrower. */
static void progress_hide(void *argument)
{
    size_t columns, height, rows = 0;

    (void)argument;
    if (progress_state.drawn == 0)
        return;
    progress_size(&columns, &height);
    for (size_t i = 0; i < progress_state.drawn; i++)
        rows += progress_state.widths[i] && progress_state.reflows
                    ? (progress_state.widths[i] + columns - 1) / columns
                    : 1;
    if (rows > 1)
        fprintf(stderr, "\033[%zuA", rows - 1);
    fputs("\r\033[J", stderr);
    progress_state.drawn = 0;
}

static void progress_draw(void *argument)
{
    const char *line = iotify_buffer_text(&progress_state.block);
    size_t columns, height;

    (void)argument;
    if (progress_state.block.size == 0)
        return;
    progress_size(&columns, &height);
    /* A line with wide characters is cut at the edge, too. */
    fputs("\033[?7l", stderr);
    while (progress_state.drawn < LINES_MAX && progress_state.drawn + 1 < height) {
        size_t length = strcspn(line, "\n"), fits = progress_fit(line, length, columns - 1);

        fprintf(stderr, "%s%.*s", progress_state.drawn ? "\n" : "", (int)fits, line);
        progress_state.widths[progress_state.drawn++] = progress_width(line, fits);
        if (!line[length])
            break;
        line += length + 1;
    }
    fputs("\033[?7h", stderr);
    fflush(stderr);
}

void progress_setup(const struct progress_options *options)
{
    const char *kind = getenv("TERM");

    progress_state.options = *options;
    progress_state.terminal = !options->quiet && !options->only_log && isatty(STDERR_FILENO) == 1 &&
                              kind && strcmp(kind, "dumb") != 0;
    progress_state.reflows = kind && strcmp(kind, "linux") != 0 && !getenv("XTERM_VERSION");
    if (progress_state.terminal)
        log_set_display(progress_hide, progress_draw, NULL);
}

/* ------------------------------------------------------------------ pace */

static double progress_seconds_left(const struct live *live, int64_t now)
{
    size_t count = progress_state.sample_count;
    int64_t since =
        count < SAMPLES ? progress_state.began : progress_state.samples[count % SAMPLES].at;
    int64_t before = count < SAMPLES ? 0 : progress_state.samples[count % SAMPLES].done;
    double left = (double)(live->total - live->done);

    if (live->ends > 0)
        return live->ends > live->seconds ? live->ends - live->seconds : 0;
    if (since < progress_state.first_at) {
        since = progress_state.first_at;
        before = progress_state.first_done;
    }
    if (left <= 0)
        return 0;
    if (live->done > 0 && now - since >= PACE_KNOWN)
        return live->done > before
                   ? left * (double)(now - since) / (double)SECOND / (double)(live->done - before)
                   : 0;
    /* The forecast is for the time before anything is known. */
    return now - progress_state.began >= PACE_KNOWN ? 0 : live->seconds_left;
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

/* ------------------------------------------------------------------ text */

/* Append a field; names in it are foreign text. */
static void progress_field(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void progress_field(const char *format, ...)
{
    struct iotify_buffer *block = &progress_state.block;
    size_t start = block->size;
    va_list arguments;

    if (start)
        iotify_buffer_string(block, "  ");
    va_start(arguments, format);
    iotify_buffer_vformat(block, format, arguments);
    va_end(arguments);
    for (size_t i = start; i < block->size; i++)
        if ((unsigned char)block->data[i] < ' ')
            block->data[i] = ' ';
}

static void progress_line_end(void)
{
    if (progress_state.terminal)
        iotify_buffer_char(&progress_state.block, '\n');
}

static void progress_bar(double share, size_t used)
{
    char bar[BAR_MAX + 3];
    size_t columns, rows, width, full;

    progress_size(&columns, &rows);
    if (!progress_state.terminal || columns < used + BAR_MIN + 5)
        return;
    width = columns - used - 5 < BAR_MAX ? columns - used - 5 : BAR_MAX;
    full = (size_t)(share * (double)width);
    bar[0] = '[';
    memset(bar + 1, '#', full);
    memset(bar + 1 + full, '-', width - full);
    memcpy(bar + 1 + width, "]", 2);
    progress_field("%s", bar);
}

/* The last parts of the name, of which so many columns are left. */
static void progress_where(size_t used)
{
    const char *where = progress_state.where, *slash;
    size_t columns, rows;

    progress_size(&columns, &rows);
    columns = columns > used + WHERE_MIN ? columns - used : WHERE_MIN;
    while (progress_width(where, strlen(where)) > columns && (slash = strchr(where, '/')))
        where = slash + 1;
    progress_field("%.*s", (int)progress_fit(where, strlen(where), columns), where);
}

/* Which step it is, and how far. */
static void progress_head(const struct live *live)
{
    struct iotify_buffer *block = &progress_state.block;
    double share = live->ends > 0    ? live->seconds / live->ends
                   : live->total > 0 ? (double)live->done / (double)live->total
                                     : -1;
    char left[32] = "";

    if (progress_state.options.steps)
        progress_field("step %zu of %zu", progress_state.step, progress_state.options.steps);
    share = share > 1 ? 1 : share;
    if (live->seconds_left > 0)
        snprintf(left, sizeof(left), "  ETA %.0f s", live->seconds_left);
    if (progress_state.terminal)
        progress_where(
            progress_width(block->data, block->size) + strlen("    100% ") + strlen(left));
    if (share >= 0) {
        progress_bar(
            share, progress_width(block->data, block->size) + strlen("  100%") + strlen(left));
        progress_field("%.0f%%%s", share * 100, left);
    }
    progress_line_end();
}

static double progress_rate(const struct live *live, enum tally_count count)
{
    return live->period > 0 ? (double)live->last->counts[count] / live->period : 0;
}

static double progress_milliseconds(const struct live *live, enum tally_time time, double share)
{
    return (double)histogram_quantile(&live->last->times[time], share) / MILLISECOND;
}

/* What is done, and what went wrong. */
static void progress_counts(const struct live *live)
{
    char rate[QUANTITY_SIZE];

    if (live->ends > 0)
        progress_field("%.0f of %.0f s", live->seconds, live->ends);
    else if (live->total > 0)
        progress_field(
            "%lld of %lld %s", (long long)live->done, (long long)live->total, live->unit);
    quantity_rate(live->seconds > 0 ? (double)live->done / live->seconds : 0, rate);
    if (!live->last && live->total > 0)
        progress_field("%s", rate);
    quantity_rate(live->rate, rate);
    if (live->stage)
        progress_field("stage %zu of %zu", live->stage, live->stages);
    if (live->failed)
        progress_field("%lld failed", (long long)live->failed);
    if (live->retried)
        progress_field("%lld retries", (long long)live->retried);
    if (live->throttled)
        progress_field("%lld throttled", (long long)live->throttled);
    if (live->operation)
        progress_field("%s at %s", live->operation, rate);
}

static void progress_simulation(const struct live *live)
{
    const struct failure *failure = live->all->failures;

    progress_field("%lld connected", (long long)live->connected);
    progress_field("out %.0f/s", progress_rate(live, TALLY_PUBLISHED));
    progress_field("in %.0f/s", progress_rate(live, TALLY_RECEIVED));
    progress_line_end();
    if (live->last->times[TALLY_PUBLISH].count)
        progress_field("publish p50 %.1f p99 %.1f ms",
            progress_milliseconds(live, TALLY_PUBLISH, 0.5),
            progress_milliseconds(live, TALLY_PUBLISH, 0.99));
    if (live->last->times[TALLY_END_TO_END].count)
        progress_field(
            "end to end p99 %.1f ms", progress_milliseconds(live, TALLY_END_TO_END, 0.99));
    if (live->last->times[TALLY_LAG].count)
        progress_field("lag p99 %.1f ms", progress_milliseconds(live, TALLY_LAG, 0.99));
    progress_field("cpu %.0f%%", live->cpu * 100);
    if (failure)
        progress_line_end();
    for (size_t shown = 0; failure && shown < REASONS_MAX; failure = failure->next, shown++)
        progress_field("%s %lld", failure->code, (long long)failure->count);
    if (failure)
        progress_field("…");
}

static void progress_format(const struct live *live)
{
    iotify_buffer_reset(&progress_state.block);
    progress_head(live);
    progress_counts(live);
    if (live->last)
        progress_simulation(live);
}

/* ------------------------------------------------------------------ steps */

void progress_next_step(void)
{
    progress_state.step++;
}

void progress_begin(const char *where)
{
    progress_end();
    progress_state.where = where;
    progress_state.began = clock_now();
    progress_state.shown = progress_state.terminal ? 0 : progress_state.began;
    progress_state.sample_count = 0;
    progress_state.first_at = 0;
}

void progress_show(struct live *live)
{
    int64_t now = clock_now();
    int64_t pause = progress_state.terminal ? REDRAW : progress_state.options.interval;

    progress_take_sample(live->done, now);
    live->seconds_left = progress_seconds_left(live, now);
    if (progress_state.options.quiet || now - progress_state.shown < pause)
        return;
    progress_state.shown = now;
    if (!progress_state.terminal) {
        progress_format(live);
        log_write(
            IOTIFY_LOG_INFO, progress_state.where, "%s", iotify_buffer_text(&progress_state.block));
        return;
    }
    log_lock();
    progress_hide(NULL);
    progress_format(live);
    progress_draw(NULL);
    log_unlock();
}

void progress_end(void)
{
    log_lock();
    progress_hide(NULL);
    iotify_buffer_reset(&progress_state.block);
    log_unlock();
}
