/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one line an event on stderr, whole lines even from many threads.
 * `2026-01-02T03:04:05.678Z LEVEL where: text`, or one JSON object a line.
 */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include <iotify/plugin.h>

enum log_format { LOG_TEXT, LOG_JSON };

/* Set once at start: the least important level that is written, and the form. */
void log_setup(enum iotify_level level, enum log_format format);
bool log_enabled(enum iotify_level level);

/* `where` names the place ("job/deploy/aws.device[3]"); "" when there is none. Any thread. */
void log_write(enum iotify_level level, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void log_vwrite(enum iotify_level level, const char *where, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* The same, with lines that belong to the event below it: "more", joined by "\n". */
void log_write_more(enum iotify_level level, const char *where, const char *more,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/*
 * Whoever redraws a block on the terminal registers how to take it off and put it back, so that
 * log lines do not land in its middle. Called with the log's lock held. NULL: nobody.
 */
void log_set_display(void (*hide)(void *argument), void (*show)(void *argument), void *argument);
/* The same lock for others who write to the terminal. */
void log_lock(void);
void log_unlock(void);

#endif
