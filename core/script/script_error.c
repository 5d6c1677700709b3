/* SPDX-License-Identifier: Apache-2.0 */
/* Convert exceptions to file, line and column of the user's code. */
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/redact.h"
#include "core/base/text.h"
#include "core/script/script_internal.h"

/* The most lines of a stack that are shown. */
#define FRAMES_MAX 10
/* Of a longer line, the part around the location is shown. */
#define LINE_SHOWN 100

static int script_error_integer(JSContextRef context, JSObjectRef object, const char *name)
{
    JSValueRef value = script_property(context, object, name);

    return value && JSValueIsNumber(context, value) ? (int)JSValueToNumber(context, value, NULL)
                                                    : 0;
}

/* ------------------------------------------------------------------ regions */

/* Find the region of a line; NULL when it is not code that was loaded here. */
static const struct script_region *script_error_find_region(
    const struct script *script, const char *file, size_t length, int line)
{
    const struct script_region *head = NULL;

    for (const struct script_region *region = script->regions; region; region = region->next) {
        if (strlen(region->engine) != length || memcmp(region->engine, file, length) != 0)
            continue;
        if (line >= region->first && line <= region->last)
            return region;
        /* Some errors refer to the head of a function, which is on the line before the body. */
        if (region->headed && line == region->first - 1)
            head = region;
    }
    return head;
}

/* A line of a region, and its length. */
static const char *script_error_region_line(
    const struct script_region *region, int line, size_t *length)
{
    const char *at = text_line(region->text, line - region->first + 1);

    *length = strcspn(at, "\r\n");
    return at;
}

/*
 * Convert a location of JavaScriptCore to one of the user's file. The head of a body becomes the
 * start of the body.
 */
static struct location script_error_user_location(
    const struct script_region *region, int line, int column)
{
    const char *text;
    size_t length;

    if (line < region->first) {
        line = region->first;
        column = 1;
    } else if (line == region->first) {
        column += region->first_shift;
    }
    column = column > 1 ? column : 1;
    if (!region->source_map)
        return (struct location){region->file, line, column + region->shift};
    text = script_error_region_line(region, line, &length);
    return source_map_at(
        region->source_map, (size_t)(text - region->text) + text_byte(text, length, column));
}

/* True when the code up to `end` has the same syntax error. */
static bool script_error_breaks_at(
    struct script *script, const struct script_region *region, const char *end, const char *message)
{
    static const char head[] = "async function code() {";
    size_t size = (size_t)(end - region->text), head_size = sizeof(head) - 1;
    char *text = memory_new(1, head_size + size + 1);
    JSValueRef exception = NULL;
    JSStringRef string;

    memcpy(text, head, head_size);
    memcpy(text + head_size, region->text, size);
    string = script_string(text);
    free(text);
    JSCheckScriptSyntax(script->context, string, NULL, 1, &exception);
    JSStringRelease(string);
    return exception &&
           strcmp(script_text(script->context, &script->error_arena, exception), message) == 0;
}

/*
 * JavaScriptCore gives syntax errors a line but no column: find the token that the message quotes.
 * If it occurs more than once, take the first at which the code breaks.
 */
static int script_error_token_column(
    struct script *script, const struct script_region *region, int line, const char *message)
{
    const char *open = strchr(message, '\''), *close = open ? strchr(open + 1, '\'') : NULL;
    const char *hit = NULL, *first;
    char token[64];
    size_t length;
    const char *text = script_error_region_line(region, line, &length);

    if (close && close - open - 1 < (long)sizeof(token) && close > open + 1) {
        memcpy(token, open + 1, (size_t)(close - open - 1));
        token[close - open - 1] = '\0';
        hit = strstr(text, token);
    }
    first = hit;
    while (hit && hit < text + length &&
           !script_error_breaks_at(script, region, hit + strlen(token), message))
        hit = strstr(hit + 1, token);
    if (!hit || hit >= text + length)
        hit = first;
    if (hit && hit < text + length)
        return text_column(text, hit);
    return (int)strspn(text, " \t") + 1;
}

/* ------------------------------------------------------------------ stacks */

/* A line of JavaScriptCore's stack: "name@file:line:column". */
struct script_error_frame {
    const char *name, *file;
    size_t name_length, file_length;
    int line, column;
};

static bool script_error_read_frame(
    const char *text, size_t length, struct script_error_frame *frame)
{
    const char *at = memchr(text, '@', length), *end = text + length, *colon = end;
    int colons = 0;

    *frame = (struct script_error_frame){0};
    frame->name = text;
    frame->name_length = at ? (size_t)(at - text) : 0;
    frame->file = at ? at + 1 : text;
    while (colon > frame->file && colons < 2)
        if (*--colon == ':')
            colons++;
    if (colons < 2 || sscanf(colon, ":%d:%d", &frame->line, &frame->column) != 2)
        return false;
    frame->file_length = (size_t)(colon - frame->file);
    return true;
}

/* Frames of the runtime itself are not shown. */
static bool script_error_is_own(const struct script_error_frame *frame)
{
    return frame->file_length > 7 && strncmp(frame->file, "iotify:", 7) == 0;
}

/* Find the innermost frame of the user's code in a stack; NULL when there is none. */
static const struct script_region *script_error_find_frame(
    const struct script *script, const char *stack, struct location *location)
{
    for (const char *at = stack; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        const struct script_region *region;
        struct script_error_frame frame;

        if (!script_error_read_frame(at, strcspn(at, "\n"), &frame))
            continue;
        region = script_error_find_region(script, frame.file, frame.file_length, frame.line);
        if (!region || region->foreign)
            continue;
        *location = script_error_user_location(region, frame.line, frame.column);
        return region;
    }
    return NULL;
}

bool script_find_location(struct script *script, const char *stack, struct location *location)
{
    return script_error_find_frame(script, stack, location) != NULL;
}

static void script_error_show_frame(
    const struct script *script, const struct script_error_frame *frame, struct iotify_buffer *out)
{
    const struct script_region *region =
        script_error_find_region(script, frame->file, frame->file_length, frame->line);
    struct location location = {NULL, frame->line, frame->column};
    bool named = frame->name_length > 0 && frame->name_length < 100 &&
                 strncmp(frame->name, "global code", 11) != 0;

    if (region)
        location = script_error_user_location(region, frame->line, frame->column);

    iotify_buffer_format(out, "%sat ", out->size ? "\n" : "");
    if (named)
        iotify_buffer_format(out, "%.*s (", (int)frame->name_length, frame->name);
    if (location.file)
        iotify_buffer_string(out, location.file);
    else
        iotify_buffer_append(out, frame->file, frame->file_length);
    iotify_buffer_format(out, ":%d:%d%s", location.line, location.column, named ? ")" : "");
}

/*
 * JavaScriptCore lists an asynchronous function twice: the frame of its code, and one at its
 * parameters, which is redundant.
 */
static bool script_error_is_head(
    const struct script *script, const struct script_error_frame *frame)
{
    static const char names[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$* ";
    const struct script_region *region =
        script_error_find_region(script, frame->file, frame->file_length, frame->line);
    const char *line, *before;
    size_t length, at, name = 0;

    if (!region || region->foreign)
        return false;
    if (frame->line < region->first)
        return true;
    line = script_error_region_line(region, frame->line, &length);
    at = text_byte(
        line, length, frame->column + (frame->line == region->first ? region->first_shift : 0));
    if (at == 0 || line[at - 1] != '(')
        return false;
    /* `async function name(`, `async name(` or `async (`. */
    while (name < at - 1 && strchr(names, line[at - 2 - name]))
        name++;
    before = line + at - 1 - name;
    before += strspn(before, " ");
    return strstr(before, "async") != NULL && strstr(before, "async") < line + at;
}

static const char *script_error_show_stack(struct script *script, const char *stack)
{
    struct iotify_buffer out;
    const char *text;
    int count = 0;

    iotify_buffer_init(&out, 16 * 1024);
    for (const char *at = stack; *at && count < FRAMES_MAX;
         at += strcspn(at, "\n"), at += *at == '\n') {
        struct script_error_frame frame;

        if (!script_error_read_frame(at, strcspn(at, "\n"), &frame) ||
            script_error_is_own(&frame) || (count > 0 && script_error_is_head(script, &frame)))
            continue;
        script_error_show_frame(script, &frame, &out);
        count++;
    }
    text = arena_string(&script->error_arena, iotify_buffer_text(&out));
    iotify_buffer_clear(&out);
    return text;
}

/* ------------------------------------------------------------------ excerpt */

static const char *script_error_show_line(
    struct script *script, const struct script_region *region, struct location location)
{
    struct iotify_buffer out;
    const char *line, *text;
    size_t length, column, from = 0;

    if (!region || region->foreign)
        return "";
    if (region->source_map) {
        line = source_map_line(region->source_map, location.line, &length);
        column = text_byte(line, length, location.column);
    } else {
        line = script_error_region_line(region, location.line, &length);
        column = text_byte(line, length, location.column - region->shift);
    }
    if (length > LINE_SHOWN && column > LINE_SHOWN / 2)
        from = column - LINE_SHOWN / 2;
    /* Do not start in the middle of a character. */
    while (from > 0 && ((unsigned char)line[from] & 0xc0) == 0x80)
        from--;
    length = length - from < LINE_SHOWN ? length - from : LINE_SHOWN;
    iotify_buffer_init(&out, 4096);
    iotify_buffer_format(&out, "%5d | %.*s\n      | ", location.line, (int)length, line + from);
    for (size_t i = from; i < column; i++)
        if (((unsigned char)line[i] & 0xc0) != 0x80)
            iotify_buffer_char(&out, line[i] == '\t' ? '\t' : ' ');
    iotify_buffer_char(&out, '^');
    text = arena_string(&script->error_arena, iotify_buffer_text(&out));
    iotify_buffer_clear(&out);
    return text;
}

/* ------------------------------------------------------------------ description */

/* Errors with a line but without a frame in the user's code: syntax errors. */
static const struct script_region *script_error_location_by_line(
    struct script *script, JSObjectRef object, struct script_error *error)
{
    JSContextRef context = script->context;
    int line = script_error_integer(context, object, "line");
    int column = script_error_integer(context, object, "column");
    JSValueRef url = script_property(context, object, "sourceURL");
    const char *file =
        url && JSValueIsString(context, url) ? script_text(context, &script->error_arena, url) : "";
    const struct script_region *region = script_error_find_region(script, file, strlen(file), line);

    /* A body that ends too early is reported after its end, in lines that JavaScriptCore added. */
    for (int beyond = 0; !region && beyond < 3; beyond++) {
        region = script_error_find_region(script, file, strlen(file), --line);
        column = 0;
    }
    if (!region || region->foreign)
        return NULL;
    if (column <= 0)
        column = script_error_token_column(script, region, line, error->text) -
                 (line == region->first ? region->first_shift : 0);
    error->location = script_error_user_location(region, line, column);
    return region;
}

static const char *script_error_limit_text(struct script *script)
{
    if (script->overgrown)
        return arena_format(&script->error_arena,
            "stopped: it took more than %lld MiB of memory; memory_limit allows no more",
            (long long)(script->facts.memory_limit >> 20));
    return arena_format(&script->error_arena, "stopped after %.3g s; a call may not take longer",
        (double)script->facts.time_limit / (double)SECOND);
}

void script_describe(struct script *script, JSValueRef exception, struct location location,
    struct script_error *error)
{
    JSContextRef context = script->context;
    struct arena *arena = &script->error_arena;
    const struct script_region *region = NULL;
    const char *stack = "";
    char *text;

    *error = (struct script_error){"ScriptError", location, false, "failed", "", ""};
    if (script->timed_out) {
        script->timed_out = false;
        error->code = script->overgrown ? "ScriptMemory" : "ScriptTimeout";
        error->text = script_error_limit_text(script);
        return;
    }
    if (!exception)
        return;
    text = arena_string(arena, script_text(context, arena, exception));
    redact_keys(text);
    error->text = *text ? text : "threw a value without a text";
    script->timed_out = false;
    if (JSValueIsObject(context, exception)) {
        JSObjectRef object = JSValueToObject(context, exception, NULL);
        JSValueRef value = script_property(context, object, "stack");

        if (value && JSValueIsString(context, value))
            stack = script_text(context, arena, value);
        region = script_error_find_frame(script, stack, &error->location);
        if (!region)
            region = script_error_location_by_line(script, object, error);
    } else {
        error->text = arena_format(arena, "threw %s", error->text);
    }
    error->exact = region != NULL;
    error->stack = script_error_show_stack(script, stack);
    error->excerpt = script_error_show_line(script, region, error->location);
}

/* False, with `error`, when a value has exceeded the ceiling of the output buffer. */
bool script_fits(const struct iotify_buffer *out, struct location location, const char *what,
    struct arena *arena, struct script_error *error)
{
    if (!out->failed)
        return true;
    *error = (struct script_error){"ScriptError", location, true,
        arena_format(arena, "%s is larger than %zu MiB", what, out->ceiling >> 20), "", ""};
    return false;
}
