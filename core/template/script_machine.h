/* What the parts of the script engine share; for core/template/script*.c only. */
#ifndef CORE_TEMPLATE_SCRIPT_MACHINE_H
#define CORE_TEMPLATE_SCRIPT_MACHINE_H

#include <JavaScriptCore/JavaScript.h>

#include "core/template/script.h"

#define OUTPUT_MAX (16 * 1024 * 1024)

struct body {
    JSObjectRef function;
    struct place place;
};

/*
 * Numbers that C and the prelude read and write without a call: whose turn it is, and a batch of
 * turns. Each entry of the batch begins as a turn; what became of it then stands in place of its
 * slot, and the length of a text in place of the iteration. The order of the members is known to
 * prelude.js.
 */
struct turns {
    double slot, client, iteration; /* of the present call */
    double at;                      /* of a batch: the entry at work */
    struct {
        double slot_or_outcome, client, iteration_or_length;
    } batch[SCRIPT_BATCH];
};

enum outcome { NOTHING, A_STRING, SOMETHING_ELSE, THROWN };

struct script {
    struct arena arena;
    struct script_services services;
    struct script_facts facts;
    struct turns *turns;
    JSContextGroupRef group;
    JSGlobalContextRef context;
    JSClassRef global_class;
    JSObjectRef runtime; /* what the prelude returned */
    JSObjectRef states;  /* one JS array holds all states, so that the collector sees them */
    JSObjectRef make_buffer, add_state, run_messages, show_state, take_metrics;
    JSObjectRef results; /* of a batch */
    /* The texts of a batch, one behind the other. */
    struct {
        char *text;
        size_t capacity, size, at;
        bool plain; /* a byte for each character, so that the lengths tell where each begins */
    } joined;
    unsigned state_count;
    struct body bodies[SCRIPT_FUNCTIONS];
    /* The time limit is looked at in pieces, so that a batch has it for each of its calls. */
    double limit_at;
    int limit_count;
    bool timed_out;
    struct arena error_arena; /* the last error's texts */
};

/* ------------------------------------------------------------------ script_native.c */

JSStringRef script_string(const char *text);
void script_append_string(JSStringRef string, struct iotify_buffer *out);
/* String(value) in the arena; "" when even that throws. */
const char *script_text(JSContextRef context, struct arena *arena, JSValueRef value);
JSValueRef script_property(JSContextRef context, JSObjectRef object, const char *name);
/* Run the prelude; false when it fails. */
bool script_run_prelude(struct script *script);

/* ------------------------------------------------------------------ script_error.c */

/* Turn an exception into the user's file, line and column. `code` may be NULL. */
void script_describe(struct script *script, JSValueRef exception, struct place place,
    const struct script_code *code, struct script_error *error);
/* What to tell the engine so that a body's first line has this number. */
int script_engine_line(int line);
/* The output buffer has a ceiling; say so when a value goes beyond it. */
bool script_fits(const struct iotify_buffer *out, struct place place, const char *what,
    struct arena *arena, struct script_error *error);

/* ------------------------------------------------------------------ script.c */

void script_enter(struct script *script, struct script_turn turn);
void script_leave(struct script *script);
JSValueRef script_state(struct script *script, int64_t slot);

#endif
