/* SPDX-License-Identifier: Apache-2.0 */
/* The script context of a loop: the template's code in it, and what it calls. The loop's thread. */
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
    struct device *due, *last_due;      /* those whose message() is due */
    struct device *batch[SCRIPT_BATCH]; /* and those of them whose message() runs now */
    struct iotify_buffer payload;
    int64_t batch_time, batch_calls; /* of the current batch, for the histogram */
    struct captured_lines_line *lines;
    struct arena lines_arena;
    struct script_commands commands;
    struct iotify_timer *resume_timer;
    atomic_llong busy_since; /* a script runs since then; 0: none does. Read by other threads. */
};

/* Make the context and compile the template. False after a message on stderr. */
bool loop_scripts_open(struct simulate_loop *loop);
void loop_scripts_clear(struct simulate_loop *loop);

#endif
