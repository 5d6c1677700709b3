/* SPDX-License-Identifier: Apache-2.0 */
/* The script context of a loop, with the template's code. On the loop's thread. */
#ifndef CORE_SIMULATE_LOOP_SCRIPTS_H
#define CORE_SIMULATE_LOOP_SCRIPTS_H

#include <stdatomic.h>

#include "core/script/expression.h"
#include "core/simulate/captured_lines.h"
#include "core/simulate/prefetch.h"
#include "core/simulate/script_commands.h"

struct loop_scripts {
    struct script *context;
    struct glob_port *glob;
    struct prefetch *prefetch; /* while init() runs */
    struct expression_set connection, publish;
    struct expression_set *subscriptions;
    struct device *due, *last_due;      /* queue of devices whose message() is due */
    struct device *batch[SCRIPT_BATCH]; /* devices whose message() runs now */
    struct iotify_buffer payload;
    int64_t batch_time, batch_calls; /* current batch: nanoseconds per call, and calls */
    struct captured_line *lines;
    struct arena lines_arena;
    struct script_commands commands;
    struct iotify_timer *resume_timer;
    atomic_llong busy_since; /* start of the running script call; 0: none. Read by other threads. */
};

/*
 * Create the context and compile the template. False on failure; errors of the template are printed
 * to stderr.
 */
bool loop_scripts_open(struct simulate_loop *loop);
void loop_scripts_clear(struct simulate_loop *loop);

#endif
