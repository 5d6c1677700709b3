#include "core/template/script.h"

#include <JavaScriptCore/JavaScript.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/template/prelude.h"

#define OUTPUT_MAX (16 * 1024 * 1024)

/* Exported by the library and in no public header: the watchdog that ends a script. */
extern void JSContextGroupSetExecutionTimeLimit(JSContextGroupRef group, double limit,
    bool (*callback)(JSContextRef context, void *argument), void *argument);
/* The engine's collector stops threads by a signal: not by SIGUSR1, which others use. */
extern bool JSConfigureSignalForGC(int signal);

struct body {
    JSObjectRef function;
    struct place place;
};

struct part {
    const char *text; /* literal, or NULL for an expression */
    JSObjectRef expression;
    const char *source; /* of the expression */
};

struct macro {
    const char *setting;
    struct place place;
    struct part *parts;
    size_t count;
};

struct script {
    struct arena arena;
    struct script_services services;
    struct script_facts facts;
    JSContextGroupRef group;
    JSGlobalContextRef context;
    JSClassRef global_class;
    JSObjectRef runtime; /* what the prelude returned */
    JSObjectRef states;  /* one JS array holds all states, so that the collector sees them */
    JSObjectRef make_buffer;
    unsigned state_count;
    struct body bodies[SCRIPT_FUNCTIONS];
    struct script_turn turn;
    bool timed_out;
    struct arena error_arena; /* the last error's texts */
};

static const char *const function_names[] = {"init", "message", "response", "finish"};

/* ------------------------------------------------------------------ strings */

static JSStringRef string_of(const char *text)
{
    return JSStringCreateWithUTF8CString(text);
}

/* Bytes as a JS string; a NUL in them is kept. */
static JSValueRef value_of_bytes(struct script *script, struct iotify_bytes bytes)
{
    const char *copy = arena_copy(&script->error_arena, bytes.data, bytes.size);
    JSStringRef string = string_of(copy);
    JSValueRef value = JSValueMakeString(script->context, string);

    JSStringRelease(string);
    return value;
}

static void append_string(JSStringRef string, struct iotify_buffer *out)
{
    size_t size = JSStringGetMaximumUTF8CStringSize(string);
    char *text = memory_new(1, size);
    size_t used = JSStringGetUTF8CString(string, text, size);

    iotify_buffer_append(out, text, used ? used - 1 : 0);
    explicit_bzero(text, used);
    free(text);
}

/* String(value) in the arena; NULL when even that throws, or when it is too long. */
static const char *try_text(JSContextRef context, struct arena *arena, JSValueRef value)
{
    JSStringRef string = JSValueToStringCopy(context, value, NULL);
    struct iotify_buffer out;
    const char *text;

    if (!string)
        return NULL;
    iotify_buffer_init(&out, OUTPUT_MAX);
    append_string(string, &out);
    JSStringRelease(string);
    text = out.failed ? NULL : arena_copy(arena, out.data, out.size);
    iotify_buffer_wipe(&out);
    return text;
}

/* The same for messages: "" in place of NULL. */
static const char *text_of(JSContextRef context, struct arena *arena, JSValueRef value)
{
    const char *text = try_text(context, arena, value);

    return text ? text : "";
}

static JSValueRef property(JSContextRef context, JSObjectRef object, const char *name)
{
    JSStringRef string = string_of(name);
    JSValueRef value = JSObjectGetProperty(context, object, string, NULL);

    JSStringRelease(string);
    return value;
}

static void set_property(
    JSContextRef context, JSObjectRef object, const char *name, JSValueRef value)
{
    JSStringRef string = string_of(name);

    JSObjectSetProperty(context, object, string, value, kJSPropertyAttributeNone, NULL);
    JSStringRelease(string);
}

/* ------------------------------------------------------------------ what C provides */

static struct script *script_of(JSContextRef context)
{
    return JSObjectGetPrivate(JSContextGetGlobalObject(context));
}

static JSValueRef throw_text(JSContextRef context, JSValueRef *exception, const char *text)
{
    JSStringRef string = string_of(text);
    JSValueRef argument = JSValueMakeString(context, string);

    JSStringRelease(string);
    *exception = JSObjectMakeError(context, 1, &argument, NULL);
    return JSValueMakeUndefined(context);
}

static JSValueRef native_client(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    (void)function, (void)self, (void)count, (void)arguments, (void)exception;
    return JSValueMakeNumber(context, (double)script_of(context)->turn.client);
}

static JSValueRef native_iteration(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    (void)function, (void)self, (void)count, (void)arguments, (void)exception;
    return JSValueMakeNumber(context, (double)script_of(context)->turn.iteration);
}

static JSValueRef native_console(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct script *script = script_of(context);
    struct arena arena = {0};

    (void)function, (void)self, (void)exception;
    if (count == 2 && script->services.console)
        script->services.console(script->services.context,
            (enum iotify_level)JSValueToNumber(context, arguments[0], NULL), script->turn.client,
            script->turn.iteration, text_of(context, &arena, arguments[1]));
    arena_wipe(&arena);
    return JSValueMakeUndefined(context);
}

static JSValueRef native_glob_get(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct script *script = script_of(context);
    struct iotify_bytes bytes = {0};
    enum iotify_result result;
    JSValueRef value = JSValueMakeUndefined(context);
    struct call call;

    (void)function, (void)self;
    if (count != 1 || !script->services.glob_get)
        return throw_text(context, exception, "glob is not available here");
    call_init(&call, "glob.get");
    result = script->services.glob_get(
        script->services.context, &call, text_of(context, &call.arena, arguments[0]), &bytes);
    if (result == IOTIFY_OK) {
        JSStringRef string = string_of(bytes.data);

        value = JSValueMakeString(context, string);
        JSStringRelease(string);
    } else if (result != IOTIFY_NOT_FOUND) {
        throw_text(context, exception,
            arena_format(&call.arena, "glob.get: %s", call_message(&call, result)));
    }
    call_clear(&call);
    return value;
}

static JSValueRef glob_write(JSContextRef context, size_t count, const JSValueRef arguments[],
    JSValueRef *exception, enum iotify_write_kind kind)
{
    struct script *script = script_of(context);
    struct iotify_write write = {.kind = kind};
    enum iotify_result result = IOTIFY_OK;
    const char *value = "";
    struct call call;

    if (count < 1 || !script->services.glob_apply)
        return throw_text(context, exception, "glob is not available here");
    call_init(&call, "glob.set");
    write.key = text_of(context, &call.arena, arguments[0]);
    if (kind == IOTIFY_PUT && count > 1)
        value = try_text(context, &call.arena, arguments[1]);
    if (value) {
        write.value = (struct iotify_bytes){value, strlen(value)};
        result = script->services.glob_apply(script->services.context, &call, &write, 1);
    }
    if (!value)
        throw_text(context, exception,
            arena_format(
                &call.arena, "glob.set: the value is larger than %d MiB", OUTPUT_MAX >> 20));
    else if (result != IOTIFY_OK)
        throw_text(
            context, exception, arena_format(&call.arena, "glob: %s", call_message(&call, result)));
    call_clear(&call);
    return JSValueMakeUndefined(context);
}

static JSValueRef native_glob_set(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    (void)function, (void)self;
    return glob_write(context, count, arguments, exception, IOTIFY_PUT);
}

static JSValueRef native_glob_delete(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    (void)function, (void)self;
    return glob_write(context, count, arguments, exception, IOTIFY_DELETE);
}

static void add_function(struct script *script, JSObjectRef object, const char *name,
    JSObjectCallAsFunctionCallback call)
{
    JSStringRef string = string_of(name);

    set_property(script->context, object, name,
        JSObjectMakeFunctionWithCallback(script->context, string, call));
    JSStringRelease(string);
}

static JSObjectRef make_facts(struct script *script)
{
    JSContextRef context = script->context;
    JSObjectRef facts = JSObjectMake(context, NULL, NULL);
    JSStringRef job = string_of(script->facts.job);

    set_property(context, facts, "job", JSValueMakeString(context, job));
    JSStringRelease(job);
    set_property(
        context, facts, "clients", JSValueMakeNumber(context, (double)script->facts.clients));
    set_property(
        context, facts, "repeat", JSValueMakeNumber(context, (double)script->facts.iterations));
    set_property(context, facts, "interval",
        JSValueMakeNumber(context, (double)script->facts.interval / (double)SECOND));
    set_property(context, facts, "seed",
        JSValueMakeNumber(
            context, (double)(uint32_t)(script->facts.seed ^ script->facts.seed >> 32)));
    return facts;
}

/* ------------------------------------------------------------------ life */

static bool on_time_limit(JSContextRef context, void *argument)
{
    (void)context;
    ((struct script *)argument)->timed_out = true;
    return true;
}

static bool run_prelude(struct script *script)
{
    JSContextRef context = script->context;
    JSObjectRef native = JSObjectMake(context, NULL, NULL);
    JSStringRef source = string_of(prelude_source), name = string_of("prelude.js");
    JSValueRef function, runtime = NULL, argument = native;

    add_function(script, native, "client", native_client);
    add_function(script, native, "iteration", native_iteration);
    add_function(script, native, "console", native_console);
    add_function(script, native, "globGet", native_glob_get);
    add_function(script, native, "globSet", native_glob_set);
    add_function(script, native, "globDelete", native_glob_delete);
    set_property(context, native, "facts", make_facts(script));
    function = JSEvaluateScript(context, source, NULL, name, 1, NULL);
    if (function && JSValueIsObject(context, function))
        runtime = JSObjectCallAsFunction(
            context, JSValueToObject(context, function, NULL), NULL, 1, &argument, NULL);
    JSStringRelease(source);
    JSStringRelease(name);
    if (!runtime || !JSValueIsObject(context, runtime))
        return false;
    script->runtime = JSValueToObject(context, runtime, NULL);
    JSValueProtect(context, script->runtime);
    script->make_buffer =
        JSValueToObject(context, property(context, script->runtime, "makeBuffer"), NULL);
    return script->make_buffer != NULL;
}

struct script *script_new(const struct script_services *services, const struct script_facts *facts)
{
    static const JSClassDefinition global = {.className = "Template"};
    struct script *script = memory_new(1, sizeof(*script));

    JSConfigureSignalForGC(SIGRTMIN + 3);
    script->services = *services;
    script->facts = *facts;
    script->turn.client = -1;
    script->global_class = JSClassCreate(&global);
    script->group = JSContextGroupCreate();
    script->context = JSGlobalContextCreateInGroup(script->group, script->global_class);
    JSObjectSetPrivate(JSContextGetGlobalObject(script->context), script);
    script->states = JSObjectMakeArray(script->context, 0, NULL, NULL);
    JSValueProtect(script->context, script->states);
    if (!run_prelude(script)) {
        script_free(script);
        return NULL;
    }
    if (facts->time_limit > 0)
        JSContextGroupSetExecutionTimeLimit(
            script->group, (double)facts->time_limit / (double)SECOND, on_time_limit, script);
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
    free(script);
}

int64_t script_add_state(struct script *script)
{
    JSObjectSetPropertyAtIndex(script->context, script->states, script->state_count,
        JSObjectMake(script->context, NULL, NULL), NULL);
    return script->state_count++;
}

/* ------------------------------------------------------------------ errors */

static int integer_of(JSContextRef context, JSObjectRef object, const char *name)
{
    JSValueRef value = property(context, object, name);

    return value && JSValueIsNumber(context, value) ? (int)JSValueToNumber(context, value, NULL)
                                                    : 0;
}

/* The engine gives syntax errors a line and no column: find the token that the text quotes. */
static int token_column(const struct script_code *code, int line, const char *message)
{
    const char *open = strchr(message, '\''), *close = open ? strchr(open + 1, '\'') : NULL;
    const char *at = code->text, *end, *hit;
    char token[64];

    for (int i = code->place.line; i < line && at; i++) {
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    if (!at)
        return 1;
    end = strchr(at, '\n');
    end = end ? end : at + strlen(at);
    if (close && close - open - 1 < (long)sizeof(token)) {
        memcpy(token, open + 1, (size_t)(close - open - 1));
        token[close - open - 1] = '\0';
        hit = strstr(at, token);
        if (hit && hit < end)
            return (int)(hit - at) + 1;
    }
    return (int)strspn(at, " \t") + 1;
}

/*
 * The engine counts two lines of its own before a body and begins at line 1 at the least: what to
 * tell it, and how many lines its answers are too far.
 */
static int engine_line(int line)
{
    return line > 3 ? line - 2 : 1;
}

static int line_surplus(int line)
{
    return engine_line(line) + 2 - line;
}

static int line_count(const char *text)
{
    int count = 0;

    for (; *text; text++)
        count += *text == '\n' || !text[1];
    return count;
}

/* The innermost frame of a stack ("name@file:line:column") that lies in the user's file. */
static void find_frame(const char *stack, const char *file, int *line, int *column)
{
    size_t length = strlen(file);
    const char *at = stack;

    while ((at = strstr(at, file))) {
        if (at > stack && at[-1] == '@' && at[length] == ':' &&
            sscanf(at + length, ":%d:%d", line, column) == 2)
            return;
        at += length;
    }
}

/* Turn an exception into the user's file, line and column. `code` may be NULL. */
static void describe(struct script *script, JSValueRef exception, struct place place,
    const struct script_code *code, struct script_error *error)
{
    JSContextRef context = script->context;
    struct arena *arena = &script->error_arena;

    *error = (struct script_error){.place = place, .text = "failed", .stack = ""};
    if (script->timed_out) {
        script->timed_out = false;
        error->text = arena_format(arena, "stopped after %.3g s; a call may not take longer",
            (double)script->facts.time_limit / (double)SECOND);
        return;
    }
    if (!exception)
        return;
    error->text = text_of(context, arena, exception);
    if (!JSValueIsObject(context, exception)) {
        error->text = arena_format(arena, "threw %s", error->text);
        return;
    }
    {
        JSObjectRef object = JSValueToObject(context, exception, NULL);
        int line = integer_of(context, object, "line");
        int column = integer_of(context, object, "column");
        JSValueRef stack = property(context, object, "stack");

        if (stack && JSValueIsString(context, stack))
            error->stack = text_of(context, arena, stack);
        /* An error that the runtime raised is blamed on the line that called it. */
        if (code)
            find_frame(error->stack, place.file, &line, &column);

        if (line > 0 && code)
            line -= line_surplus(code->place.line);
        if (line > 0 && code) {
            int last = code->place.line + line_count(code->text) - 1;

            /* A body that ends too early is blamed behind its end. */
            if (code->text[0] && line > last) {
                line = last;
                column = 0;
            }
            error->place.line = line;
            error->place.column = (column > 0 ? column : token_column(code, line, error->text)) +
                                  (code->place.column - 1);
        }
    }
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
        names[i] = string_of(parameters[i]);
    name = string_of(function_names[function]);
    body = string_of(code->text);
    file = string_of(code->place.file);
    compiled = JSObjectMakeFunction(script->context, name, (unsigned)(3 - first), names + first,
        body, file, engine_line(code->place.line), &exception);
    for (size_t i = 0; i < 3; i++)
        JSStringRelease(names[i]);
    JSStringRelease(name);
    JSStringRelease(body);
    JSStringRelease(file);
    if (!compiled) {
        arena_wipe(&script->error_arena);
        describe(script, exception, code->place, code, &error);
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

/* The output buffer has a ceiling; say so when a value goes beyond it. */
static bool fits(const struct iotify_buffer *out, struct place place, const char *what,
    struct arena *arena, struct script_error *error)
{
    if (!out->failed)
        return true;
    *error = (struct script_error){
        place, arena_format(arena, "%s is larger than %zu MiB", what, out->ceiling >> 20), ""};
    return false;
}

/* What message() returned, as bytes. */
static bool take_output(struct script *script, JSValueRef value, struct script_invocation *call)
{
    JSContextRef context = script->context;
    JSStringRef string = NULL;
    JSValueRef exception = NULL;

    if (JSValueIsUndefined(context, value) || JSValueIsNull(context, value))
        return true;
    if (JSValueGetTypedArrayType(context, value, NULL) == kJSTypedArrayTypeUint8Array) {
        JSObjectRef array = JSValueToObject(context, value, NULL);

        const char *bytes = JSObjectGetTypedArrayBytesPtr(context, array, NULL);

        /* A part of another array begins inside that one's bytes. */
        iotify_buffer_append(call->out,
            bytes ? bytes + JSObjectGetTypedArrayByteOffset(context, array, NULL) : "",
            JSObjectGetTypedArrayByteLength(context, array, NULL));
        call->has_output = true;
        return fits(call->out, script->bodies[call->function].place, "the message",
            &script->error_arena, &call->error);
    }
    if (!JSValueIsString(context, value)) {
        call->error = (struct script_error){script->bodies[call->function].place,
            "message must return a string or a Buffer; return JSON.stringify(…) of an object", ""};
        return false;
    }
    string = JSValueToStringCopy(context, value, &exception);
    if (!string) {
        struct script_code code = {.text = "", .place = script->bodies[call->function].place};

        describe(script, exception, code.place, &code, &call->error);
        return false;
    }
    append_string(string, call->out);
    JSStringRelease(string);
    call->has_output = true;
    return fits(call->out, script->bodies[call->function].place, "the message",
        &script->error_arena, &call->error);
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
static void enter(struct script *script)
{
    if (script->facts.busy_since)
        atomic_store(script->facts.busy_since, clock_now());
}

static void leave(struct script *script)
{
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
    arena_wipe(&script->error_arena);
    script->turn = call->turn;
    script->timed_out = false;
    if (call->function == SCRIPT_RESPONSE) {
        arguments[count++] =
            value_of_bytes(script, (struct iotify_bytes){call->topic, strlen(call->topic)});
        arguments[count++] = make_payload(script, call->payload);
    }
    arguments[count++] =
        JSObjectGetPropertyAtIndex(context, script->states, (unsigned)call->turn.slot, NULL);
    enter(script);
    value = JSObjectCallAsFunction(context, body->function, NULL, count, arguments, &exception);
    leave(script);
    /* The limit may also have ended a promise's function, after the call itself was done. */
    if (!value || script->timed_out) {
        struct script_code code = {.text = "", .place = body->place};

        describe(script, exception, body->place, &code, &call->error);
        return false;
    }
    return !call->out || call->function != SCRIPT_MESSAGE || take_output(script, value, call);
}

/* ------------------------------------------------------------------ macros */

bool macro_is_constant(const char *text)
{
    return !text || !strstr(text, "{{");
}

/* The `}}` that ends an expression: braces and quotes inside it do not. */
static const char *expression_end(const char *at)
{
    int depth = 0;

    for (; *at; at++) {
        if (*at == '"' || *at == '\'' || *at == '`') {
            char quote = *at++;

            while (*at && *at != quote)
                at += *at == '\\' && at[1] ? 2 : 1;
            if (!*at)
                return NULL;
        } else if (*at == '{') {
            depth++;
        } else if (*at == '}' && depth > 0) {
            depth--;
        } else if (*at == '}' && at[1] == '}') {
            return at;
        }
    }
    return NULL;
}

static JSObjectRef compile_expression(struct script *script, const struct macro *macro,
    const char *source, struct diagnostics *diagnostics)
{
    JSStringRef parameter = string_of("state"), body, file = string_of(macro->place.file);
    JSValueRef exception = NULL;
    JSObjectRef compiled = NULL;

    if (source[strspn(source, " \t")] == '\0') {
        diagnostics_add(
            diagnostics, macro->place, "\"%s\": {{ }} holds no expression", macro->setting);
    } else {
        body = string_of(arena_format(&script->arena, "return (%s\n)", source));
        compiled = JSObjectMakeFunction(
            script->context, NULL, 1, &parameter, body, file, macro->place.line - 2, &exception);
        JSStringRelease(body);
        if (!compiled)
            diagnostics_add(diagnostics, macro->place, "\"%s\": {{%s}}: %s", macro->setting, source,
                text_of(script->context, &script->arena, exception));
        else
            JSValueProtect(script->context, compiled);
    }
    JSStringRelease(parameter);
    JSStringRelease(file);
    return compiled;
}

static size_t count_parts(const char *text)
{
    size_t count = 1;

    for (text = strstr(text, "{{"); text; text = strstr(text + 2, "{{"))
        count += 2;
    return count;
}

struct macro *script_macro(struct script *script, const char *setting, const char *text,
    struct place place, struct diagnostics *diagnostics)
{
    struct macro *macro = arena_alloc(&script->arena, sizeof(*macro));

    macro->setting = arena_string(&script->arena, setting);
    macro->place = place;
    macro->parts = arena_array(&script->arena, count_parts(text), sizeof(*macro->parts));
    while (*text) {
        const char *open = strstr(text, "{{"), *end;
        struct part *part = &macro->parts[macro->count++];

        if (open != text) {
            size_t length = open ? (size_t)(open - text) : strlen(text);

            part->text = arena_copy(&script->arena, text, length);
            text += length;
            continue;
        }
        end = expression_end(open + 2);
        if (!end) {
            diagnostics_add(diagnostics, place, "\"%s\": {{ without its }}", setting);
            return NULL;
        }
        part->source = arena_copy(&script->arena, open + 2, (size_t)(end - open) - 2);
        part->expression = compile_expression(script, macro, part->source, diagnostics);
        if (!part->expression)
            return NULL;
        text = end + 2;
    }
    return macro;
}

static bool expand_part(struct script *script, const struct macro *macro, const struct part *part,
    struct iotify_buffer *out, struct script_error *error)
{
    JSContextRef context = script->context;
    JSValueRef exception = NULL, value, state = JSValueMakeUndefined(context);
    JSStringRef string;

    if (script->turn.slot >= 0)
        state =
            JSObjectGetPropertyAtIndex(context, script->states, (unsigned)script->turn.slot, NULL);
    enter(script);
    value = JSObjectCallAsFunction(context, part->expression, NULL, 1, &state, &exception);
    leave(script);
    if (value && !script->timed_out &&
        (JSValueIsUndefined(context, value) || JSValueIsNull(context, value))) {
        *error = (struct script_error){macro->place,
            arena_format(&script->error_arena, "\"%s\": {{%s}} is %s", macro->setting, part->source,
                JSValueIsNull(context, value) ? "null" : "undefined"),
            ""};
        return false;
    }
    string = value && !script->timed_out ? JSValueToStringCopy(context, value, &exception) : NULL;
    if (!string) {
        describe(script, exception, macro->place, NULL, error);
        error->text = arena_format(
            &script->error_arena, "\"%s\": {{%s}}: %s", macro->setting, part->source, error->text);
        return false;
    }
    append_string(string, out);
    JSStringRelease(string);
    return fits(out, macro->place, macro->setting, &script->error_arena, error);
}

bool script_expand(struct script *script, const struct macro *macro, struct script_turn turn,
    struct iotify_buffer *out, struct script_error *error)
{
    arena_wipe(&script->error_arena);
    script->turn = turn;
    script->timed_out = false;
    for (size_t i = 0; i < macro->count; i++) {
        const struct part *part = &macro->parts[i];

        if (part->text)
            iotify_buffer_string(out, part->text);
        else if (!expand_part(script, macro, part, out, error))
            return false;
    }
    return fits(out, macro->place, macro->setting, &script->error_arena, error);
}
