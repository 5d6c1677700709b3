/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox's command line. */
#ifndef SANDBOX_OPTIONS_H
#define SANDBOX_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/fault.h"
#include "sandbox/quota.h"

struct options {
    const char *folder;  /* --dir; NULL: nothing is kept */
    const char *address; /* --listen */
    long api_port, mqtt_port, https_port;
    int64_t deprecation_wait_ms, detach_wait_ms;
    bool ephemeral, reset;
    struct faults *faults;
    struct quotas *quotas;
    char **command; /* NULL: none */
};

enum options_outcome { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_BAD };

/*
 * OPTIONS_DONE: everything that was asked for has been printed. OPTIONS_BAD: after a message.
 * options_clear() in any case.
 */
enum options_outcome options_parse(struct options *options, int count, char **arguments);
void options_clear(struct options *options);

/* One option. From this table come --help, the manual page and the completions. */
struct options_entry {
    const char *name;     /* "--dir" */
    const char *argument; /* of its value, for help; NULL: a flag */
    const char *help;     /* a phrase */
};
extern const struct options_entry options_table[];
extern const size_t options_count;

#endif
