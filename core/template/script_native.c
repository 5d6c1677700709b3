/* What scripts reach outside their machine, and the strings on the way. */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/template/prelude.h"
#include "core/template/script_machine.h"

/* ------------------------------------------------------------------ strings */

JSStringRef script_string(const char *text)
{
    return JSStringCreateWithUTF8CString(text);
}

void script_append_string(JSStringRef string, struct iotify_buffer *out)
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
    script_append_string(string, &out);
    JSStringRelease(string);
    text = out.failed ? NULL : arena_copy(arena, out.data, out.size);
    iotify_buffer_wipe(&out);
    return text;
}

/* The same for messages: "" in place of NULL. */
const char *script_text(JSContextRef context, struct arena *arena, JSValueRef value)
{
    const char *text = try_text(context, arena, value);

    return text ? text : "";
}

JSValueRef script_property(JSContextRef context, JSObjectRef object, const char *name)
{
    JSStringRef string = script_string(name);
    JSValueRef value = JSObjectGetProperty(context, object, string, NULL);

    JSStringRelease(string);
    return value;
}

static void set_property(
    JSContextRef context, JSObjectRef object, const char *name, JSValueRef value)
{
    JSStringRef string = script_string(name);

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
    JSStringRef string = script_string(text);
    JSValueRef argument = JSValueMakeString(context, string);

    JSStringRelease(string);
    *exception = JSObjectMakeError(context, 1, &argument, NULL);
    return JSValueMakeUndefined(context);
}

static JSValueRef native_console(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct script *script = script_of(context);
    struct arena arena = {0};

    (void)function, (void)self, (void)exception;
    if (count == 2 && script->services.console)
        script->services.console(script->services.console_context ? script->services.console_context
                                                                  : script->services.context,
            (enum iotify_level)JSValueToNumber(context, arguments[0], NULL),
            (int64_t)script->turns->client, (int64_t)script->turns->iteration,
            script_text(context, &arena, arguments[1]));
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
        script->services.context, &call, script_text(context, &call.arena, arguments[0]), &bytes);
    if (result == IOTIFY_OK) {
        JSStringRef string = script_string(bytes.data);

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
    write.key = script_text(context, &call.arena, arguments[0]);
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
    JSStringRef string = script_string(name);

    set_property(script->context, object, name,
        JSObjectMakeFunctionWithCallback(script->context, string, call));
    JSStringRelease(string);
}

static JSObjectRef make_facts(struct script *script)
{
    JSContextRef context = script->context;
    JSObjectRef facts = JSObjectMake(context, NULL, NULL);
    JSStringRef job = script_string(script->facts.job);

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

/* The memory belongs to the machine, which outlives the array. */
static void keep_turns(void *bytes, void *context)
{
    (void)bytes, (void)context;
}

static JSObjectRef function_of(struct script *script, const char *name)
{
    JSValueRef value = script_property(script->context, script->runtime, name);

    return value && JSValueIsObject(script->context, value)
               ? JSValueToObject(script->context, value, NULL)
               : NULL;
}

bool script_run_prelude(struct script *script)
{
    JSContextRef context = script->context;
    JSObjectRef native = JSObjectMake(context, NULL, NULL);
    JSStringRef source = script_string(prelude_source), name = script_string("prelude.js");
    JSValueRef function, runtime = NULL, argument = native;

    add_function(script, native, "console", native_console);
    add_function(script, native, "globGet", native_glob_get);
    add_function(script, native, "globSet", native_glob_set);
    add_function(script, native, "globDelete", native_glob_delete);
    set_property(context, native, "facts", make_facts(script));
    set_property(context, native, "turns",
        JSObjectMakeTypedArrayWithBytesNoCopy(context, kJSTypedArrayTypeFloat64Array, script->turns,
            sizeof(*script->turns), keep_turns, NULL, NULL));
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
    script->states = function_of(script, "states");
    script->results = function_of(script, "results");
    script->make_buffer = function_of(script, "makeBuffer");
    script->add_state = function_of(script, "addState");
    script->run_messages = function_of(script, "runMessages");
    script->show_state = function_of(script, "showState");
    script->take_metrics = function_of(script, "takeMetrics");
    return script->states && script->results && script->make_buffer && script->add_state &&
           script->run_messages && script->show_state && script->take_metrics;
}
