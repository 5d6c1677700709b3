/* SPDX-License-Identifier: Apache-2.0 */
/* The template's code in its forms: function bodies, library, script file, stages, data. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/script/script_internal.h"

const char *const script_function_names[SCRIPT_FUNCTIONS] = {
    "init", "message", "response", "finish"};

static bool script_code_is_blank(const char *text)
{
    return !text || text[strspn(text, " \t\r\n")] == '\0';
}

static int script_code_line_count(const char *text)
{
    int count = 0;

    for (; *text; text++)
        count += *text == '\n' || !text[1];
    return count ? count : 1;
}

/* ------------------------------------------------------------------ evaluating */

/* A text whose lines are not lines of the file gets a name of its own. */
static const char *script_code_file_name(struct script *script, const struct script_code *code)
{
    return code->source_map ? arena_format(&script->arena, "%s#%d.%d", code->location.file,
                                  code->location.line, code->location.column)
                            : code->location.file;
}

static void script_code_note_region(struct script *script, const struct script_code *code,
    const char *before, int wrapper_line, bool foreign)
{
    struct script_region *region = arena_alloc(&script->arena, sizeof(*region));

    *region = (struct script_region){.file = code->location.file,
        .engine = script_code_file_name(script, code),
        .first = code->location.line,
        .last = code->location.line + script_code_line_count(code->text) - 1,
        .shift = code->location.column - 1,
        .first_shift = wrapper_line == code->location.line ? -(int)strlen(before) : 0,
        .text = foreign ? "" : code->text,
        .source_map = code->source_map,
        .headed = wrapper_line < code->location.line,
        .foreign = foreign,
        .next = script->regions};
    script->regions = region;
}

JSValueRef script_evaluate(struct script *script, const struct script_code *code,
    const char *before, const char *after, bool foreign, JSValueRef *exception)
{
    /* JavaScriptCore counts lines from 1: the wrapper is on the line before, if there is one. */
    bool own_line = *before && code->location.line > 1;
    int line = own_line ? code->location.line - 1 : code->location.line;
    size_t size = strlen(before) + strlen(code->text) + strlen(after) + 2;
    char *whole = memory_new(1, size);
    JSStringRef source, file = script_string(script_code_file_name(script, code));
    JSValueRef value;

    snprintf(whole, size, "%s%s%s%s", before, own_line ? "\n" : "", code->text, after);
    source = script_string(whole);
    free(whole);
    script_code_note_region(script, code, before, line, foreign);
    value = JSEvaluateScript(script->context, source, NULL, file, line, exception);
    JSStringRelease(source);
    JSStringRelease(file);
    return value;
}

static bool script_code_report(struct script *script, JSValueRef exception,
    struct location location, struct diagnostics *diagnostics)
{
    struct script_error error;

    script_describe(script, exception, location, &error);
    diagnostics_add(diagnostics, error.location, "%s", error.text);
    return false;
}

/* ------------------------------------------------------------------ function bodies */

/* JavaScriptCore adds two lines before a function's body, and counts from line 1 at least. */
static int script_code_engine_line(int line)
{
    return line > 3 ? line - 2 : 1;
}

/* Convert the line of a syntax error to a line of the file. */
static void script_code_correct_line(struct script *script, JSValueRef exception, int line)
{
    JSObjectRef object;
    double reported;

    if (!exception || !JSValueIsObject(script->context, exception))
        return;
    object = JSValueToObject(script->context, exception, NULL);
    reported =
        JSValueToNumber(script->context, script_property(script->context, object, "line"), NULL);
    script_set(script->context, object, "line",
        JSValueMakeNumber(script->context, reported - (script_code_engine_line(line) + 2 - line)));
}

/* Check that the text is exactly one function body. NULL, or the exception. */
static JSValueRef script_code_check_body(
    struct script *script, const struct script_code *code, bool async)
{
    JSStringRef text, file = script_string(script_code_file_name(script, code));
    JSValueRef exception = NULL;
    size_t size = strlen(code->text) + 64;
    char *whole = memory_new(1, size);

    /* `await` is a keyword only inside an async function, so the body is wrapped in one. */
    snprintf(whole, size, "%s%s%s", async ? "async function body() {" : "", code->text,
        async ? "\n}" : "");
    text = script_string(whole);
    free(whole);
    JSObjectMakeFunction(script->context, NULL, 0, NULL, text, file,
        script_code_engine_line(code->location.line), &exception);
    JSStringRelease(text);
    JSStringRelease(file);
    script_code_correct_line(script, exception, code->location.line);
    return exception;
}

/*
 * Code after an await, and an unhandled rejection, see the turn of the entry that they run in: an
 * entry must not contain more than one call of such code.
 */
void script_note_async(struct script *script, const char *text, bool foreign)
{
    script->alone = script->alone || strstr(text, "async") || (!foreign && strstr(text, "Promise"));
}

/* Give a function of the template its `this`; the result is protected from garbage collection. */
static JSObjectRef script_code_bind(struct script *script, JSValueRef function)
{
    JSValueRef bound = script_call(script, script->bind, 1, &function, NULL);

    JSValueProtect(script->context, bound);
    return JSValueToObject(script->context, bound, NULL);
}

/* Behind the parenthesis that closes the one at the beginning; the end: none does. */
static const char *script_code_after_parentheses(const char *text)
{
    int depth = 0;

    for (; *text; text++) {
        depth += (*text == '(') - (*text == ')');
        if (depth == 0)
            return text + 1;
    }
    return text;
}

static bool script_code_begins_function(const char *text)
{
    static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_$";
    const char *after;

    if (strncmp(text, "async", 5) == 0 && text[5] && strchr(" \t(", text[5]))
        text += 5 + strspn(text + 5, " \t");
    if (strncmp(text, "function", 8) == 0 && text[8] && strchr(" \t\n(*", text[8]))
        return true;
    after = *text == '(' ? script_code_after_parentheses(text) : text + strspn(text, word);
    return strncmp(after + strspn(after, " \t"), "=>", 2) == 0;
}

/*
 * Is the text a whole function, as `(state) => "x"`, and not the body of one? As a body it would do
 * nothing. If statements follow a function declaration, the text is a body, and not an expression.
 */
static bool script_code_is_function(struct script *script, const char *text)
{
    size_t size;
    char *whole;
    JSStringRef source;
    bool good;

    text += strspn(text, " \t\r\n");
    if (!script_code_begins_function(text))
        return false;
    size = strlen(text);
    while (size > 0 && strchr(" \t\r\n;", text[size - 1]))
        size--;
    whole = memory_new(1, size + sizeof("(\n)"));
    snprintf(whole, size + sizeof("(\n)"), "(%.*s\n)", (int)size, text);
    source = script_string(whole);
    good = JSCheckScriptSyntax(script->context, source, NULL, 1, NULL);
    JSStringRelease(source);
    free(whole);
    return good;
}

/* Compile a body to a function, protected from garbage collection. NULL after a diagnostic. */
static JSObjectRef script_code_compile_body(struct script *script, const char *name,
    const char *parameters, const struct script_code *code, struct diagnostics *diagnostics)
{
    /* Outside an async function, `await (x)` calls a function named await. */
    bool async = strstr(code->text, "await") && !script_code_check_body(script, code, true);
    JSValueRef broken = async ? NULL : script_code_check_body(script, code, false),
               exception = NULL, value;
    char before[128];

    arena_wipe(&script->error_arena);
    /* The body is meant to be asynchronous: report the error of that form. */
    if (broken && strstr(code->text, "await"))
        broken = script_code_check_body(script, code, true);
    snprintf(
        before, sizeof(before), "(%sfunction %s(%s) {", async ? "async " : "", name, parameters);
    script->alone = script->alone || async;
    script_note_async(script, code->text, false);
    value = script_evaluate(script, code, before, "\n})", false, &exception);
    if (script_code_is_function(script, code->text)) {
        diagnostics_add(diagnostics, code->location,
            "\"%s\" takes the body of a function, and this is a whole function; write what stands "
            "between its braces, with return",
            name);
        return NULL;
    }
    if (broken || !value) {
        script_code_report(script, broken ? broken : exception, code->location, diagnostics);
        return NULL;
    }
    return script_code_bind(script, value);
}

static const char *script_code_parameters_of(enum script_function function)
{
    return function == SCRIPT_RESPONSE ? "topic, response, state" : "state";
}

bool script_compile(struct script *script, enum script_function function,
    const struct script_code *code, struct diagnostics *diagnostics)
{
    JSObjectRef compiled;

    if (script_code_is_blank(code->text))
        return true;
    compiled = script_code_compile_body(script, script_function_names[function],
        script_code_parameters_of(function), code, diagnostics);
    if (compiled)
        script->bodies[function] = (struct script_body){compiled, code->location};
    return compiled != NULL;
}

bool script_stages(struct script *script, const struct script_stage *stages, size_t count,
    struct diagnostics *diagnostics)
{
    JSContextRef context = script->context;
    JSObjectRef names = JSObjectMakeArray(context, 0, NULL, NULL);
    JSObjectRef functions = JSObjectMakeArray(context, 0, NULL, NULL);
    JSValueRef arguments[2] = {names, functions}, dispatcher;
    bool good = true;

    for (size_t i = 0; i < count; i++) {
        struct script_code code = stages[i].code;
        JSObjectRef function;

        if (script_code_is_blank(code.text))
            code.text = "";
        function = script_code_compile_body(script, "message", "state", &code, diagnostics);
        good = good && function;
        if (!function)
            continue;
        JSObjectSetPropertyAtIndex(
            context, names, (unsigned)i, script_text_value(context, stages[i].name), NULL);
        JSObjectSetPropertyAtIndex(context, functions, (unsigned)i, function, NULL);
    }
    if (!good || count == 0)
        return good;
    dispatcher = JSObjectCallAsFunction(context, script->make_stages, NULL, 2, arguments, NULL);
    if (!dispatcher)
        return false;
    script->bodies[SCRIPT_MESSAGE] =
        (struct script_body){JSValueToObject(context, dispatcher, NULL), stages[0].code.location};
    JSValueProtect(context, dispatcher);
    return true;
}

/* ------------------------------------------------------------------ library and script file */

/* The code of the library and of `script:` runs before any client, and with --check without a
 * store. */
static void script_code_begin_loading(struct script *script)
{
    script->loading = true;
    script_enter(script, (struct script_turn){-1, -1, -1});
}

/* False after a diagnostic. */
static bool script_code_end_loading(struct script *script, JSValueRef value, JSValueRef exception,
    struct location location, struct diagnostics *diagnostics)
{
    struct script_error error;

    script_leave(script);
    script->loading = false;
    if (!value || script->timed_out)
        return script_code_report(script, exception, location, diagnostics);
    if (!script_take_rejected(script, location, &error))
        return true;
    diagnostics_add(diagnostics, error.location, "%s", error.text);
    return false;
}

bool script_library(
    struct script *script, const struct script_code *code, struct diagnostics *diagnostics)
{
    JSValueRef exception = NULL, value;

    if (script_code_is_blank(code->text))
        return true;
    script_note_async(script, code->text, false);
    script_code_begin_loading(script);
    value = script_evaluate(script, code, "", "", false, &exception);
    return script_code_end_loading(script, value, exception, code->location, diagnostics);
}

bool script_file(struct script *script, const char *path, struct location blamed,
    struct diagnostics *diagnostics)
{
    JSContextRef context = script->context;
    JSObjectRef names = JSObjectMakeArray(context, 0, NULL, NULL);
    JSValueRef arguments[2], exception = NULL, value;
    char resolved[PATH_MAX];

    if (!realpath(path, resolved)) {
        diagnostics_add(diagnostics, blamed, "cannot read %s: %s", path, strerror(errno));
        return false;
    }
    for (unsigned i = 0; i < SCRIPT_FUNCTIONS; i++)
        JSObjectSetPropertyAtIndex(
            context, names, i, script_text_value(context, script_function_names[i]), NULL);
    arguments[0] = script_text_value(context, resolved);
    arguments[1] = names;
    script_code_begin_loading(script);
    value = JSObjectCallAsFunction(context, script->load_script, NULL, 2, arguments, &exception);
    if (!script_code_end_loading(script, value, exception, blamed, diagnostics))
        return false;
    for (unsigned i = 0; i < SCRIPT_FUNCTIONS; i++) {
        JSValueRef function =
            JSObjectGetPropertyAtIndex(context, JSValueToObject(context, value, NULL), i, NULL);

        if (script->bodies[i].function || !JSValueIsObject(context, function))
            continue;
        script->bodies[i] = (struct script_body){
            script_code_bind(script, function), {script_shown_path(script, resolved), 1, 1}};
    }
    return true;
}

/* ------------------------------------------------------------------ data */

static bool script_code_ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), size = strlen(end);

    return length >= size && strcasecmp(text + length - size, end) == 0;
}

int64_t script_data(struct script *script, const char *path, struct location blamed,
    struct diagnostics *diagnostics)
{
    JSContextRef context = script->context;
    bool csv = script_code_ends_with(path, ".csv");
    JSValueRef arguments[3], exception = NULL, value;
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path, *why;

    if (!csv && !script_code_ends_with(path, ".jsonl") && !script_code_ends_with(path, ".ndjson")) {
        diagnostics_add(diagnostics, blamed,
            "\"data\" takes a .csv file, or a .jsonl file with one JSON object per line");
        return -1;
    }
    arguments[0] = script_file_text(context, path, &why);
    if (!arguments[0]) {
        diagnostics_add(diagnostics, blamed, "cannot read %s: %s", name, why);
        return -1;
    }
    arguments[1] = JSValueMakeBoolean(context, csv);
    arguments[2] = script_text_value(context, name);
    script_enter(script, (struct script_turn){-1, -1, -1});
    value = JSObjectCallAsFunction(context, script->read_rows, NULL, 3, arguments, &exception);
    script_leave(script);
    if (!value || script->timed_out) {
        script_code_report(script, exception, blamed, diagnostics);
        return -1;
    }
    script->rows = (int64_t)JSValueToNumber(context, value, NULL);
    return script->rows;
}

int64_t script_rows(const struct script *script)
{
    return script->rows;
}

bool script_helpers(struct script *script, const char *name, const char *source)
{
    const struct script_code code = {source, {name, 1, 1}, NULL};
    JSValueRef exception = NULL, make, value = NULL;

    script_note_async(script, source, true);
    make = script_evaluate(script, &code, "", "", true, &exception);
    if (make)
        value = JSObjectCallAsFunction(
            script->context, script->add_helpers, NULL, 1, &make, &exception);
    return value != NULL;
}
