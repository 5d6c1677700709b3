#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/template/script_machine.h"

/* The time limit is a sum of so many pieces; a call may take one of them longer than allowed. */
#define LIMIT_PIECES 4

/* Exported by the library and in no public header: the watchdog that ends a script. */
extern void JSContextGroupSetExecutionTimeLimit(JSContextGroupRef group, double limit,
    bool (*callback)(JSContextRef context, void *argument), void *argument);
/* The engine's collector stops threads by a signal: not by SIGUSR1, which others use. */
extern bool JSConfigureSignalForGC(int signal);

static const char *const function_names[] = {"init", "message", "response", "finish"};

/* ------------------------------------------------------------------ life */

static bool on_time_limit(JSContextRef context, void *argument);

static void set_limit(struct script *script)
{
    JSContextGroupSetExecutionTimeLimit(script->group,
        (double)script->facts.time_limit / (double)SECOND / LIMIT_PIECES, on_time_limit, script);
}

/* Called by the engine after each piece of the limit; true ends what runs. */
static bool on_time_limit(JSContextRef context, void *argument)
{
    struct script *script = argument;

    (void)context;
    if (script->turns->at > script->limit_at || script->turns->at < script->limit_at) {
        script->limit_at = script->turns->at;
        script->limit_count = 0;
        /* Another call of the batch is at work: it is this one that may be stuck. */
        if (script->facts.busy_since)
            atomic_store(script->facts.busy_since, clock_now());
    }
    if (++script->limit_count < LIMIT_PIECES) {
        /* The engine does not begin the next piece by itself. */
        set_limit(script);
        return false;
    }
    script->timed_out = true;
    return true;
}

struct script *script_new(const struct script_services *services, const struct script_facts *facts)
{
    static const JSClassDefinition global = {.className = "Template"};
    struct script *script = memory_new(1, sizeof(*script));

    JSConfigureSignalForGC(SIGRTMIN + 3);
    script->services = *services;
    script->facts = *facts;
    script->turns = memory_new(1, sizeof(*script->turns));
    script->turns->slot = script->turns->client = -1;
    script->global_class = JSClassCreate(&global);
    script->group = JSContextGroupCreate();
    script->context = JSGlobalContextCreateInGroup(script->group, script->global_class);
    JSObjectSetPrivate(JSContextGetGlobalObject(script->context), script);
    if (!script_run_prelude(script)) {
        script_free(script);
        return NULL;
    }
    if (facts->time_limit > 0)
        set_limit(script);
    return script;
}

void script_free(struct script *script)
{
    if (!script)
        return;
    JSGlobalContextRelease(script->context);
    JSContextGroupRelease(script->group);
    JSClassRelease(script->global_class);
    arena_clear(&script->arena);
    arena_wipe(&script->error_arena);
    if (script->joined.text)
        explicit_bzero(script->joined.text, script->joined.capacity);
    free(script->joined.text);
    free(script->turns);
    free(script);
}

int64_t script_add_state(struct script *script, int64_t client)
{
    JSValueRef argument = JSValueMakeNumber(script->context, (double)client);

    JSObjectCallAsFunction(script->context, script->add_state, NULL, 1, &argument, NULL);
    return script->state_count++;
}

JSValueRef script_state(struct script *script, int64_t slot)
{
    if (slot < 0)
        return JSValueMakeUndefined(script->context);
    return JSObjectGetPropertyAtIndex(script->context, script->states, (unsigned)slot, NULL);
}

/* ------------------------------------------------------------------ functions */

bool script_compile(struct script *script, enum script_function function,
    const struct script_code *code, struct diagnostics *diagnostics)
{
    static const char *const parameters[] = {"topic", "response", "state"};
    size_t first = function == SCRIPT_RESPONSE ? 0 : 2;
    JSStringRef names[3], name, body, file;
    struct script_error error;
    JSValueRef exception = NULL;
    JSObjectRef compiled;

    if (!code->text || code->text[strspn(code->text, " \t\r\n")] == '\0')
        return true;
    for (size_t i = 0; i < 3; i++)
        names[i] = script_string(parameters[i]);
    name = script_string(function_names[function]);
    body = script_string(code->text);
    file = script_string(code->place.file);
    compiled = JSObjectMakeFunction(script->context, name, (unsigned)(3 - first), names + first,
        body, file, script_engine_line(code->place.line), &exception);
    for (size_t i = 0; i < 3; i++)
        JSStringRelease(names[i]);
    JSStringRelease(name);
    JSStringRelease(body);
    JSStringRelease(file);
    if (!compiled) {
        arena_wipe(&script->error_arena);
        script_describe(script, exception, code->place, code, &error);
        diagnostics_add(diagnostics, error.place, "%s", error.text);
        return false;
    }
    JSValueProtect(script->context, compiled);
    script->bodies[function] = (struct body){compiled, code->place};
    return true;
}

bool script_has(const struct script *script, enum script_function function)
{
    return script->bodies[function].function != NULL;
}

static void take_bytes(struct script *script, JSObjectRef array, struct iotify_buffer *out)
{
    const char *bytes = JSObjectGetTypedArrayBytesPtr(script->context, array, NULL);

    /* A part of another array begins inside that one's bytes. */
    iotify_buffer_append(out,
        bytes ? bytes + JSObjectGetTypedArrayByteOffset(script->context, array, NULL) : "",
        JSObjectGetTypedArrayByteLength(script->context, array, NULL));
}

/* What message() returned, as bytes. */
static bool take_output(struct script *script, JSValueRef value, struct iotify_buffer *out,
    bool *has_output, struct script_error *error)
{
    struct place place = script->bodies[SCRIPT_MESSAGE].place;
    JSContextRef context = script->context;
    JSValueRef exception = NULL;
    JSStringRef string;

    if (JSValueIsString(context, value)) {
        string = JSValueToStringCopy(context, value, &exception);
        if (!string) {
            struct script_code code = {.text = "", .place = place};

            script_describe(script, exception, place, &code, error);
            return false;
        }
        script_append_string(string, out);
        JSStringRelease(string);
    } else if (JSValueIsUndefined(context, value) || JSValueIsNull(context, value)) {
        return true;
    } else if (JSValueGetTypedArrayType(context, value, NULL) == kJSTypedArrayTypeUint8Array) {
        take_bytes(script, JSValueToObject(context, value, NULL), out);
    } else {
        *error = (struct script_error){place,
            "message must return a string or a Buffer; return JSON.stringify(…) of an object", ""};
        return false;
    }
    *has_output = true;
    return script_fits(out, place, "the message", &script->error_arena, error);
}

static JSValueRef text_value(struct script *script, const char *text)
{
    JSStringRef string = script_string(text);
    JSValueRef value = JSValueMakeString(script->context, string);

    JSStringRelease(string);
    return value;
}

static JSValueRef make_payload(struct script *script, struct iotify_bytes payload)
{
    JSContextRef context = script->context;
    JSObjectRef bytes =
        JSObjectMakeTypedArray(context, kJSTypedArrayTypeUint8Array, payload.size, NULL);
    JSValueRef argument = bytes;

    if (payload.size)
        memcpy(JSObjectGetTypedArrayBytesPtr(context, bytes, NULL), payload.data, payload.size);
    return JSObjectCallAsFunction(context, script->make_buffer, NULL, 1, &argument, NULL);
}

/*
 * While a call is under way others can see since when: a chain of promises without end is cut by
 * no limit of the engine, because each link of it counts as a call of its own.
 */
void script_enter(struct script *script, struct script_turn turn)
{
    script->turns->slot = (double)turn.slot;
    script->turns->client = (double)turn.client;
    script->turns->iteration = (double)turn.iteration;
    script->timed_out = false;
    script->limit_count = 0;
    script->limit_at = script->turns->at;
    arena_wipe(&script->error_arena);
    if (script->facts.busy_since)
        atomic_store(script->facts.busy_since, clock_now());
}

void script_leave(struct script *script)
{
    JSValueRef exception = NULL;

    /*
     * What ended a promise's function is still pending, and a call that finds it there may end the
     * process. Any conversion takes it away.
     */
    if (script->timed_out)
        JSValueToNumber(script->context, JSValueMakeNumber(script->context, 0), &exception);
    if (script->facts.busy_since)
        atomic_store(script->facts.busy_since, 0);
}

bool script_invoke(struct script *script, struct script_invocation *call)
{
    const struct body *body = &script->bodies[call->function];
    JSContextRef context = script->context;
    JSValueRef arguments[3], exception = NULL, value;
    size_t count = 0;

    call->has_output = false;
    if (!body->function)
        return true;
    if (call->function == SCRIPT_RESPONSE) {
        arguments[count++] = text_value(script, call->topic);
        arguments[count++] = make_payload(script, call->payload);
    }
    arguments[count++] = script_state(script, call->turn.slot);
    script_enter(script, call->turn);
    value = JSObjectCallAsFunction(context, body->function, NULL, count, arguments, &exception);
    script_leave(script);
    /* The limit may also have ended a promise's function, after the call itself was done. */
    if (!value || script->timed_out) {
        struct script_code code = {.text = "", .place = body->place};

        script_describe(script, exception, body->place, &code, &call->error);
        return false;
    }
    return !call->out || call->function != SCRIPT_MESSAGE ||
           take_output(script, value, call->out, &call->has_output, &call->error);
}

/* ------------------------------------------------------------------ batches */

/* Longer ones are converted one by one. */
#define JOINED_MAX (1u << 20)

/* The texts of all entries that ran, where they can be told apart afterwards. */
static void take_joined(struct script *script, JSValueRef value)
{
    JSStringRef string;
    size_t length, needed;

    script->joined.plain = false;
    script->joined.at = script->joined.size = 0;
    string = value ? JSValueToStringCopy(script->context, value, NULL) : NULL;
    if (!string)
        return;
    length = JSStringGetLength(string);
    needed = JSStringGetMaximumUTF8CStringSize(string);
    if (length <= JOINED_MAX) {
        if (needed > script->joined.capacity) {
            /* Not realloc(): what it leaves behind would still hold what was sent. */
            if (script->joined.text)
                explicit_bzero(script->joined.text, script->joined.capacity);
            free(script->joined.text);
            script->joined.text = memory_new(1, needed);
            script->joined.capacity = needed;
        }
        script->joined.size =
            JSStringGetUTF8CString(string, script->joined.text, script->joined.capacity);
        script->joined.plain = script->joined.size == length + 1;
    }
    JSStringRelease(string);
}

/* Run entries from `from` on; returns how many are done. One that is cut short counts as done. */
static size_t run_entries(struct script *script, size_t from, size_t count, JSValueRef *exception)
{
    JSValueRef arguments[2] = {
        script->bodies[SCRIPT_MESSAGE].function, JSValueMakeNumber(script->context, (double)count)};
    JSValueRef value;

    script->turns->at = (double)from;
    script_enter(script, (struct script_turn){-1, -1, -1});
    *exception = NULL;
    value = JSObjectCallAsFunction(
        script->context, script->run_messages, NULL, 2, arguments, exception);
    script_leave(script);
    take_joined(script, value);
    return (size_t)script->turns->at;
}

/* The output of an entry that was a text; false: it has to be converted by itself. */
static bool from_joined(struct script *script, size_t index, struct script_output *output)
{
    size_t length = (size_t)script->turns->batch[index].iteration_or_length;

    if (!script->joined.plain)
        return false;
    output->bytes = (struct iotify_bytes){script->joined.text + script->joined.at, length};
    output->has_output = true;
    script->joined.at += length;
    return true;
}

static void convert(struct script *script, size_t index, struct script_output *output,
    struct script_error *error, struct iotify_buffer *out)
{
    struct place place = script->bodies[SCRIPT_MESSAGE].place;
    struct script_code code = {.text = "", .place = place};
    JSValueRef value =
        JSObjectGetPropertyAtIndex(script->context, script->results, (unsigned)index, NULL);

    iotify_buffer_reset(out);
    if ((enum outcome)script->turns->batch[index].slot_or_outcome == THROWN) {
        arena_wipe(&script->error_arena);
        script_describe(script, value, place, &code, error);
        output->error = error;
    } else if (!take_output(script, value, out, &output->has_output, error)) {
        output->error = error;
    }
    output->bytes = (struct iotify_bytes){out->data, out->size};
}

static void tell_entry(
    struct script *script, size_t index, int64_t nanoseconds, struct script_batch *batch)
{
    enum outcome outcome = (enum outcome)script->turns->batch[index].slot_or_outcome;
    struct script_output output = {.index = index, .nanoseconds = nanoseconds};
    struct script_error error;

    if (outcome != NOTHING && (outcome != A_STRING || !from_joined(script, index, &output)))
        convert(script, index, &output, &error, batch->out);
    batch->done(batch->argument, &output);
}

/* The call that the time limit cut. */
static void tell_cut(
    struct script *script, size_t index, JSValueRef exception, struct script_batch *batch)
{
    struct place place = script->bodies[SCRIPT_MESSAGE].place;
    struct script_code code = {.text = "", .place = place};
    struct script_error error;
    struct script_output output = {.index = index, .error = &error};

    script_describe(script, exception, place, &code, &error);
    batch->done(batch->argument, &output);
}

void script_messages(struct script *script, const struct script_turn *turns, size_t count,
    struct script_batch *batch)
{
    size_t at = 0;

    if (!script->bodies[SCRIPT_MESSAGE].function) {
        for (size_t i = 0; i < count; i++)
            batch->done(batch->argument, &(struct script_output){.index = i});
        return;
    }
    for (size_t i = 0; i < count; i++) {
        script->turns->batch[i].slot_or_outcome = (double)turns[i].slot;
        script->turns->batch[i].client = (double)turns[i].client;
        script->turns->batch[i].iteration_or_length = (double)turns[i].iteration;
    }
    while (at < count) {
        JSValueRef exception;
        int64_t began = clock_now();
        size_t end = run_entries(script, at, count, &exception);
        int64_t each = (clock_now() - began) / (int64_t)(end > at ? end - at : 1);
        bool cut = script->timed_out || exception;
        /* The limit may also have ended a promise's function, behind the last call. */
        size_t good = cut && end == count ? count - 1 : end;

        for (; at < good; at++)
            tell_entry(script, at, each, batch);
        if (cut)
            tell_cut(script, at++, exception, batch);
    }
    script->turns->at = 0;
}

/* ------------------------------------------------------------------ what a machine holds */

static bool take_text(struct script *script, JSObjectRef function, size_t count,
    const JSValueRef *arguments, struct iotify_buffer *out)
{
    JSValueRef exception = NULL, value = JSObjectCallAsFunction(
                                     script->context, function, NULL, count, arguments, &exception);
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

    return take_text(script, script->show_state, 1, &argument, out);
}

bool script_take_metrics(struct script *script, struct iotify_buffer *out)
{
    return take_text(script, script->take_metrics, 0, NULL, out);
}
