/* SPDX-License-Identifier: Apache-2.0 */
/* Texts with {{expressions}}. */
#include <string.h>

#include "core/script/script_internal.h"

/* Expressions that only read the turn are common, and need no call of JavaScriptCore. */
enum script_expression_part_kind { LITERAL, EXPRESSION, THE_CLIENT, THE_ITERATION };

struct script_expression_part {
    enum script_expression_part_kind kind;
    const char *text; /* the literal, or the expression's source */
    JSObjectRef expression;
};

struct expression {
    const char *setting;
    struct location location;
    struct script_expression_part *parts;
    size_t count;
};

bool expression_is_constant(const char *text)
{
    return !text || !strstr(text, "{{");
}

/* Find the `}}` that ends an expression; braces and quotes inside it are skipped. */
static const char *script_expression_end(const char *at)
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

static JSObjectRef script_expression_compile(struct script *script,
    const struct expression *expression, const char *source, struct diagnostics *diagnostics)
{
    JSStringRef parameter = script_string("state"), body,
                file = script_string(expression->location.file);
    JSValueRef exception = NULL;
    JSObjectRef compiled = NULL;

    if (source[strspn(source, " \t")] == '\0') {
        diagnostics_add(diagnostics, expression->location, "\"%s\": {{ }} holds no expression",
            expression->setting);
    } else {
        body = script_string(arena_format(&script->arena, "return (%s\n)", source));
        compiled = JSObjectMakeFunction(script->context, NULL, 1, &parameter, body, file,
            expression->location.line - 2, &exception);
        JSStringRelease(body);
        if (!compiled)
            diagnostics_add(diagnostics, expression->location, "\"%s\": {{%s}}: %s",
                expression->setting, source,
                script_text(script->context, &script->arena, exception));
        else
            JSValueProtect(script->context, compiled);
    }
    JSStringRelease(parameter);
    JSStringRelease(file);
    return compiled;
}

static enum script_expression_part_kind script_expression_kind_of(const char *source)
{
    static const struct {
        const char *text;
        enum script_expression_part_kind kind;
    } known[] = {
        {"client()", THE_CLIENT}, {"index()", THE_ITERATION}, {"iteration()", THE_ITERATION}};
    size_t blanks = strspn(source, " \t");

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        size_t length = strlen(known[i].text);

        if (strncmp(source + blanks, known[i].text, length) == 0 &&
            source[blanks + length + strspn(source + blanks + length, " \t")] == '\0')
            return known[i].kind;
    }
    return EXPRESSION;
}

static size_t script_expression_count_parts(const char *text)
{
    size_t count = 1;

    for (; *text; text++) {
        if (text[0] == '{' && text[1] == '{') {
            count += 2;
            text++;
        }
    }
    return count;
}

struct expression *script_expression(struct script *script, const char *setting, const char *text,
    struct location location, struct diagnostics *diagnostics)
{
    struct expression *expression = arena_alloc(&script->arena, sizeof(*expression));

    expression->setting = arena_string(&script->arena, setting);
    expression->location = location;
    expression->parts = arena_array(
        &script->arena, script_expression_count_parts(text), sizeof(*expression->parts));
    while (*text) {
        const char *open = strstr(text, "{{"), *end;
        struct script_expression_part *part = &expression->parts[expression->count++];

        if (open != text) {
            size_t length = open ? (size_t)(open - text) : strlen(text);

            part->text = arena_copy(&script->arena, text, length);
            text += length;
            continue;
        }
        end = script_expression_end(open + 2);
        if (!end) {
            diagnostics_add(diagnostics, location, "\"%s\": {{ without its }}", setting);
            return NULL;
        }
        part->text = arena_copy(&script->arena, open + 2, (size_t)(end - open) - 2);
        part->kind = script_expression_kind_of(part->text);
        part->expression = script_expression_compile(script, expression, part->text, diagnostics);
        if (!part->expression)
            return NULL;
        text = end + 2;
    }
    return expression;
}

static bool script_expression_expand_part(struct script *script,
    const struct expression *expression, const struct script_expression_part *part,
    struct script_turn turn, struct iotify_buffer *out, struct script_error *error)
{
    JSContextRef context = script->context;
    JSValueRef exception = NULL, value, state = script_state(script, turn.slot);
    JSStringRef string;

    script_enter(script, turn);
    value = JSObjectCallAsFunction(context, part->expression, NULL, 1, &state, &exception);
    script_leave(script);
    if (value && !script->timed_out &&
        (JSValueIsUndefined(context, value) || JSValueIsNull(context, value))) {
        *error = (struct script_error){"ScriptError", expression->location, true,
            arena_format(&script->error_arena, "\"%s\": {{%s}} is %s%s", expression->setting,
                part->text, JSValueIsNull(context, value) ? "null" : "undefined",
                strstr(part->text, "__$") ? "; if init() reads it from the glob, run deploy first"
                                          : ""),
            "", ""};
        return false;
    }
    if (value && script_is_promise(script, value)) {
        *error = (struct script_error){"ScriptError", expression->location, true,
            arena_format(&script->error_arena,
                "\"%s\": {{%s}} is a promise; wait for it in init() and keep the value in state",
                expression->setting, part->text),
            "", ""};
        return false;
    }
    string = value && !script->timed_out ? JSValueToStringCopy(context, value, &exception) : NULL;
    if (!string) {
        script_describe(script, exception, expression->location, error);
        error->text = arena_format(&script->error_arena, "\"%s\": {{%s}}: %s", expression->setting,
            part->text, error->text);
        return false;
    }
    script_append_string(string, out);
    JSStringRelease(string);
    return script_fits(out, expression->location, expression->setting, &script->error_arena, error);
}

/* Faster than a printf format: it runs for every message. */
static void script_expression_append_number(struct iotify_buffer *out, int64_t value)
{
    char digits[24];
    size_t at = sizeof(digits);
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (value < 0)
        digits[--at] = '-';
    iotify_buffer_append(out, digits + at, sizeof(digits) - at);
}

bool script_expand(struct script *script, const struct expression *expression,
    struct script_turn turn, struct iotify_buffer *out, struct script_error *error)
{
    for (size_t i = 0; i < expression->count; i++) {
        const struct script_expression_part *part = &expression->parts[i];

        switch (part->kind) {
        case LITERAL:
            iotify_buffer_string(out, part->text);
            break;
        case THE_CLIENT:
            script_expression_append_number(out, turn.client);
            break;
        case THE_ITERATION:
            script_expression_append_number(out, turn.iteration);
            break;
        case EXPRESSION:
            if (!script_expression_expand_part(script, expression, part, turn, out, error))
                return false;
        }
    }
    return script_fits(out, expression->location, expression->setting, &script->error_arena, error);
}

void script_client_id(struct script *script, const struct expression *expression)
{
    JSContextRef context = script->context;
    JSObjectRef parts = JSObjectMakeArray(context, 0, NULL, NULL);
    JSValueRef argument = parts;

    for (size_t i = 0; expression && i < expression->count; i++) {
        const struct script_expression_part *part = &expression->parts[i];

        JSObjectSetPropertyAtIndex(context, parts, (unsigned)i,
            part->kind == LITERAL ? script_text_value(context, part->text)
                                  : (JSValueRef)part->expression,
            NULL);
    }
    JSObjectCallAsFunction(context, script->set_client_id, NULL, 1, &argument, NULL);
}
