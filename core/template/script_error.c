/* Exceptions in the user's words: file, line and column of the template. */
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/template/script_machine.h"

static int integer_of(JSContextRef context, JSObjectRef object, const char *name)
{
    JSValueRef value = script_property(context, object, name);

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
int script_engine_line(int line)
{
    return line > 3 ? line - 2 : 1;
}

static int line_surplus(int line)
{
    return script_engine_line(line) + 2 - line;
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
void script_describe(struct script *script, JSValueRef exception, struct place place,
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
    error->text = script_text(context, arena, exception);
    if (!JSValueIsObject(context, exception)) {
        error->text = arena_format(arena, "threw %s", error->text);
        return;
    }
    {
        JSObjectRef object = JSValueToObject(context, exception, NULL);
        int line = integer_of(context, object, "line");
        int column = integer_of(context, object, "column");
        JSValueRef stack = script_property(context, object, "stack");

        if (stack && JSValueIsString(context, stack))
            error->stack = script_text(context, arena, stack);
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

/* The output buffer has a ceiling; say so when a value goes beyond it. */
bool script_fits(const struct iotify_buffer *out, struct place place, const char *what,
    struct arena *arena, struct script_error *error)
{
    if (!out->failed)
        return true;
    *error = (struct script_error){
        place, arena_format(arena, "%s is larger than %zu MiB", what, out->ceiling >> 20), ""};
    return false;
}
