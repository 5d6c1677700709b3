/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one line per event on stderr. Lines of different threads are never mixed.
 * `2026-01-02T03:04:05.678Z LEVEL where: text`, or one JSON object per line.
 */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include <iotify/plugin.h>

enum log_format { LOG_TEXT, LOG_JSON };

/* Set the least important level that is written, and the format; once, before other threads log. */
void log_setup(enum iotify_level level, enum log_format format);
bool log_enabled(enum iotify_level level);

/*
 * Log one event, from any thread. `where` is the source of the event ("job/deploy/aws.device[3]")
 * or "". Control characters become spaces; a text over 64 KiB is truncated.
 */
void log_write(enum iotify_level level, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void log_vwrite(enum iotify_level level, const char *where, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/*
 * As log_write(), with detail lines: `more` holds lines separated by "\n". They are printed below
 * the event, or as the member `details` in JSON.
 */
void log_write_more(enum iotify_level level, const char *where, const char *more,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/*
 * Register the callbacks of a live display on the terminal: the log calls `hide` before it writes a
 * line and `show` after it, with the log's lock held, so they must not log. NULL removes them.
 */
void log_set_display(void (*hide)(void *argument), void (*show)(void *argument), void *argument);
/* The log's lock, for other code that writes to the terminal. */
void log_lock(void);
void log_unlock(void);

#endif
