/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many lines of the scripts' console go to the log: a fleet could write so many that nobody
 * sees anything else. Warnings and errors have a budget of their own. Any thread.
 */
#ifndef CORE_SIMULATE_CONSOLE_H
#define CORE_SIMULATE_CONSOLE_H

#include <stdbool.h>

#include <iotify/plugin.h>

struct console;

/* `where` is for the log, and lives as long. */
struct console *console_new(const char *where);
/* Log how many lines were left out at the end, and free it. */
void console_free(struct console *console);
/* May this line be logged? A line that the log would not show is not counted. */
bool console_may_log(struct console *console, enum iotify_level level);

#endif
