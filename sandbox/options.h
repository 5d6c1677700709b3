/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox's command line. */
#ifndef SANDBOX_OPTIONS_H
#define SANDBOX_OPTIONS_H

#include <stdbool.h>
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

#endif
