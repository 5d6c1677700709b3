/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the parts of the script engine interface; for core/script/script*.c only. All
 * functions run on the thread of their script.
 */
#ifndef CORE_SCRIPT_SCRIPT_INTERNAL_H
#define CORE_SCRIPT_SCRIPT_INTERNAL_H

#include <JavaScriptCore/JavaScript.h>

#include "core/script/script.h"

#define OUTPUT_MAX (16 * 1024 * 1024)

struct script_body {
    JSObjectRef function; /* NULL: not defined */
    struct location location;
};

/*
 * Code that was loaded: relates JavaScriptCore's lines and columns to the user's. Regions of
 * packages have an empty text; errors are not attributed to them.
 */
struct script_region {
    const char *file;   /* as the user knows it */
    const char *engine; /* JavaScriptCore's name for it */
    int first, last;
    int shift;       /* added to the columns of each line */
    int first_shift; /* added to the columns of the first line as well */
    const char *text;
    const struct source_map *source_map;
    bool headed; /* its wrapper is on the line before */
    bool foreign;
    struct script_region *next;
};

/*
 * Numbers that C and the runtime share without a call: the current turn, counters, and a batch of
 * turns. The runtime overwrites an entry of the batch: the outcome replaces its slot, and the
 * length of the output, or the id of a pending call, replaces its iteration.
 */
struct script_turns {
    double slot, client, iteration; /* of the current call */
    double at;                      /* index of the current entry of a batch */
    double waiting;                 /* answers that are expected */
    double tracked;                 /* calls whose promise is pending */
    double settled;                 /* calls whose promise has settled, not reported yet */
    double listeners;               /* listeners that see a message before response() */
    double resumptions;             /* reactions to resume in the turn of another client */
    struct {
        double slot_or_outcome, client, iteration_or_length;
    } batch[SCRIPT_BATCH];
};

enum script_outcome { NOTHING, A_STRING, SOMETHING_ELSE, THROWN, PENDING };

struct script {
    struct arena arena;
    struct script_services services;
    struct script_facts facts;
    struct script_turns *turns;
    JSContextGroupRef group;
    JSGlobalContextRef context;
    JSObjectRef runtime; /* functions shared by runtime/ */
    JSObjectRef states;  /* one JS array with all states, which keeps them alive */
    JSObjectRef results; /* of a batch */
    JSObjectRef add_state, drop_rows, run_messages, receive, track, take_settled, drop_call,
        give_up, answer, expire, show_state, take_metrics, read_rows, make_stages, load_script,
        set_client_id, add_helpers, show_row, deliver, cut_calls, resume, recover, rejected, bind;
    /* The outputs of a batch, concatenated. */
    struct {
        char *text;
        size_t capacity, size, at;
        bool plain; /* one byte per character, so that lengths in characters are lengths in bytes */
    } joined;
    unsigned state_count;
    int64_t rows; /* of the data file */
    struct script_body bodies[SCRIPT_FUNCTIONS];
    struct script_region *regions;
    const char *own_modules; /* node_modules installed with the program */
    const char *folder, *job_modules;
    /* The time limit is checked in pieces, so that it applies to each call of a batch. */
    double limit_at;
    int limit_count;
    bool timed_out, overgrown;
    bool alone;               /* some code is asynchronous: message() runs one call per entry */
    bool loading;             /* code is being loaded: no client, and no glob */
    bool notifying;           /* services.settled or a batch's `done` is being called */
    int64_t resident;         /* memory of the process when last checked, in bytes */
    int64_t measured;         /* the same when the context was last measured */
    int times_large;          /* how often in a row the context was too large */
    struct arena error_arena; /* texts of the last error */
};

/* ------------------------------------------------------------------ script_value.c */

JSStringRef script_string(const char *text);
void script_append_string(JSStringRef string, struct iotify_buffer *out);
JSValueRef script_text_value(JSContextRef context, const char *text);
/* String(value) in the arena; "" when it throws or is longer than OUTPUT_MAX. */
const char *script_text(JSContextRef context, struct arena *arena, JSValueRef value);
/* As script_text(), but NULL in these cases. */
const char *script_try_text(JSContextRef context, struct arena *arena, JSValueRef value);
JSValueRef script_property(JSContextRef context, JSObjectRef object, const char *name);
void script_set(JSContextRef context, JSObjectRef object, const char *name, JSValueRef value);
void script_add_function(struct script *script, JSObjectRef object, const char *name,
    JSObjectCallAsFunctionCallback call);
struct script *script_of(JSObjectRef function);
/* Throw Error(text). */
JSValueRef script_throw(JSContextRef context, JSValueRef *exception, const char *text);
/* The bytes of a Uint8Array; {NULL, 0} for anything else. */
struct iotify_bytes script_bytes(JSContextRef context, JSValueRef value);
JSObjectRef script_new_bytes(JSContextRef context, const void *data, size_t size);

/* ------------------------------------------------------------------ script_native.c */

/*
 * Functions that runtime/ calls: console output, the clock, text decoding, commands for the device.
 */
JSValueRef script_native_console(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception);
JSValueRef script_native_now(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception);
JSValueRef script_native_decode(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception);
JSValueRef script_native_command(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception);
/* The turn of the function that runs. */
struct script_turn script_current_turn(const struct script *script);

/* ------------------------------------------------------------------ script_runtime.c */

/* Run the files of runtime/; false when one fails. */
bool script_run_runtime(struct script *script);

/* ------------------------------------------------------------------ other native functions */

/* script_glob.c: glob and mailbox. */
void script_add_glob(struct script *script, JSObjectRef native);
JSValueRef script_answer_value(struct script *script, const struct glob_answer *answer);
/* script_crypto.c: hashes and signatures. */
void script_add_crypto(struct script *script, JSObjectRef native);
/* script_module.c: files for require(). */
void script_add_modules(struct script *script, JSObjectRef native);
void script_find_folders(struct script *script);
/* The path as the user knows it: relative to the folders. In the script's arena. */
const char *script_shown_path(struct script *script, const char *path);
/* The text of a UTF-8 file, without a byte order mark. NULL: `why` is the reason. */
JSValueRef script_file_text(JSContextRef context, const char *path, const char **why);

/* ------------------------------------------------------------------ script_memory.c */

/* True when the process has grown and this context exceeds its limit. For the watchdog. */
bool script_grows(struct script *script);

/* ------------------------------------------------------------------ script_code.c */

extern const char *const script_function_names[SCRIPT_FUNCTIONS];
/* Set `alone` when code of the user, or of a package (`foreign`), is asynchronous. */
void script_note_async(struct script *script, const char *text, bool foreign);

/*
 * Run `before` + text + `after` as a program and note the region. `before` is on the line before
 * the text, or on the same line when the text starts on line 1. NULL after an exception.
 */
JSValueRef script_evaluate(struct script *script, const struct script_code *code,
    const char *before, const char *after, bool foreign, JSValueRef *exception);

/* ------------------------------------------------------------------ script_error.c */

/* Convert an exception to a location in the user's file; `location` is used when it has none. */
void script_describe(struct script *script, JSValueRef exception, struct location location,
    struct script_error *error);
/* Find the innermost frame of the user's code in a stack; false when there is none. */
bool script_find_location(struct script *script, const char *stack, struct location *location);
/* False, with `error`, when a value has exceeded the ceiling of the output buffer. */
bool script_fits(const struct iotify_buffer *out, struct location location, const char *what,
    struct arena *arena, struct script_error *error);

/* ------------------------------------------------------------------ script_promise.c */

/*
 * Track the promise that a call returned. Sets `pending`, or the result when it has settled
 * already. False when the call failed.
 */
bool script_take_promise(struct script *script, struct script_invocation *call, JSValueRef promise);
/* Stop tracking a call that was cut short. */
void script_drop_call(struct script *script, double id);
/* Take a rejected promise that no code handles, as an error. False when there is none. */
bool script_take_rejected(
    struct script *script, struct location location, struct script_error *error);

/* ------------------------------------------------------------------ script.c */

/*
 * Update busy_since. While a script waits for the store it is not at work, so that the wait is not
 * taken for an endless loop.
 */
void script_note_work(const struct script *script, bool at_work);
/* Enclose each call into JavaScriptCore. */
void script_enter(struct script *script, struct script_turn turn);
void script_leave(struct script *script);
JSValueRef script_call(struct script *script, JSObjectRef function, size_t count,
    const JSValueRef *arguments, JSValueRef *exception);
/* Keep the texts of the last error across the next call; the caller wipes the arena. */
struct arena script_hold_error(struct script *script);
/* After a call: script_settle() if the call left something to settle. */
void script_settle_call(struct script *script);
JSValueRef script_state(struct script *script, int64_t slot);
bool script_is_promise(struct script *script, JSValueRef value);
/* The location of an error in a function when the exception has none. */
struct location script_blamed(const struct script *script, enum script_function function);
/* Convert what message() returned to bytes. */
bool script_take_output(struct script *script, JSValueRef value, struct iotify_buffer *out,
    bool *has_output, struct script_error *error);

#endif
