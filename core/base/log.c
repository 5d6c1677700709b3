/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/log.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <iotify/buffer.h>

#include "core/base/arena.h"
#include "core/base/clock.h"
#include "core/base/utf8.h"

#define LINE_MAX_BYTES (64 * 1024)

static struct {
    pthread_mutex_t mutex;
    enum iotify_level level;
    enum log_format format;
    void (*hide)(void *argument);
    void (*show)(void *argument);
    void *argument;
} log_state = {.mutex = PTHREAD_MUTEX_INITIALIZER, .level = IOTIFY_LOG_INFO};

static const char *const level_names[] = {"ERROR", "WARNING", "INFO", "DEBUG"};

void log_setup(enum iotify_level level, enum log_format format)
{
    log_state.level = level;
    log_state.format = format;
}

bool log_enabled(enum iotify_level level)
{
    return level <= log_state.level;
}

void log_lock(void)
{
    pthread_mutex_lock(&log_state.mutex);
}

void log_unlock(void)
{
    pthread_mutex_unlock(&log_state.mutex);
}

void log_set_display(void (*hide)(void *argument), void (*show)(void *argument), void *argument)
{
    log_lock();
    log_state.hide = hide;
    log_state.show = show;
    log_state.argument = argument;
    log_unlock();
}

/* One event is one line: control characters in untrusted text must not start another line. */
static void log_flatten(char *text)
{
    for (char *at = text; at && *at; at++)
        if ((unsigned char)*at < ' ' && *at != '\t')
            *at = ' ';
    if (text)
        utf8_clean(text);
}

static void log_write_json(
    const char *time, const char *level, const char *where, const char *text, const char *more)
{
    json_t *line = json_pack(
        "{s:s, s:s, s:s, s:s+}", "time", time, "level", level, "where", where, "text", text, "");

    if (line && *more)
        json_object_set_new(line, "details", json_string(more));
    if (line) {
        json_dumpf(line, stderr, JSON_COMPACT | JSON_PRESERVE_ORDER);
        fputc('\n', stderr);
        json_decref(line);
    }
}

/* Detail lines below an event, indented so that they cannot be mistaken for an event. */
static void log_write_lines(const char *more)
{
    while (*more) {
        size_t length = strcspn(more, "\n");

        fprintf(stderr, "    %.*s\n", (int)length, more);
        more += length + (more[length] == '\n');
    }
}

/* Like log_flatten(), but keeps line breaks. The caller frees the copy. */
static char *log_flatten_lines(const char *text)
{
    char *copy = strdup(text);

    for (char *at = copy; at && *at; at++)
        if ((unsigned char)*at < ' ' && *at != '\t' && *at != '\n')
            *at = ' ';
    if (copy)
        utf8_clean(copy);
    return copy;
}

static void log_write_event(enum iotify_level level, const char *where, const char *more,
    const char *format, va_list arguments) __attribute__((format(printf, 4, 0)));

static void log_write_event(enum iotify_level level, const char *where, const char *more,
    const char *format, va_list arguments)
{
    struct iotify_buffer text;
    va_list again;
    char time[32], *lines;

    if (!log_enabled(level))
        return;
    iotify_buffer_init(&text, LINE_MAX_BYTES);
    va_copy(again, arguments);
    if (!iotify_buffer_vformat(&text, format, arguments)) {
        /* Too long for one line: log the beginning only. */
        char *start = memory_new(1, LINE_MAX_BYTES);

        vsnprintf(start, LINE_MAX_BYTES, format, again);
        iotify_buffer_reset(&text);
        iotify_buffer_string(&text, start);
        explicit_bzero(start, LINE_MAX_BYTES);
        free(start);
    }
    va_end(again);
    log_flatten(text.data);
    lines = log_flatten_lines(more);
    clock_wall(time, sizeof(time));
    log_lock();
    if (log_state.hide)
        log_state.hide(log_state.argument);
    if (log_state.format == LOG_JSON)
        log_write_json(
            time, level_names[level], where, iotify_buffer_text(&text), lines ? lines : "");
    else
        fprintf(stderr, "%s %s %s%s%s\n", time, level_names[level], where, *where ? ": " : "",
            iotify_buffer_text(&text));
    if (log_state.format != LOG_JSON && lines)
        log_write_lines(lines);
    if (log_state.show)
        log_state.show(log_state.argument);
    log_unlock();
    iotify_buffer_wipe(&text);
    free(lines);
}

void log_vwrite(enum iotify_level level, const char *where, const char *format, va_list arguments)
{
    log_write_event(level, where, "", format, arguments);
}

void log_write_more(
    enum iotify_level level, const char *where, const char *more, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_write_event(level, where, more, format, arguments);
    va_end(arguments);
}

void log_write(enum iotify_level level, const char *where, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_vwrite(level, where, format, arguments);
    va_end(arguments);
}
