/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What scripts ask of their devices. A command is queued while its function runs, and carried out
 * at one point of the loop's turn, so that no command is carried out inside a call of a script, or
 * inside another command. The order of the queue is that in which the script asked. On the thread
 * of the loop.
 */
#ifndef CORE_SIMULATE_SCRIPT_COMMANDS_H
#define CORE_SIMULATE_SCRIPT_COMMANDS_H

#include "core/simulate/message.h"

struct queued_command;

struct script_commands {
    struct queued_command *first, **last;
    struct arena arena;    /* of the commands in the queue */
    struct arena spare;    /* of those that are being carried out, then of the next */
    bool in_response;      /* commands are those of response() */
    bool response_spoiled; /* and a condition of it did not hold */
};

void script_commands_init(struct script_commands *commands);
void script_commands_clear(struct script_commands *commands);

/*
 * A function of the loop, a struct simulate_loop, asks for something. NULL, or why it cannot be
 * done, for the script to catch.
 */
const char *script_commands_on_asked(
    void *loop, const struct script_turn *turn, const struct script_command *asked);
/* message() has returned: its end is carried out after what it asked for. Everything is copied. */
void script_commands_add_end(struct device *device, const struct message_result *result);
/* Between these calls commands are those of response(): they say nothing about the iteration. */
void script_commands_begin_response(struct simulate_loop *loop);
void script_commands_end_response(struct simulate_loop *loop);

/* Carry out all that is queued. False: nothing was. */
bool script_commands_flush(struct simulate_loop *loop);

#endif
