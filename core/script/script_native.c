/* SPDX-License-Identifier: Apache-2.0 */
/* Native functions: console, clock, text decoding, and commands for the device. */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/redact.h"
#include "core/base/utf8.h"
#include "core/script/script_internal.h"

/* Longer texts are cut before they are searched for keys: bytes. */
#define SCRIPT_LOGGED_MAX (64 * 1024)

/* ------------------------------------------------------------------ native functions */

struct script_turn script_current_turn(const struct script *script)
{
    return (struct script_turn){(int64_t)script->turns->slot, (int64_t)script->turns->client,
        (int64_t)script->turns->iteration};
}

JSValueRef script_native_console(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct script *script = script_of(function);
    struct script_turn turn = script_current_turn(script);
    struct arena arena = {0};

    (void)self, (void)exception;
    if (count == 2 && script->services.console) {
        char *text = arena_string(&arena, script_text(context, &arena, arguments[1]));

        if (strlen(text) > SCRIPT_LOGGED_MAX)
            text[SCRIPT_LOGGED_MAX] = '\0';
        utf8_clean(text); /* a character may be cut */
        redact_keys(text);
        script->services.console(script->services.context,
            (enum iotify_level)JSValueToNumber(context, arguments[0], NULL), &turn, text);
    }
    arena_wipe(&arena);
    return JSValueMakeUndefined(context);
}

JSValueRef script_native_now(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    (void)function, (void)self, (void)count, (void)arguments, (void)exception;
    return JSValueMakeNumber(context, (double)clock_now() / (double)SECOND);
}

/*
 * Decode one UTF-8 character at `bytes`, with `size` bytes left; returns its length. An invalid
 * sequence is U+FFFD and takes as many bytes as could start a character, as in browsers.
 */
static size_t script_native_decode_one(const unsigned char *bytes, size_t size, uint32_t *code)
{
    unsigned char first = bytes[0], low = 0x80, high = 0xbf;
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    size_t at = 1;

    *code = first;
    if (length == 1)
        return 1;
    low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : low;
    high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : high;
    *code = first & (0x7fu >> length);
    if (length == 0 || first > 0xf4)
        length = 0;
    for (; at < length && at < size && bytes[at] >= low && bytes[at] <= high; at++) {
        *code = *code << 6 | (bytes[at] & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    if (at != length)
        *code = 0xfffd;
    return at;
}

/* (bytes): the decoded text. */
JSValueRef script_native_decode(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct iotify_bytes bytes = script_bytes(context, arguments[0]);
    JSChar *text = memory_new(bytes.size + 1, sizeof(*text));
    size_t length = 0;
    JSStringRef string;
    JSValueRef value;

    (void)function, (void)self, (void)count, (void)exception;
    for (size_t at = 0; at < bytes.size;) {
        uint32_t code;

        at += script_native_decode_one(
            (const unsigned char *)bytes.data + at, bytes.size - at, &code);
        if (code >= 0x10000) {
            text[length++] = (JSChar)(0xd7c0 + (code >> 10));
            text[length++] = (JSChar)(0xdc00 | (code & 0x3ff));
        } else {
            text[length++] = (JSChar)code;
        }
    }
    string = JSStringCreateWithCharacters(text, length);
    value = JSValueMakeString(context, string);
    JSStringRelease(string);
    explicit_bzero(text, length * sizeof(*text));
    free(text);
    return value;
}

/* Convert a text to bytes; it may contain NULs. */
static struct iotify_bytes script_native_text_bytes(
    JSContextRef context, JSValueRef value, struct iotify_buffer *out)
{
    JSStringRef string = JSValueToStringCopy(context, value, NULL);

    if (string) {
        script_append_string(string, out);
        JSStringRelease(string);
    }
    return (struct iotify_bytes){iotify_buffer_text(out), out->size};
}

/*
 * (kind, topic, payload, qos, retain) or (kind, text, stack): undefined, or the reason for refusal.
 */
JSValueRef script_native_command(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct script *script = script_of(function);
    struct script_turn turn = script_current_turn(script);
    struct script_command command = {.qos = -1, .retain = -1};
    const char *refused = "no device runs here that could do this";
    struct iotify_buffer text;
    struct arena arena = {0};
    JSValueRef answer = JSValueMakeUndefined(context);

    (void)self, (void)exception;
    iotify_buffer_init(&text, OUTPUT_MAX);
    command.kind = (enum script_command_kind)JSValueToNumber(context, arguments[0], NULL);
    if ((command.kind == COMMAND_PUBLISH || command.kind == COMMAND_RETURN) && count == 5) {
        if (JSValueIsString(context, arguments[1]))
            command.topic = script_text(context, &arena, arguments[1]);
        command.payload = script_bytes(context, arguments[2]);
        if (!command.payload.data)
            command.payload = script_native_text_bytes(context, arguments[2], &text);
        command.qos = (int)JSValueToNumber(context, arguments[3], NULL);
        command.retain = (int)JSValueToNumber(context, arguments[4], NULL);
    }
    if (command.kind == COMMAND_ASSERT && count == 3) {
        command.text = script_text(context, &arena, arguments[1]);
        command.location = script_blamed(script, SCRIPT_MESSAGE);
        script_find_location(script, script_text(context, &arena, arguments[2]), &command.location);
    }
    if (text.failed)
        refused = "the payload is larger than 16 MiB";
    else if (script->services.command)
        refused = script->services.command(script->services.context, &turn, &command);
    if (refused)
        answer = script_text_value(context, refused);
    iotify_buffer_wipe(&text);
    arena_wipe(&arena);
    return answer;
}
