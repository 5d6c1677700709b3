/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox's command line: its table and its parser. Main thread; the table is constant. */
#ifndef SANDBOX_OPTIONS_H
#define SANDBOX_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/fault.h"
#include "sandbox/quota.h"

struct sandbox_options {
    const char *folder;  /* --dir; NULL: nothing is kept */
    const char *address; /* --listen */
    long api_port, mqtt_port, https_port;
    int64_t deprecation_wait_ms, detach_wait_ms;
    bool ephemeral, reset;
    struct fault_set *faults;
    struct quota_set *quotas;
    char **command; /* ends with NULL; NULL: none */
};

enum sandbox_options_outcome { SANDBOX_OPTIONS_RUN, SANDBOX_OPTIONS_DONE, SANDBOX_OPTIONS_BAD };

/*
 * Parse the command line; the options point into it. SANDBOX_OPTIONS_DONE: the requested text was
 * printed. SANDBOX_OPTIONS_BAD: after a message on stderr. Call sandbox_options_clear() in any
 * case.
 */
enum sandbox_options_outcome sandbox_options_parse(
    struct sandbox_options *options, int count, char **arguments);
void sandbox_options_clear(struct sandbox_options *options);

/* One option. --help, the manual page and the completions are made from this table. */
struct sandbox_options_entry {
    const char *name;       /* "--dir" */
    const char *short_name; /* "-h"; NULL: none */
    const char *argument;   /* name of its value in the help; NULL: a flag */
    const char *help;       /* a phrase */
};
extern const struct sandbox_options_entry sandbox_options_table[];
extern const size_t sandbox_options_count;

#endif
