/* SPDX-License-Identifier: Apache-2.0 */
/* Convert values between C and the script engine: texts, objects, bytes. */
#include <stdlib.h>
#include <string.h>

#include "core/script/script_internal.h"

JSStringRef script_string(const char *text)
{
    return JSStringCreateWithUTF8CString(text);
}

/* Decode one UTF-16 character at `text`; half of a surrogate pair is U+FFFD. Returns its units. */
static size_t script_value_take_unit(const JSChar *text, size_t left, uint32_t *code)
{
    *code = text[0];
    if (text[0] < 0xd800 || text[0] > 0xdfff)
        return 1;
    if (text[0] < 0xdc00 && left > 1 && text[1] >= 0xdc00 && text[1] <= 0xdfff) {
        *code = 0x10000 + ((uint32_t)(text[0] - 0xd800) << 10 | (uint32_t)(text[1] - 0xdc00));
        return 2;
    }
    *code = 0xfffd;
    return 1;
}

static size_t script_value_put_utf8(uint32_t code, char *out)
{
    size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = length; i > 1; i--, code >>= 6)
        out[i - 1] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(marks[length] | code);
    return length;
}

/* JavaScriptCore's own conversion stops at half of a surrogate pair. */
void script_append_string(JSStringRef string, struct iotify_buffer *out)
{
    size_t length = JSStringGetLength(string), used = 0;
    const JSChar *units = JSStringGetCharactersPtr(string);
    char *text = memory_new(length * 3 + 1, 1);

    for (size_t at = 0; at < length;) {
        uint32_t code;

        at += script_value_take_unit(units + at, length - at, &code);
        used += script_value_put_utf8(code, text + used);
    }
    iotify_buffer_append(out, text, used);
    explicit_bzero(text, used);
    free(text);
}

JSValueRef script_text_value(JSContextRef context, const char *text)
{
    JSStringRef string = script_string(text);
    JSValueRef value = JSValueMakeString(context, string);

    JSStringRelease(string);
    return value;
}

const char *script_try_text(JSContextRef context, struct arena *arena, JSValueRef value)
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

const char *script_text(JSContextRef context, struct arena *arena, JSValueRef value)
{
    const char *text = script_try_text(context, arena, value);

    return text ? text : "";
}

JSValueRef script_property(JSContextRef context, JSObjectRef object, const char *name)
{
    JSStringRef string = script_string(name);
    JSValueRef value = JSObjectGetProperty(context, object, string, NULL);

    JSStringRelease(string);
    return value;
}

void script_set(JSContextRef context, JSObjectRef object, const char *name, JSValueRef value)
{
    JSStringRef string = script_string(name);

    JSObjectSetProperty(context, object, string, value, kJSPropertyAttributeNone, NULL);
    JSStringRelease(string);
}

struct script *script_of(JSObjectRef function)
{
    return JSObjectGetPrivate(function);
}

JSValueRef script_throw(JSContextRef context, JSValueRef *exception, const char *text)
{
    JSValueRef argument = script_text_value(context, text);

    *exception = JSObjectMakeError(context, 1, &argument, NULL);
    return JSValueMakeUndefined(context);
}

struct iotify_bytes script_bytes(JSContextRef context, JSValueRef value)
{
    JSObjectRef array;
    const char *bytes;

    if (JSValueGetTypedArrayType(context, value, NULL) != kJSTypedArrayTypeUint8Array)
        return (struct iotify_bytes){NULL, 0};
    array = JSValueToObject(context, value, NULL);
    bytes = JSObjectGetTypedArrayBytesPtr(context, array, NULL);
    /* A view of another array starts inside that array's bytes. */
    return (struct iotify_bytes){
        bytes ? bytes + JSObjectGetTypedArrayByteOffset(context, array, NULL) : "",
        JSObjectGetTypedArrayByteLength(context, array, NULL)};
}

JSObjectRef script_new_bytes(JSContextRef context, const void *data, size_t size)
{
    JSObjectRef bytes = JSObjectMakeTypedArray(context, kJSTypedArrayTypeUint8Array, size, NULL);

    if (size)
        memcpy(JSObjectGetTypedArrayBytesPtr(context, bytes, NULL), data, size);
    return bytes;
}

void script_add_function(struct script *script, JSObjectRef object, const char *name,
    JSObjectCallAsFunctionCallback call)
{
    /*
     * Each function is an object with a pointer to its script. A global object with such a pointer
     * would be slow: JavaScriptCore looks up every name in it anew.
     */
    const JSClassDefinition definition = {.className = name, .callAsFunction = call};
    JSClassRef class = JSClassCreate(&definition);

    script_set(script->context, object, name, JSObjectMake(script->context, class, script));
    JSClassRelease(class);
}
