/*
 * The script engine behind one small interface: a virtual machine with the runtime of templates
 * (prelude.js), the four functions of one template and its {{macros}}.
 *
 * A script belongs to one thread. Nothing here is global, so every event loop has its own.
 * The process must not fork once a script exists.
 */
#ifndef CORE_TEMPLATE_SCRIPT_H
#define CORE_TEMPLATE_SCRIPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <iotify/buffer.h>
#include <iotify/host.h>

#include "core/base/diagnostics.h"
#include "core/plugin/call.h"

struct script;
struct macro;

enum script_function {
    SCRIPT_INIT,
    SCRIPT_MESSAGE,
    SCRIPT_RESPONSE,
    SCRIPT_FINISH,
    SCRIPT_FUNCTIONS
};

/* What scripts may reach outside their machine. All called on the script's thread. */
struct script_services {
    void *context;
    enum iotify_result (*glob_get)(
        void *context, struct call *call, const char *key, struct iotify_bytes *out);
    enum iotify_result (*glob_apply)(
        void *context, struct call *call, struct iotify_write *writes, size_t count);
    void (*console)(void *context, enum iotify_level level, int64_t client, int64_t iteration,
        const char *text);
    void *console_context; /* NULL: `context` */
};

/* Facts of the run that scripts can ask for. Strings must outlive the script. */
struct script_facts {
    const char *job;
    int64_t clients;    /* how many take part */
    int64_t iterations; /* 0: until the duration ends */
    int64_t interval;   /* nanoseconds */
    uint64_t seed;
    int64_t time_limit; /* nanoseconds for one call */
    /* Set to clock_now() while a call is under way, else to 0; NULL: nobody looks. */
    atomic_llong *busy_since;
};

/* A function body and where its first line stands. */
struct script_code {
    const char *text;
    struct place place; /* of the body's first character; the column is the body's indent */
};

/* Whose turn it is. `slot` counts the states of this machine from 0, -1: without a state. */
struct script_turn {
    int64_t slot;
    int64_t client;
    int64_t iteration;
};

/* Why a call failed: a place in the user's file and one line. Valid until the next call. */
struct script_error {
    struct place place;
    const char *text;
    const char *stack; /* lines joined by "\n"; may be "" */
};

/* NULL only when the engine cannot start. */
struct script *script_new(const struct script_services *services, const struct script_facts *facts);
void script_free(struct script *script);

/* Compile one of the functions; false after a diagnostic. An empty body is no function. */
bool script_compile(struct script *script, enum script_function function,
    const struct script_code *code, struct diagnostics *diagnostics);
bool script_has(const struct script *script, enum script_function function);

/* Make an empty state for a client; its slot is the number of those made before. */
int64_t script_add_state(struct script *script, int64_t client);

/*
 * Call a function. message: `out` gets the bytes and `has_output` says whether there are any.
 * response: `topic` and `payload` are its arguments. On failure `error` says why.
 */
struct script_invocation {
    enum script_function function;
    struct script_turn turn;
    const char *topic;
    struct iotify_bytes payload;
    struct iotify_buffer *out; /* appended to; NULL: the result is dropped */
    bool has_output;
    struct script_error error;
};
bool script_invoke(struct script *script, struct script_invocation *invocation);

/*
 * message() for many clients, in the order of `turns` and at most SCRIPT_BATCH of them: entering
 * the engine costs more than a short function. `done` is called once for each, after all have run;
 * what `output` holds is valid during that call. `out` is room for what has to be converted. Inside
 * the call macros may be expanded, and no function called.
 */
#define SCRIPT_BATCH 256
struct script_output {
    size_t index;
    bool has_output;
    struct iotify_bytes bytes;
    const struct script_error *error; /* NULL: it went well */
    int64_t nanoseconds;              /* that the function took, as the mean of those run with it */
};
struct script_batch {
    struct iotify_buffer *out;
    void (*done)(void *argument, const struct script_output *output);
    void *argument;
};
void script_messages(struct script *script, const struct script_turn *turns, size_t count,
    struct script_batch *batch);

/* Append a state as JSON, without hidden keys. False when it has no JSON form. */
bool script_show_state(struct script *script, int64_t slot, struct iotify_buffer *out);
/*
 * Append what metric.add() collected since the last call, as a JSON object of
 * [count, sum, min, max] by name. False: nothing was.
 */
bool script_take_metrics(struct script *script, struct iotify_buffer *out);

/*
 * Compile a text with {{expressions}}; NULL after a diagnostic at `place`, which names the setting
 * `setting`. Owned by the script.
 */
struct macro *script_macro(struct script *script, const char *setting, const char *text,
    struct place place, struct diagnostics *diagnostics);
/* Append the text with every expression's value in its place. False: `error` says why. */
bool script_expand(struct script *script, const struct macro *macro, struct script_turn turn,
    struct iotify_buffer *out, struct script_error *error);
/* Is this text the same in every iteration: without any expression? */
bool macro_is_constant(const char *text);

#endif
