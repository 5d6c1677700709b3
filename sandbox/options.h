/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox's command line. */
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
    struct faults *faults;
    struct quotas *quotas;
    char **command; /* NULL: none */
};

enum sandbox_options_outcome { SANDBOX_OPTIONS_RUN, SANDBOX_OPTIONS_DONE, SANDBOX_OPTIONS_BAD };

/*
 * SANDBOX_OPTIONS_DONE: everything that was asked for has been printed. SANDBOX_OPTIONS_BAD: after
 * a message. sandbox_options_clear() in any case.
 */
enum sandbox_options_outcome sandbox_options_parse(
    struct sandbox_options *options, int count, char **arguments);
void sandbox_options_clear(struct sandbox_options *options);

/* One option. From this table come --help, the manual page and the completions. */
struct sandbox_options_entry {
    const char *name;     /* "--dir" */
    const char *argument; /* of its value, for help; NULL: a flag */
    const char *help;     /* a phrase */
};
extern const struct sandbox_options_entry sandbox_options_table[];
extern const size_t sandbox_options_count;

#endif
