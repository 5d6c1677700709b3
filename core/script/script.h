/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The script engine behind one small interface: a virtual machine with the runtime of templates
 * (runtime/), the functions of one template and its {{macros}}.
 *
 * A script belongs to one thread. Nothing here is global, so every event loop has its own.
 * The process must not fork once a script exists.
 */
#ifndef CORE_SCRIPT_SCRIPT_H
#define CORE_SCRIPT_SCRIPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <iotify/buffer.h>
#include <iotify/host.h>

#include "core/base/diagnostics.h"
#include "core/script/source_map.h"
#include "core/store/glob.h"

struct script;
struct expression;

enum script_function {
    SCRIPT_INIT,
    SCRIPT_MESSAGE,
    SCRIPT_RESPONSE,
    SCRIPT_FINISH,
    SCRIPT_FUNCTIONS
};

/* Whose turn it is. `slot` counts the states of this machine from 0, -1: without a state. */
struct script_turn {
    int64_t slot;
    int64_t client;
    int64_t iteration;
};

/*
 * Why a call failed: a place in the user's file and one line. Valid until the next call. `excerpt`
 * is the line of the place and a caret below it, `stack` a line for each frame; both may be "".
 */
struct script_error {
    const char
        *code; /* ScriptError, ScriptTimeout, ScriptMemory, PromiseNotSettled or AssertionFailed */
    struct location location;
    bool exact; /* that is where it was thrown, not only the function's beginning */
    const char *text;
    const char *excerpt;
    const char *stack;
};

/* What a function asks of its device. */
enum script_command_kind {
    COMMAND_PUBLISH = 1,
    COMMAND_DISCONNECT, /* in good order */
    COMMAND_DROP,       /* as a failing network does */
    COMMAND_RECONNECT,
    COMMAND_ASSERT, /* a condition did not hold */
    COMMAND_FINISH  /* it has done all it was to do */
};

struct script_command {
    enum script_command_kind kind;
    const char *topic; /* NULL: the template's */
    struct iotify_bytes payload;
    int qos, retain; /* -1: the template's */
    const char *text;
    struct location location; /* of a condition that did not hold */
};

/* A call whose promise has come to its end. `output` is that of message(). */
struct script_output {
    size_t index; /* in the batch */
    bool pending; /* it returned a promise: `settled` tells the rest */
    bool has_output;
    struct iotify_bytes bytes;
    const struct script_error *error; /* NULL: it went well */
    int64_t nanoseconds;              /* that the function took, as the mean of those run with it */
};

/* What scripts may reach outside their machine. All called on the script's thread. */
struct script_services {
    void *context;
    struct glob_port *glob; /* NULL: there is none, and reading finds nothing */
    void (*console)(
        void *context, enum iotify_level level, const struct script_turn *turn, const char *text);
    /* A key of the glob is read, before it is; NULL: nobody looks. */
    void (*reads)(void *context, const char *key);
    /*
     * Do it, or keep it for later: called while the function runs. NULL, or why not, for the script
     * to catch. `command` is valid during the call. May be NULL: nothing can be asked.
     */
    const char *(*command)(
        void *context, const struct script_turn *turn, const struct script_command *command);
    /* There is more to go on with: call script_settle() when others have had their turn. */
    void (*more)(void *context);
    /* Between calls into the machine; other functions of the machine may be called. */
    void (*settled)(void *context, enum script_function function, const struct script_turn *turn,
        const struct script_output *output);
};

/* Facts of the run that scripts can ask for. Strings must outlive the script. */
struct script_facts {
    const char *job;
    int64_t clients;      /* how many take part */
    int64_t iterations;   /* 0: until the duration ends */
    int64_t interval;     /* nanoseconds */
    const char *settings; /* of the run, as a JSON object; NULL: {} */
    uint64_t seed;
    int64_t time_limit;   /* nanoseconds for one call */
    int64_t wait_limit;   /* nanoseconds that a call may wait for its promise */
    int64_t memory_limit; /* bytes of the machine; 0: none */
    /* Folders that require() reads from: the template's, and the job's with its node_modules. */
    const char *folder, *job_folder; /* NULL: none */
    /* Set to clock_now() while a call is under way, else to 0; NULL: nobody looks. */
    atomic_llong *busy_since;
};

/* A function body and where its first line stands. */
struct script_code {
    const char *text;
    struct location location; /* of the body's first character; the column is the body's indent */
    const struct source_map *source_map; /* NULL: its lines are those of the file from there on */
};

/* NULL only when the engine cannot start. */
struct script *script_new(const struct script_services *services, const struct script_facts *facts);
void script_free(struct script *script);

/* ------------------------------------------------------------------ the template's code */

/* Compile one of the functions; false after a diagnostic. An empty body is no function. */
bool script_compile(struct script *script, enum script_function function,
    const struct script_code *code, struct diagnostics *diagnostics);
bool script_has(const struct script *script, enum script_function function);
/* Code whose functions and constants all others see: run once, now, before any other. */
bool script_library(
    struct script *script, const struct script_code *code, struct diagnostics *diagnostics);
/* A JavaScript file with functions of these names, for those that are not compiled already. */
bool script_file(struct script *script, const char *path, struct location blamed,
    struct diagnostics *diagnostics);
/* Bodies that take turns as message(); next() tells which. */
struct script_stage {
    const char *name;
    struct script_code code;
};
bool script_stages(struct script *script, const struct script_stage *stages, size_t count,
    struct diagnostics *diagnostics);
/* Rows of a CSV or JSON-lines file, one for each client; -1 after a diagnostic. */
int64_t script_data(struct script *script, const char *path, struct location blamed,
    struct diagnostics *diagnostics);
/* How many rows it has; 0: none. */
int64_t script_rows(const struct script *script);
/* Helpers of a connector, in scope for all code: see iotify_connector.helpers. */
bool script_helpers(struct script *script, const char *name, const char *source);

/* ------------------------------------------------------------------ calls */

/* Make an empty state for a client; its slot is the number of those made before. */
int64_t script_add_state(struct script *script, int64_t client);
/* All states are made: what was kept for others can go. */
void script_states_made(struct script *script);

/*
 * Call a function. message: `out` gets the bytes and `has_output` says whether there are any.
 * response: `topic` and `payload` are its arguments. On failure `error` says why. With `pending`
 * it returned a promise that is not settled yet, and services.settled will tell.
 */
struct script_invocation {
    enum script_function function;
    struct script_turn turn;
    const char *topic;
    struct iotify_bytes payload;
    struct iotify_buffer *out; /* appended to; NULL: the result is dropped */
    bool has_output, pending;
    struct script_error error;
};
bool script_invoke(struct script *script, struct script_invocation *invocation);

/*
 * message() for many clients, in the order of `turns` and at most SCRIPT_BATCH of them: entering
 * the engine costs more than a short function. `done` is called once for each, after it has run;
 * what `output` holds is valid during that call. `out` is room for what has to be converted. Inside
 * the call macros may be expanded, and no function called.
 */
#define SCRIPT_BATCH 256
struct script_batch {
    struct iotify_buffer *out;
    void (*done)(void *argument, const struct script_output *output);
    void *argument;
};
void script_messages(struct script *script, const struct script_turn *turns, size_t count,
    struct script_batch *batch);

/* What waited for another client's promise goes on, and whose call is over is told. */
void script_settle(struct script *script);
/* Hand over what the glob has answered; to be called when its port wakes the loop. */
void script_answer(struct script *script);
/* Outside of a loop: wait for answers at most so long, and do all that a loop does then. */
void script_await(struct script *script, int64_t nanoseconds);
/* Tell those who have waited too long; to be called now and then. */
void script_expire(struct script *script);
/* Only the glob's answers can come any more: calls that wait for anything else fail. */
void script_give_up(struct script *script);
/* Is an answer to come, or anything to go on with? */
bool script_progresses(const struct script *script);
/* Is there, or does any call wait for its promise? */
bool script_waits(const struct script *script);

/* ------------------------------------------------------------------ what a machine holds */

/* Append the row of a client as JSON; false when there is none (any more). */
bool script_show_row(struct script *script, int64_t client, struct iotify_buffer *out);
/* Append a state as JSON, without hidden keys. False when it has no JSON form. */
bool script_show_state(struct script *script, int64_t slot, struct iotify_buffer *out);
/*
 * Append what metric.add() collected since the last call, as a JSON object of
 * [count, sum, min, max] by name. False: nothing was.
 */
bool script_take_metrics(struct script *script, struct iotify_buffer *out);
/* Is more memory in use than allowed? Collects garbage before it says so. */
bool script_too_large(struct script *script, int64_t *bytes);

/* ------------------------------------------------------------------ macros */

/*
 * Compile a text with {{expressions}}; NULL after a diagnostic at `place`, which names the setting
 * `setting`. Owned by the script.
 */
struct expression *script_expression(struct script *script, const char *setting, const char *text,
    struct location location, struct diagnostics *diagnostics);
/* Append the text with every expression's value in its place. False: `error` says why. */
bool script_expand(struct script *script, const struct expression *expression,
    struct script_turn turn, struct iotify_buffer *out, struct script_error *error);
/* Is this text the same in every iteration: without any expression? */
bool expression_is_constant(const char *text);
/* The text that names the client to its server, for helpers; NULL: there is none. */
void script_client_id(struct script *script, const struct expression *expression);

#endif
