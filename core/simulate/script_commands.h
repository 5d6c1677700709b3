/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of scripts to their devices, such as publish and disconnect. A command is queued
 * while the script function runs, and carried out at one point of the loop's turn, so that it never
 * runs inside a call of a script or inside another command. The queue keeps the order of the calls.
 * On the thread of the loop.
 */
#ifndef CORE_SIMULATE_SCRIPT_COMMANDS_H
#define CORE_SIMULATE_SCRIPT_COMMANDS_H

#include "core/simulate/message.h"

struct script_commands_entry;

/* The function whose commands are being queued. */
enum script_commands_source {
    SOURCE_ITERATION,       /* message(), finish(), or code after an await */
    SOURCE_RESPONSE,        /* response(): its commands do not affect the iteration */
    SOURCE_FAILED_RESPONSE, /* the same; one of its assertions has failed */
};

struct script_commands {
    struct script_commands_entry *first, **last;
    struct arena arena; /* of the commands in the queue */
    struct arena spare; /* empty; swapped in when the queue is carried out */
    enum script_commands_source source;
};

void script_commands_init(struct script_commands *commands);
void script_commands_clear(struct script_commands *commands);

/*
 * Command callback of scripts; `loop` is the struct simulate_loop. Queues a copy of `asked`. NULL,
 * or why the device cannot do this, which the script gets as an exception.
 */
const char *script_commands_on_asked(
    void *loop, const struct script_turn *turn, const struct script_command *asked);
/* Queue the end of an iteration, after the commands of its message(). `result` is copied. */
void script_commands_add_end(struct device *device, const struct message_result *result);
/* Call `found` for each item of a list that the device's message() has returned in this turn. */
void script_commands_returned(const struct device *device,
    void (*found)(void *argument, const struct script_command *command), void *argument);
/* Commands queued between these calls belong to response() and do not affect the iteration. */
void script_commands_begin_response(struct simulate_loop *loop);
void script_commands_end_response(struct simulate_loop *loop);

/* Carry out the queued commands. False: the queue was empty. */
bool script_commands_flush(struct simulate_loop *loop);

#endif
