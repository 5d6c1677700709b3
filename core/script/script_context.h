/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the script engine share; for core/script/script*.c only. */
#ifndef CORE_SCRIPT_SCRIPT_CONTEXT_H
#define CORE_SCRIPT_SCRIPT_CONTEXT_H

#include <JavaScriptCore/JavaScript.h>

#include "core/script/script.h"

#define OUTPUT_MAX (16 * 1024 * 1024)

struct script_body {
    JSObjectRef function; /* NULL: there is none */
    struct location location;
};

/*
 * Code that came from a file: how lines and columns of the engine relate to the user's. Regions of
 * packages have an empty text, and are not blamed.
 */
struct script_region {
    const char *file;   /* the user's */
    const char *engine; /* what the engine calls it */
    int first, last;
    int shift;       /* of the columns of each line */
    int first_shift; /* of those of the first line, besides */
    const char *text;
    const struct source_map *source_map;
    bool headed; /* what the engine runs begins on the line before */
    bool foreign;
    struct script_region *next;
};

/*
 * Numbers that C and the runtime read and write without a call: whose turn it is, how much is under
 * way, and a batch of turns. Each entry of the batch begins as a turn; what became of it then
 * stands in place of its slot, and the length of a text or the number of a call in place of the
 * iteration.
 */
struct script_turns {
    double slot, client, iteration; /* of the present call */
    double at;                      /* of a batch: the entry at work */
    double waiting;                 /* answers that are to come */
    double tracked;                 /* calls whose promise is open */
    double settled;                 /* calls whose promise has come to its end, not told yet */
    double listeners;               /* who look at messages before response() */
    double resumptions;             /* what goes on in another turn than the present one */
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
    JSObjectRef runtime; /* what runtime/ shares */
    JSObjectRef states;  /* one JS array holds all states, so that the collector sees them */
    JSObjectRef results; /* of a batch */
    JSObjectRef add_state, drop_rows, run_messages, receive, track, take_settled, drop_call,
        give_up, answer, expire, show_state, take_metrics, read_rows, make_stages, load_script,
        set_client_id, add_helpers, show_row, deliver, cut_calls, resume, recover, rejected;
    /* The texts of a batch, one behind the other. */
    struct {
        char *text;
        size_t capacity, size, at;
        bool plain; /* a byte for each character, so that the lengths tell where each begins */
    } joined;
    unsigned state_count;
    int64_t rows; /* of the data */
    struct script_body bodies[SCRIPT_FUNCTIONS];
    struct script_region *regions;
    const char *own_modules; /* where the packages of the program are */
    const char *folder, *job_modules;
    /* The time limit is looked at in pieces, so that a batch has it for each of its calls. */
    double limit_at;
    int limit_count;
    bool timed_out, overgrown;
    bool alone;               /* some code is asynchronous: message() runs one call at a time */
    bool loading;             /* the library or the file is run: there is no client, and no glob */
    bool telling;             /* services.settled is being called */
    int64_t resident;         /* bytes of the process when that was last looked at */
    int64_t measured;         /* the same when the machine was last measured */
    int times_large;          /* how often it was too large, one time after the other */
    struct arena error_arena; /* the last error's texts */
};

/* ------------------------------------------------------------------ script_value.c */

JSStringRef script_string(const char *text);
void script_append_string(JSStringRef string, struct iotify_buffer *out);
JSValueRef script_text_value(JSContextRef context, const char *text);
/* String(value) in the arena; "" when even that throws. */
const char *script_text(JSContextRef context, struct arena *arena, JSValueRef value);
/* The same; NULL when it throws, or is longer than OUTPUT_MAX. */
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

/* What runtime/ calls: console output, the clock, text decoding, commands for the device. */
JSValueRef script_native_console(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception);
JSValueRef script_native_now(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception);
JSValueRef script_native_decode(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception);
JSValueRef script_native_command(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception);
/* Whose turn it is while a function runs. */
struct script_turn script_current_turn(const struct script *script);

/* ------------------------------------------------------------------ script_runtime.c */

/* Run the files of runtime/; false when one fails. */
bool script_run_runtime(struct script *script);

/* ------------------------------------------------------------------ the other natives */

/* script_glob.c: glob and mailbox. */
void script_add_glob(struct script *script, JSObjectRef native);
JSValueRef script_answer_value(struct script *script, const struct glob_answer *answer);
/* script_crypto.c: hashes and signatures. */
void script_add_crypto(struct script *script, JSObjectRef native);
/* script_module.c: the files of require(). */
void script_add_modules(struct script *script, JSObjectRef native);
void script_find_folders(struct script *script);
/* A file as the user knows it: relative to the folders. In the script's arena. */
const char *script_shown_path(struct script *script, const char *path);
/* A whole file of UTF-8, without the mark at its beginning; NULL: `why` says why not. */
JSValueRef script_file_text(JSContextRef context, const char *path, const char **why);

/* ------------------------------------------------------------------ script_memory.c */

/* Has the process grown, and is it this machine that is beyond the limit? For the watchdog. */
bool script_grows(struct script *script);

/* ------------------------------------------------------------------ script_code.c */

extern const char *const script_function_names[SCRIPT_FUNCTIONS];
/* Code of the user, or `foreign` of a package: is any of it asynchronous? */
void script_note_async(struct script *script, const char *text, bool foreign);

/*
 * Run `before` + text + `behind` as a program, `before` on the line of the text's first; the
 * region is noted. NULL: `exception`.
 */
JSValueRef script_evaluate(struct script *script, const struct script_code *code,
    const char *before, const char *behind, bool foreign, JSValueRef *exception);

/* ------------------------------------------------------------------ script_error.c */

/* Turn an exception into the user's file, line and column; `place` where it tells none. */
void script_describe(struct script *script, JSValueRef exception, struct location location,
    struct script_error *error);
/* Where a stack's innermost frame of the user's code is; false: it has none. */
bool script_find_location(struct script *script, const char *stack, struct location *location);
/* The output buffer has a ceiling; say so when a value goes beyond it. */
bool script_fits(const struct iotify_buffer *out, struct location location, const char *what,
    struct arena *arena, struct script_error *error);

/* ------------------------------------------------------------------ script_promise.c */

/* The call has returned a promise: is it settled already? False: the call failed. */
bool script_take_promise(struct script *script, struct script_invocation *call, JSValueRef promise);
/* It was cut short: nobody waits for it any longer. */
void script_drop_call(struct script *script, double id);
/* A promise that was rejected and that nobody waits for, as an error. False: there is none. */
bool script_take_rejected(
    struct script *script, struct location location, struct script_error *error);

/* ------------------------------------------------------------------ script.c */

/*
 * For those who look at busy_since. While the store is waited for nothing is at work: nobody is to
 * take that for an endless loop.
 */
void script_note_work(const struct script *script, bool at_work);
/* Around each call into the engine. */
void script_enter(struct script *script, struct script_turn turn);
void script_leave(struct script *script);
JSValueRef script_call(struct script *script, JSObjectRef function, size_t count,
    const JSValueRef *arguments, JSValueRef *exception);
/* The last error's texts, kept from the next call: to be wiped by the caller. */
struct arena script_hold_error(struct script *script);
/* After a call: script_settle(), where the call has left something to settle. */
void script_settle_call(struct script *script);
JSValueRef script_state(struct script *script, int64_t slot);
bool script_is_promise(struct script *script, JSValueRef value);
/* The place to be blamed for a call where an error tells none. */
struct location script_blamed(const struct script *script, enum script_function function);
/* What message() returned, as bytes. */
bool script_take_output(struct script *script, JSValueRef value, struct iotify_buffer *out,
    bool *has_output, struct script_error *error);

#endif
