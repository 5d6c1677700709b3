/* SPDX-License-Identifier: Apache-2.0 */
/* The glob and its mailboxes: native functions for runtime/glob.js. */
#include <stdio.h>
#include <string.h>

#include "core/script/script_internal.h"

/* The text of an argument; `data` NULL: undefined. False when it is too long. */
static bool script_glob_take_text(
    JSContextRef context, struct call *call, JSValueRef value, struct iotify_bytes *out)
{
    const char *text;

    *out = (struct iotify_bytes){NULL, 0};
    if (JSValueIsUndefined(context, value))
        return true;
    text = script_try_text(context, &call->arena, value);
    if (!text) {
        call_fail(&call->base, IOTIFY_RESULT_INVALID, "ValueTooLarge",
            "the value is larger than %d MiB", OUTPUT_MAX >> 20);
        return false;
    }
    *out = (struct iotify_bytes){text, strlen(text)};
    return true;
}

static JSValueRef script_glob_throw_failure(
    JSContextRef context, JSValueRef *exception, struct call *call, const char *what)
{
    return script_throw(context, exception,
        arena_format(&call->arena, "%s: %s", what, call_message(call, IOTIFY_RESULT_INVALID)));
}

/* True, after an exception, while the template is loaded: there is no client yet. */
static bool script_glob_is_loading(
    struct script *script, JSContextRef context, JSValueRef *exception, const char *what)
{
    char text[200];

    if (!script->loading)
        return false;
    snprintf(text, sizeof(text),
        "%s: not while the template is loaded; use it in a function that init() or message() calls",
        what);
    script_throw(context, exception, text);
    return true;
}

static JSValueRef script_glob_read(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct script *script = script_of(function);
    JSValueRef value = JSValueMakeUndefined(context);
    struct iotify_bytes bytes = {0};
    enum iotify_result result;
    const char *key;
    struct call call;

    (void)self, (void)count;
    if (script_glob_is_loading(script, context, exception, "glob") || !script->services.glob)
        return value;
    call_init(&call, "glob.get");
    key = script_text(context, &call.arena, arguments[0]);
    if (script->services.reads)
        script->services.reads(script->services.context, key);
    script_note_work(script, false);
    result = glob_read(script->services.glob, &call, key, &bytes);
    script_note_work(script, true);
    if (result == IOTIFY_RESULT_OK)
        value = script_text_value(context, bytes.data);
    else if (result != IOTIFY_RESULT_NOT_FOUND)
        script_throw(context, exception,
            arena_format(&call.arena, "glob.get: %s", call_message(&call, result)));
    call_clear(&call);
    return value;
}

static bool script_glob_request(
    struct script *script, struct call *call, const struct glob_request *request)
{
    enum iotify_result result;

    script_note_work(script, false);
    result = glob_ask(script->services.glob, call, request);
    script_note_work(script, true);
    return result == IOTIFY_RESULT_OK;
}

/* (kind, key, value) */
static JSValueRef script_glob_write(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct script *script = script_of(function);
    struct glob_request request = {0};
    struct call call;

    (void)self;
    if (script_glob_is_loading(script, context, exception, "glob") || !script->services.glob)
        return JSValueMakeUndefined(context);
    call_init(&call, "glob");
    request.kind = (enum glob_kind)JSValueToNumber(context, arguments[0], NULL);
    request.key = script_text(context, &call.arena, arguments[1]);
    if ((count > 2 && !script_glob_take_text(context, &call, arguments[2], &request.value)) ||
        !script_glob_request(script, &call, &request))
        script_glob_throw_failure(context, exception, &call, "glob");
    call_clear(&call);
    return JSValueMakeUndefined(context);
}

/* (kind, token, key, value, expected, number) */
static JSValueRef script_glob_ask(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct script *script = script_of(function);
    struct glob_request request = {.key = ""};
    struct call call;

    (void)self, (void)count;
    if (script_glob_is_loading(script, context, exception, "glob"))
        return JSValueMakeUndefined(context);
    if (!script->services.glob)
        return script_throw(context, exception, "the glob is not available here");
    call_init(&call, "glob");
    request.kind = (enum glob_kind)JSValueToNumber(context, arguments[0], NULL);
    request.token = (uint64_t)JSValueToNumber(context, arguments[1], NULL);
    if (!JSValueIsUndefined(context, arguments[2]))
        request.key = script_text(context, &call.arena, arguments[2]);
    if (!JSValueIsUndefined(context, arguments[5]))
        request.number = JSValueToNumber(context, arguments[5], NULL);
    if (!script_glob_take_text(context, &call, arguments[3], &request.value) ||
        !script_glob_take_text(context, &call, arguments[4], &request.expected) ||
        !script_glob_request(script, &call, &request))
        script_glob_throw_failure(context, exception, &call, "glob");
    call_clear(&call);
    return JSValueMakeUndefined(context);
}

/* (kind, mailbox): blocks for the answer and returns it. */
static JSValueRef script_glob_wait(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct script *script = script_of(function);
    JSValueRef value = JSValueMakeUndefined(context);
    struct glob_request request = {0};
    struct glob_answer *answer;
    struct call call;

    (void)self, (void)count;
    if (script_glob_is_loading(script, context, exception, "mailbox"))
        return value;
    call_init(&call, "mailbox");
    request.kind = (enum glob_kind)JSValueToNumber(context, arguments[0], NULL);
    request.key = script_text(context, &call.arena, arguments[1]);
    if (!script->services.glob) {
        value = request.kind == GLOB_DUMP    ? (JSValueRef)JSObjectMakeArray(context, 0, NULL, NULL)
                : request.kind == GLOB_COUNT ? JSValueMakeNumber(context, 0)
                                             : value;
        call_clear(&call);
        return value;
    }
    script_note_work(script, false);
    answer = glob_wait(script->services.glob, &call, &request);
    script_note_work(script, true);
    if (!answer)
        script_glob_throw_failure(context, exception, &call, "mailbox");
    else if (answer->error)
        script_throw(context, exception, answer->error);
    else
        value = script_answer_value(script, answer);
    glob_answer_free(answer);
    call_clear(&call);
    return value;
}

JSValueRef script_answer_value(struct script *script, const struct glob_answer *answer)
{
    JSContextRef context = script->context;
    JSObjectRef array;

    switch (answer->kind) {
    case GLOB_GET:
    case GLOB_POP:
        return answer->value.data ? script_text_value(context, answer->value.data)
                                  : JSValueMakeUndefined(context);
    case GLOB_ADD:
    case GLOB_COUNT:
        return JSValueMakeNumber(context, answer->number);
    case GLOB_SWAP:
        return JSValueMakeBoolean(context, answer->swapped);
    case GLOB_LIST:
    case GLOB_DUMP:
        array = JSObjectMakeArray(context, 0, NULL, NULL);
        for (size_t i = 0; i < answer->item_count; i++)
            JSObjectSetPropertyAtIndex(
                context, array, (unsigned)i, script_text_value(context, answer->items[i]), NULL);
        return array;
    case GLOB_PUT:
    case GLOB_DELETE:
    case GLOB_FLUSH:
    case GLOB_POST:
    case GLOB_CLEAR:
        break;
    }
    return JSValueMakeUndefined(context);
}

void script_add_glob(struct script *script, JSObjectRef native)
{
    static const struct {
        const char *name;
        enum glob_kind kind;
    } kinds[] = {{"PUT", GLOB_PUT}, {"DELETE", GLOB_DELETE}, {"GET", GLOB_GET}, {"LIST", GLOB_LIST},
        {"ADD", GLOB_ADD}, {"SWAP", GLOB_SWAP}, {"FLUSH", GLOB_FLUSH}, {"POST", GLOB_POST},
        {"POP", GLOB_POP}, {"COUNT", GLOB_COUNT}, {"DUMP", GLOB_DUMP}, {"CLEAR", GLOB_CLEAR}};
    JSObjectRef object = JSObjectMake(script->context, NULL, NULL);

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        script_set(script->context, object, kinds[i].name,
            JSValueMakeNumber(script->context, kinds[i].kind));
    script_set(script->context, native, "globKinds", object);
    script_add_function(script, native, "globRead", script_glob_read);
    script_add_function(script, native, "globWrite", script_glob_write);
    script_add_function(script, native, "globAsk", script_glob_ask);
    script_add_function(script, native, "globWait", script_glob_wait);
}
