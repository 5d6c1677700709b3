/* SPDX-License-Identifier: Apache-2.0 */
#include "core/script/evaluate.h"

#include <JavaScriptCore/JavaScript.h>

#include "core/script/script.h"

static const char *evaluate_copy(struct arena *arena, JSContextRef context, JSValueRef value)
{
    JSStringRef string = JSValueToStringCopy(context, value, NULL);
    char *text;

    if (!string)
        return NULL;
    text = arena_alloc(arena, JSStringGetMaximumUTF8CStringSize(string));
    JSStringGetUTF8CString(string, text, JSStringGetMaximumUTF8CStringSize(string));
    JSStringRelease(string);
    return text;
}

/* What went wrong: the message of an error, else the thrown value as text. */
static const char *evaluate_error(struct arena *arena, JSContextRef context, JSValueRef thrown)
{
    JSStringRef name = JSStringCreateWithUTF8CString("message");
    JSValueRef message = NULL;
    const char *text;

    if (JSValueIsObject(context, thrown))
        message = JSObjectGetProperty(context, JSValueToObject(context, thrown, NULL), name, NULL);
    JSStringRelease(name);
    text = evaluate_copy(
        arena, context, message && JSValueIsString(context, message) ? message : thrown);
    return text ? text : "unknown error";
}

static JSValueRef evaluate_text(JSContextRef context, const char *text, JSValueRef *exception)
{
    JSStringRef string = JSStringCreateWithUTF8CString(text);
    JSValueRef value = JSEvaluateScript(context, string, NULL, NULL, 1, exception);

    JSStringRelease(string);
    return value;
}

static JSValueRef evaluate_call(JSContextRef context, const char *source, const char *function,
    const char *text, JSValueRef *exception)
{
    JSStringRef string;
    JSValueRef callee, argument;

    if (!evaluate_text(context, source, exception))
        return NULL;
    callee = evaluate_text(context, function, exception);
    if (!callee)
        return NULL;
    string = JSStringCreateWithUTF8CString(text);
    argument = JSValueMakeString(context, string);
    JSStringRelease(string);
    return JSObjectCallAsFunction(
        context, JSValueToObject(context, callee, NULL), NULL, 1, &argument, exception);
}

const char *evaluate_with_text(struct arena *arena, const char *source, const char *function,
    const char *text, const char **error)
{
    JSContextGroupRef group;
    JSGlobalContextRef context;
    JSValueRef exception = NULL, value;
    const char *result = NULL;

    script_prepare_process();
    group = JSContextGroupCreate();
    context = JSGlobalContextCreateInGroup(group, NULL);
    value = evaluate_call(context, source, function, text, &exception);
    if (value)
        result = evaluate_copy(arena, context, value);
    else
        *error = evaluate_error(arena, context, exception);
    JSGlobalContextRelease(context);
    JSContextGroupRelease(group);
    return result;
}
