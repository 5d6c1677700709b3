/* SPDX-License-Identifier: Apache-2.0 */
/* A script context: setup, its states, and calls of the template's functions. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/script/script_internal.h"

/* The time limit consists of this many pieces; a call may exceed the limit by one piece. */
#define LIMIT_PIECES 10

/* Exported by the library but not in a public header: sets the watchdog that ends a script. */
extern void JSContextGroupSetExecutionTimeLimit(JSContextGroupRef group, double limit,
    bool (*callback)(JSContextRef context, void *argument), void *argument);
/* The garbage collector stops threads with a signal; SIGUSR1, its default, may have other users. */
extern bool JSConfigureSignalForGC(int signal);

/* ------------------------------------------------------------------ setup */

static bool script_on_time_limit(JSContextRef context, void *argument);

void script_note_work(const struct script *script, bool at_work)
{
    if (script->facts.busy_since)
        atomic_store(script->facts.busy_since, at_work ? clock_now() : 0);
}

static void script_set_limit(struct script *script)
{
    JSContextGroupSetExecutionTimeLimit(script->group,
        (double)script->facts.time_limit / (double)SECOND / LIMIT_PIECES, script_on_time_limit,
        script);
}

/* Called by JavaScriptCore after each piece of the limit; returning true ends the running code. */
static bool script_on_time_limit(JSContextRef context, void *argument)
{
    struct script *script = argument;

    (void)context;
    if (script->turns->at > script->limit_at || script->turns->at < script->limit_at) {
        script->limit_at = script->turns->at;
        script->limit_count = 0;
        /* A batch has reached another call: its time starts now. */
        script_note_work(script, true);
    }
    script->overgrown = script_grows(script);
    if (++script->limit_count < LIMIT_PIECES && !script->overgrown) {
        /* JavaScriptCore does not start the next piece by itself. */
        script_set_limit(script);
        return false;
    }
    script->timed_out = true;
    return true;
}

void script_prepare_process(void)
{
    JSConfigureSignalForGC(SIGRTMIN + 3);
}

struct script *script_new(const struct script_services *services, const struct script_facts *facts)
{
    struct script *script = memory_new(1, sizeof(*script));

    script_prepare_process();
    script->services = *services;
    script->facts = *facts;
    script->turns = memory_new(1, sizeof(*script->turns));
    script->turns->slot = script->turns->client = -1;
    script_find_folders(script);
    script->group = JSContextGroupCreate();
    script->context = JSGlobalContextCreateInGroup(script->group, NULL);
    if (!script_run_runtime(script)) {
        script_free(script);
        return NULL;
    }
    if (facts->time_limit > 0)
        script_set_limit(script);
    return script;
}

void script_free(struct script *script)
{
    if (!script)
        return;
    JSGlobalContextRelease(script->context);
    JSContextGroupRelease(script->group);
    arena_clear(&script->arena);
    arena_wipe(&script->error_arena);
    if (script->joined.text)
        explicit_bzero(script->joined.text, script->joined.capacity);
    free(script->joined.text);
    free(script->turns);
    free(script);
}

/* ------------------------------------------------------------------ states */

JSValueRef script_call(struct script *script, JSObjectRef function, size_t count,
    const JSValueRef *arguments, JSValueRef *exception)
{
    return JSObjectCallAsFunction(script->context, function, NULL, count, arguments, exception);
}

int64_t script_add_state(struct script *script, int64_t client)
{
    JSValueRef argument = JSValueMakeNumber(script->context, (double)client);

    script_call(script, script->add_state, 1, &argument, NULL);
    return script->state_count++;
}

void script_states_made(struct script *script)
{
    script_call(script, script->drop_rows, 0, NULL, NULL);
}

JSValueRef script_state(struct script *script, int64_t slot)
{
    if (slot < 0)
        return JSValueMakeUndefined(script->context);
    return JSObjectGetPropertyAtIndex(script->context, script->states, (unsigned)slot, NULL);
}

/* ------------------------------------------------------------------ entering and leaving */

struct location script_blamed(const struct script *script, enum script_function function)
{
    for (unsigned i = 0; i < SCRIPT_FUNCTIONS; i++) {
        struct location location = script->bodies[(function + i) % SCRIPT_FUNCTIONS].location;

        if (location.file)
            return location;
    }
    return (struct location){"", 0, 0};
}

/*
 * The time of entry is visible to other threads: JavaScriptCore's limit does not end an endless
 * chain of promises, because each link counts as a separate call.
 */
void script_enter(struct script *script, struct script_turn turn)
{
    script->turns->slot = (double)turn.slot;
    script->turns->client = (double)turn.client;
    script->turns->iteration = (double)turn.iteration;
    script->timed_out = script->overgrown = false;
    script->limit_count = 0;
    script->limit_at = script->turns->at;
    arena_wipe(&script->error_arena);
    script_note_work(script, true);
}

/*
 * When a limit ends a function, JavaScriptCore also drops the reactions queued for other clients
 * that wait for the same promise. `recover` attaches them again. Turn -2 belongs to no client, so
 * each of them is resumed in an entry of its own.
 */
static void script_recover(struct script *script)
{
    struct script_turn before = script_current_turn(script);
    bool overgrown = script->overgrown;

    script->turns->slot = script->turns->client = script->turns->iteration = -2;
    script_call(script, script->recover, 0, NULL, NULL);
    script->turns->slot = (double)before.slot;
    script->turns->client = (double)before.client;
    script->turns->iteration = (double)before.iteration;
    script->timed_out = true;
    script->overgrown = overgrown;
}

void script_leave(struct script *script)
{
    JSValueRef exception = NULL;

    /*
     * The termination of a promise's function is still pending, and a call that finds it may end
     * the process. Any conversion clears it.
     */
    if (script->timed_out) {
        JSValueToNumber(script->context, JSValueMakeNumber(script->context, 0), &exception);
        script_recover(script);
    }
    script_note_work(script, false);
}

struct arena script_hold_error(struct script *script)
{
    struct arena held = script->error_arena;

    script->error_arena = (struct arena){0};
    return held;
}

/* ------------------------------------------------------------------ outputs */

/* Convert what message() returned to bytes. */
bool script_take_output(struct script *script, JSValueRef value, struct iotify_buffer *out,
    bool *has_output, struct script_error *error)
{
    struct location location = script_blamed(script, SCRIPT_MESSAGE);
    JSContextRef context = script->context;
    JSValueRef exception = NULL;
    JSStringRef string;

    if (JSValueIsString(context, value)) {
        string = JSValueToStringCopy(context, value, &exception);
        if (!string) {
            script_describe(script, exception, location, error);
            return false;
        }
        script_append_string(string, out);
        JSStringRelease(string);
    } else if (JSValueIsUndefined(context, value) || JSValueIsNull(context, value)) {
        return true;
    } else if (JSValueGetTypedArrayType(context, value, NULL) == kJSTypedArrayTypeUint8Array) {
        struct iotify_bytes bytes = script_bytes(context, value);

        iotify_buffer_append(out, bytes.data, bytes.size);
    } else {
        *error = (struct script_error){"ScriptError", location, true,
            "message must return a string, a Buffer or a list of messages; return "
            "JSON.stringify(…) of an object",
            "", ""};
        return false;
    }
    *has_output = true;
    return script_fits(out, location, "the message", &script->error_arena, error);
}

/* ------------------------------------------------------------------ one call */

/* Skipped when the call left nothing to settle, which is the usual case. */
void script_settle_call(struct script *script)
{
    if (script->turns->settled > 0 || script->turns->resumptions > 0)
        script_settle(script);
}

bool script_is_promise(struct script *script, JSValueRef value)
{
    JSValueRef then;

    if (!JSValueIsObject(script->context, value))
        return false;
    then = script_property(script->context, JSValueToObject(script->context, value, NULL), "then");
    return then && JSValueIsObject(script->context, then);
}

/* More headers of one answer are left out. */
#define SCRIPT_PROPERTIES_MAX 100

/* Names and values of an answer, in turn. */
static JSValueRef script_new_properties(struct script *script, const struct script_invocation *call)
{
    JSValueRef values[2 * SCRIPT_PROPERTIES_MAX];
    size_t count =
        call->property_count < SCRIPT_PROPERTIES_MAX ? call->property_count : SCRIPT_PROPERTIES_MAX;

    for (size_t i = 0; i < count; i++) {
        values[2 * i] = script_text_value(script->context, call->properties[i].name);
        values[2 * i + 1] = script_text_value(script->context, call->properties[i].value);
    }
    return JSObjectMakeArray(script->context, 2 * count, count ? values : NULL, NULL);
}

static JSValueRef script_call_function(
    struct script *script, struct script_invocation *call, JSValueRef *exception)
{
    const struct script_body *body = &script->bodies[call->function];
    JSValueRef arguments[5];
    size_t count = 3;

    if (call->function != SCRIPT_RESPONSE) {
        arguments[0] = script_state(script, call->turn.slot);
        script_enter(script, call->turn);
        return JSObjectCallAsFunction(
            script->context, body->function, NULL, 1, arguments, exception);
    }
    arguments[0] = script_text_value(script->context, call->topic);
    arguments[1] = script_new_bytes(script->context, call->payload.data, call->payload.size);
    arguments[2] =
        body->function ? (JSValueRef)body->function : JSValueMakeUndefined(script->context);
    if (call->status) {
        arguments[count++] = JSValueMakeNumber(script->context, call->status);
        arguments[count++] = script_new_properties(script, call);
    }
    script_enter(script, call->turn);
    return script_call(script, script->receive, count, arguments, exception);
}

bool script_invoke(struct script *script, struct script_invocation *call)
{
    JSContextRef context = script->context;
    const struct script_body *body = &script->bodies[call->function];
    JSValueRef exception = NULL, value;
    bool good = true;

    call->has_output = call->pending = false;
    if (!body->function && (call->function != SCRIPT_RESPONSE || script->turns->listeners < 1))
        return true;
    value = script_call_function(script, call, &exception);
    script_leave(script);
    /* The limit may also have ended a promise's function after the call itself returned. */
    if (!value || script->timed_out) {
        script_describe(script, exception, script_blamed(script, call->function), &call->error);
        return false;
    }
    if (script_is_promise(script, value))
        return script_take_promise(script, call, value);
    if (call->function == SCRIPT_MESSAGE && JSValueIsArray(context, value)) {
        script_enter(script, call->turn);
        value = script_call(script, script->deliver, 1, &value, &exception);
        script_leave(script);
        if (!value || script->timed_out) {
            script_describe(script, exception, script_blamed(script, call->function), &call->error);
            return false;
        }
    }
    script_settle_call(script);
    if (call->out && call->function == SCRIPT_MESSAGE)
        good = script_take_output(script, value, call->out, &call->has_output, &call->error);
    return good;
}

/* ------------------------------------------------------------------ content of a context */

static bool script_take_text(struct script *script, JSObjectRef function, size_t count,
    const JSValueRef *arguments, struct iotify_buffer *out)
{
    JSValueRef exception = NULL;
    JSValueRef value = script_call(script, function, count, arguments, &exception);
    JSStringRef string;

    if (!value || !JSValueIsString(script->context, value))
        return false;
    string = JSValueToStringCopy(script->context, value, NULL);
    if (!string)
        return false;
    script_append_string(string, out);
    JSStringRelease(string);
    return !out->failed;
}

bool script_show_state(struct script *script, int64_t slot, struct iotify_buffer *out)
{
    JSValueRef argument = JSValueMakeNumber(script->context, (double)slot);

    return script_take_text(script, script->show_state, 1, &argument, out);
}

bool script_show_row(struct script *script, int64_t client, struct iotify_buffer *out)
{
    JSValueRef argument = JSValueMakeNumber(script->context, (double)client);

    return script->rows > 0 && script_take_text(script, script->show_row, 1, &argument, out);
}

bool script_take_metrics(struct script *script, struct iotify_buffer *out)
{
    return script_take_text(script, script->take_metrics, 0, NULL, out);
}
