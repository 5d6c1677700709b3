/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface to the script engine (JavaScriptCore). A script is one JavaScript context with the
 * runtime (runtime/), the functions of one template and its {{expressions}}.
 *
 * A script belongs to one thread and shares no state with other scripts: each loop has its own. The
 * process must not fork once a script exists.
 */
#ifndef CORE_SCRIPT_SCRIPT_H
#define CORE_SCRIPT_SCRIPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <iotify/buffer.h>
#include <iotify/host.h>
#include <iotify/transport.h>

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

/*
 * The turn: the client that code runs for. `slot` is the index of its state, from 0; -1: no state.
 */
struct script_turn {
    int64_t slot;
    int64_t client;
    int64_t iteration;
};

/*
 * The cause of a failure: a location in the user's file and one line of text. Valid until the next
 * call. `excerpt` is the line of the location with a caret below it, `stack` has one line per
 * frame; both may be "".
 */
struct script_error {
    const char
        *code; /* ScriptError, ScriptTimeout, ScriptMemory, PromiseNotSettled or AssertionFailed */
    struct location location;
    bool exact; /* the location is where it was thrown, not just the start of the function */
    const char *text;
    const char *excerpt;
    const char *stack;
};

/* A request of a script to its device. */
enum script_command_kind {
    COMMAND_PUBLISH = 1,
    COMMAND_RETURN,     /* send an item of the list that message() returned */
    COMMAND_DISCONNECT, /* close the session in an orderly way */
    COMMAND_DROP,       /* close it without notice, like a failing network */
    COMMAND_RECONNECT,
    COMMAND_ASSERT, /* a condition of assert() was false */
    COMMAND_FINISH  /* the device has finished its work */
};

struct script_command {
    enum script_command_kind kind;
    const char *topic; /* NULL: the template's */
    struct iotify_bytes payload;
    int qos, retain; /* -1: the template's */
    const char *text;
    struct location location; /* of a failed assert() */
};

/*
 * The outcome of a call: an entry of script_messages(), or a call whose promise has settled.
 * `bytes` is the output of message().
 */
struct script_output {
    size_t index; /* in the batch */
    bool pending; /* the call returned a promise; services.settled reports its outcome */
    bool has_output;
    struct iotify_bytes bytes;
    const struct script_error *error; /* NULL: success */
    int64_t nanoseconds;              /* run time; the mean of the calls run together */
};

/* The services of the host that scripts may use. All are called on the script's thread. */
struct script_services {
    void *context;
    struct glob_port *glob; /* NULL: no glob; reads find nothing */
    void (*console)(
        void *context, enum iotify_level level, const struct script_turn *turn, const char *text);
    /* Called before a script reads a key of the glob. May be NULL. */
    void (*reads)(void *context, const char *key);
    /*
     * Carry out a command or queue it; called while the script's function runs. Returns NULL, or
     * the reason why not, which is thrown in the script. `command` is valid during the call. NULL:
     * commands fail.
     */
    const char *(*command)(
        void *context, const struct script_turn *turn, const struct script_command *command);
    /* Code is left to resume: call script_settle() after other work of the loop. May be NULL. */
    void (*more)(void *context);
    /*
     * A call whose promise has settled, or an error in a callback of a script (SCRIPT_RESPONSE).
     * Called when no script code runs, so it may call functions of the script. May be NULL.
     */
    void (*settled)(void *context, enum script_function function, const struct script_turn *turn,
        const struct script_output *output);
};

/* Facts of the run that scripts can query. The strings must outlive the script. */
struct script_facts {
    const char *job;
    int64_t clients;      /* in this run */
    int64_t iterations;   /* 0: until the duration ends */
    int64_t interval;     /* nanoseconds */
    const char *settings; /* of the run, as a JSON object; NULL: {} */
    uint64_t seed;
    int64_t time_limit;   /* nanoseconds for one call; 0: no limit */
    int64_t wait_limit;   /* nanoseconds that a call may wait for its promise */
    int64_t memory_limit; /* bytes of the context; 0: no limit */
    /* The folders that require() reads from: the template's, and the node_modules of the job's. */
    const char *folder, *job_folder; /* NULL: none */
    /* Set to clock_now() while a call runs, else to 0; other threads may read it. May be NULL. */
    atomic_llong *busy_since;
};

/* A function body and the location of its first line. */
struct script_code {
    const char *text;
    struct location location; /* of the first character; the body is indented by column - 1 */
    const struct source_map *source_map; /* NULL: its lines are lines of the file */
};

/* Before the first use of JavaScriptCore in the process; may be called again. */
void script_prepare_process(void);

/* Create a context. NULL only when JavaScriptCore cannot start. script_free() accepts NULL. */
struct script *script_new(const struct script_services *services, const struct script_facts *facts);
void script_free(struct script *script);

/* ------------------------------------------------------------------ the template's code */

/* Compile one of the functions; false after a diagnostic. An empty body defines no function. */
bool script_compile(struct script *script, enum script_function function,
    const struct script_code *code, struct diagnostics *diagnostics);
/* Run code whose functions and constants all later code sees; call it first. */
bool script_library(
    struct script *script, const struct script_code *code, struct diagnostics *diagnostics);
/* Load a JavaScript file; its functions are used where none is compiled yet. */
bool script_file(struct script *script, const char *path, struct location blamed,
    struct diagnostics *diagnostics);
/* Bodies that replace message(), one at a time; the script selects it with next(). */
struct script_stage {
    const char *name;
    struct script_code code;
};
bool script_stages(struct script *script, const struct script_stage *stages, size_t count,
    struct diagnostics *diagnostics);
/*
 * Load a CSV or JSON-lines file with one row per client. The number of rows; -1 after a diagnostic.
 */
int64_t script_data(struct script *script, const char *path, struct location blamed,
    struct diagnostics *diagnostics);
/* The number of rows; 0: no data. */
int64_t script_rows(const struct script *script);
/*
 * Add the helpers of a connector to the scope of all code; see iotify_connector.helpers. False on
 * error.
 */
bool script_helpers(struct script *script, const char *name, const char *source);

/* ------------------------------------------------------------------ calls */

/* Create an empty state for a client. Returns its slot: the number of states before it. */
int64_t script_add_state(struct script *script, int64_t client);
/* All states exist: free the data rows that no client uses. */
void script_states_made(struct script *script);

/*
 * Call a function. message: its bytes are appended to `out`, and `has_output` is set when there are
 * any. response: `topic` and `payload` are its arguments; with a `status` other than 0, the payload
 * has members `status` and `headers`, whose names are in lower case. False on failure, with
 * `error`.
 * `pending`: the function returned a promise that has not settled; services.settled reports the
 * outcome.
 */
struct script_invocation {
    enum script_function function;
    struct script_turn turn;
    const char *topic;
    struct iotify_bytes payload;
    int32_t status; /* of an answer; see struct iotify_message */
    const struct iotify_property *properties;
    size_t property_count;
    struct iotify_buffer *out; /* NULL: the result is dropped */
    bool has_output, pending;
    struct script_error error;
};
bool script_invoke(struct script *script, struct script_invocation *invocation);

/*
 * Call message() for up to SCRIPT_BATCH clients, in the order of `turns`: entering JavaScriptCore
 * costs more than a short function. `done` is called once per client, after its call; `output` is
 * valid during `done`. `out` is a buffer for converting values. `done` may evaluate expressions,
 * but must not call functions.
 */
#define SCRIPT_BATCH 256
struct script_batch {
    struct iotify_buffer *out;
    void (*done)(void *argument, const struct script_output *output);
    void *argument;
};
void script_messages(struct script *script, const struct script_turn *turns, size_t count,
    struct script_batch *batch);

/* Resume code that waited for another client's promise, and report settled calls. */
void script_settle(struct script *script);
/* Deliver the answers of the glob; call it when the glob's port wakes the loop. */
void script_answer(struct script *script);
/*
 * Outside a loop: wait for answers for at most `nanoseconds`, then do the work of a loop. Needs
 * services.glob.
 */
void script_await(struct script *script, int64_t nanoseconds);
/* Fail calls and waits that have exceeded their time; call it regularly. */
void script_expire(struct script *script);
/*
 * Fail all calls that wait for a promise, unless an answer is still expected: see
 * script_progresses().
 */
void script_give_up(struct script *script);
/* True when an answer is expected or code is left to resume. */
bool script_progresses(const struct script *script);
/* As script_progresses(), or when a call waits for its promise. */
bool script_waits(const struct script *script);

/* ------------------------------------------------------------------ content of a context */

/*
 * Append the data row of a client as JSON; false when there is none, or after script_states_made().
 */
bool script_show_row(struct script *script, int64_t client, struct iotify_buffer *out);
/* Append a state as JSON, without hidden keys. False when it has no JSON form. */
bool script_show_state(struct script *script, int64_t slot, struct iotify_buffer *out);
/*
 * Append the values of metric.add() since the last call, as a JSON object of [count, sum, min, max]
 * by name. False when there are none.
 */
bool script_take_metrics(struct script *script, struct iotify_buffer *out);
/*
 * True when the context exceeded its memory limit in several calls in a row; collects garbage
 * before it measures, and sets `*bytes`. Without growth of the process it does not measure.
 */
bool script_too_large(struct script *script, int64_t *bytes);

/* ------------------------------------------------------------------ expressions */

/*
 * Compile a text with {{expressions}}. NULL after a diagnostic at `location` that names the setting
 * `setting`. Owned by the script.
 */
struct expression *script_expression(struct script *script, const char *setting, const char *text,
    struct location location, struct diagnostics *diagnostics);
/* Append the text with the value of each expression. False on failure, with `error`. */
bool script_expand(struct script *script, const struct expression *expression,
    struct script_turn turn, struct iotify_buffer *out, struct script_error *error);
/* True when the text has no expression. */
bool expression_is_constant(const char *text);
/* Set the client id that helpers see; NULL: none. */
void script_client_id(struct script *script, const struct expression *expression);

#endif
