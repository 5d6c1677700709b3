/* SPDX-License-Identifier: Apache-2.0 */
#include "core/simulate/script_commands.h"

#include "core/simulate/device_failure.h"
#include "core/simulate/simulate_loop_internal.h"

enum script_commands_entry_kind {
    ENTRY_END,          /* the end of message(), with `result`; the others have `asked` */
    ENTRY_OF_ITERATION, /* affects the iteration */
    ENTRY_OF_RESPONSE,
    ENTRY_FIRST_FAILURE /* of a response(): its first failed assertion */
};

/* One entry of the queue. */
struct script_commands_entry {
    struct script_commands_entry *next;
    struct device *device;
    struct script_turn turn;
    enum script_commands_entry_kind kind;
    union {
        struct script_command asked;
        struct message_result result;
    };
};

void script_commands_init(struct script_commands *commands)
{
    *commands = (struct script_commands){.last = &commands->first};
}

void script_commands_clear(struct script_commands *commands)
{
    arena_wipe(&commands->arena);
    arena_wipe(&commands->spare);
}

/* ------------------------------------------------------------------ queueing */

/* Why a device cannot do this now; NULL: it can. */
static const char *script_commands_refuse(
    const struct device *device, enum script_command_kind kind)
{
    if (kind == COMMAND_ASSERT || kind == COMMAND_FINISH)
        return NULL;
    /* As a single return value: it is not sent, or the iteration fails. */
    if (kind == COMMAND_RETURN)
        return NULL;
    if (!device->loop->channel)
        return "there is no connection: the template says transport: none";
    if (kind != COMMAND_PUBLISH && !device->script_live && device->phase != PHASE_WAITING)
        return "in finish() the device is about to disconnect by itself";
    if (kind == COMMAND_RECONNECT ||
        (kind != COMMAND_PUBLISH && (device_is_away(device) || device->departing)))
        return NULL;
    if (device->phase == PHASE_WAITING)
        return "there is no connection yet: this is for message(), response() and finish()";
    if (device_is_away(device) || device->departing)
        return "the device is disconnected; reconnect() brings it back";
    if (!device->connected_at)
        return "the connection is lost at the moment";
    return NULL;
}

static struct iotify_bytes script_commands_copy(struct arena *arena, struct iotify_bytes bytes)
{
    if (!bytes.data)
        return bytes;
    return (struct iotify_bytes){arena_copy(arena, bytes.data, bytes.size), bytes.size};
}

static struct script_commands_entry *script_commands_add(
    struct device *device, struct script_turn turn, enum script_commands_entry_kind kind)
{
    struct script_commands *commands = &device->loop->scripts.commands;
    struct script_commands_entry *command = arena_alloc(&commands->arena, sizeof(*command));

    command->device = device;
    command->turn = turn;
    command->kind = kind;
    device->commands++;
    *commands->last = command;
    commands->last = &command->next;
    return command;
}

static bool script_commands_disconnects(enum script_command_kind kind)
{
    return kind == COMMAND_DISCONNECT || kind == COMMAND_DROP || kind == COMMAND_RECONNECT;
}

const char *script_commands_on_asked(
    void *argument, const struct script_turn *turn, const struct script_command *asked)
{
    struct simulate_loop *loop = argument;
    struct script_commands *commands = &loop->scripts.commands;
    struct arena *arena = &commands->arena;
    struct script_commands_entry *command;
    struct device *device;
    const char *refused;

    if (turn->slot < 0 || turn->slot >= (int64_t)loop->count)
        return "no device runs here that could do this";
    device = &loop->devices[turn->slot];
    refused = script_commands_refuse(device, asked->kind);
    if (refused)
        return refused;
    command = script_commands_add(device, *turn,
        commands->source == SOURCE_ITERATION ? ENTRY_OF_ITERATION : ENTRY_OF_RESPONSE);
    command->asked = *asked;
    command->asked.topic = asked->topic ? arena_string(arena, asked->topic) : NULL;
    command->asked.text = asked->text ? arena_string(arena, asked->text) : NULL;
    command->asked.payload = script_commands_copy(arena, asked->payload);
    if (script_commands_disconnects(asked->kind))
        device->departing = true;
    if (asked->kind == COMMAND_ASSERT && commands->source == SOURCE_RESPONSE) {
        command->kind = ENTRY_FIRST_FAILURE;
        commands->source = SOURCE_FAILED_RESPONSE;
    }
    return NULL;
}

void script_commands_add_end(struct device *device, const struct message_result *result)
{
    struct script_commands_entry *command =
        script_commands_add(device, device_turn(device), ENTRY_END);

    command->result = *result;
    command->result.payload =
        script_commands_copy(&device->loop->scripts.commands.arena, result->payload);
}

void script_commands_returned(const struct device *device,
    void (*found)(void *argument, const struct script_command *command), void *argument)
{
    const struct script_commands_entry *command = device->loop->scripts.commands.first;

    for (; command; command = command->next)
        if (command->device == device && command->kind != ENTRY_END &&
            command->asked.kind == COMMAND_RETURN)
            found(argument, &command->asked);
}

void script_commands_begin_response(struct simulate_loop *loop)
{
    loop->scripts.commands.source = SOURCE_RESPONSE;
}

void script_commands_end_response(struct simulate_loop *loop)
{
    loop->scripts.commands.source = SOURCE_ITERATION;
}

/* ------------------------------------------------------------------ carrying out */

static void script_commands_assert(const struct script_commands_entry *command)
{
    struct device *device = command->device;

    if (command->kind == ENTRY_FIRST_FAILURE)
        device_tally(device)->counts[TALLY_FAILED]++;
    if (command->kind == ENTRY_OF_ITERATION)
        device->spoiled = true;
    device_fail_script(device, command->turn,
        &(struct script_error){
            "AssertionFailed", command->asked.location, true, command->asked.text, "", ""});
}

static void script_commands_disconnect(const struct script_commands_entry *command)
{
    struct device *device = command->device;

    device->departing = false;
    if (command->kind == ENTRY_OF_ITERATION)
        device->absent = true;
    if (command->asked.kind == COMMAND_RECONNECT)
        device_come_back(device);
    else
        device_go_offline(device, command->asked.kind == COMMAND_DISCONNECT);
}

static void script_commands_do(const struct script_commands_entry *command)
{
    struct device *device = command->device;

    if (command->kind == ENTRY_END) {
        message_end(device, &command->result);
        return;
    }
    switch (command->asked.kind) {
    case COMMAND_PUBLISH:
        message_publish(device, &command->asked, command->kind == ENTRY_OF_ITERATION);
        break;
    case COMMAND_RETURN:
        message_return(device, &command->asked);
        break;
    case COMMAND_DISCONNECT:
    case COMMAND_DROP:
    case COMMAND_RECONNECT:
        script_commands_disconnect(command);
        break;
    case COMMAND_ASSERT:
        script_commands_assert(command);
        break;
    case COMMAND_FINISH:
        device->complete = true;
        break;
    }
}

bool script_commands_flush(struct simulate_loop *loop)
{
    struct script_commands *commands = &loop->scripts.commands;
    struct script_commands_entry *command = commands->first;
    struct arena arena = commands->arena;

    if (!command)
        return false;
    /* Commands that these cause are queued in the other arena. */
    commands->arena = commands->spare;
    commands->first = NULL;
    commands->last = &commands->first;
    for (; command; command = command->next) {
        command->device->commands--;
        script_commands_do(command);
        if (command->device->phase == PHASE_FINISHING && command->device->commands == 0)
            device_drained(command->device);
    }
    arena_reset(&arena);
    commands->spare = arena;
    return true;
}
