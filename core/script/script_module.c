/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that scripts may read: modules below the template's folder, in a node_modules next to
 * the job file, and in the program's own; and data files of helpers below the template's folder. A
 * symbolic link out of these folders is rejected.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/program.h"
#include "core/base/utf8.h"
#include "core/script/script_internal.h"

#define FILE_MAX (256 << 20)

static const char *script_module_real_folder(struct script *script, const char *path)
{
    char resolved[PATH_MAX];

    return arena_string(&script->arena, realpath(path, resolved) ? resolved : "");
}

/* bin/../share/iotify/node_modules, in the build tree and where it is installed. */
static const char *script_module_find_own_modules(struct script *script)
{
    return script_module_real_folder(
        script, arena_format(&script->arena, "%s/../share/iotify/node_modules",
                    program_folder(&script->arena)));
}

void script_find_folders(struct script *script)
{
    const struct script_facts *facts = &script->facts;

    script->own_modules = script_module_find_own_modules(script);
    script->folder = facts->folder
                         ? script_module_real_folder(script, *facts->folder ? facts->folder : ".")
                         : "";
    script->job_modules = facts->job_folder ? script_module_real_folder(script,
                                                  arena_format(&script->arena, "%s/node_modules",
                                                      *facts->job_folder ? facts->job_folder : "."))
                                            : "";
}

static bool script_module_is_below(const char *path, const char *folder)
{
    size_t length = strlen(folder);

    return length && strncmp(path, folder, length) == 0 && path[length] == '/';
}

/* Read an open file completely; NULL: `why` is the reason. */
static char *script_module_read_open(int descriptor, size_t *size, const char **why)
{
    struct stat about;
    char *text;
    size_t at = 0;
    ssize_t got = 1;

    if (fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode)) {
        *why = "it is not a regular file";
        return NULL;
    }
    if (about.st_size > FILE_MAX) {
        *why = "it is larger than 256 MiB";
        return NULL;
    }
    text = memory_new(1, (size_t)about.st_size + 1);
    while (at < (size_t)about.st_size && got > 0) {
        got = read(descriptor, text + at, (size_t)about.st_size - at);
        at += got > 0 ? (size_t)got : 0;
    }
    *size = at;
    if (got >= 0)
        return text;
    *why = strerror(errno);
    free(text);
    return NULL;
}

/* The length of the valid UTF-8 without NUL at the start. */
static size_t script_module_text_length(const char *text, size_t size)
{
    size_t at = 0, length = 1;

    for (; at < size && text[at] && length; at += length)
        length = utf8_size((const unsigned char *)text + at, size - at);
    return at;
}

JSValueRef script_file_text(JSContextRef context, const char *path, const char **why)
{
    static const char mark[] = "\xef\xbb\xbf";
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    JSValueRef value = NULL;
    char *text;
    size_t size = 0, bad;

    if (descriptor < 0) {
        *why = strerror(errno);
        return NULL;
    }
    text = script_module_read_open(descriptor, &size, why);
    close(descriptor);
    if (!text)
        return NULL;
    bad = script_module_text_length(text, size);
    if (bad < size)
        *why = text[bad] ? "it is not UTF-8 text" : "it is not text: it holds a NUL";
    else
        value = script_text_value(context, strncmp(text, mark, 3) == 0 ? text + 3 : text);
    explicit_bzero(text, size);
    free(text);
    return value;
}

/* (path): the text; undefined when scripts may not read it or it does not exist. */
static JSValueRef script_module_load(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct script *script = script_of(function);
    JSValueRef value = JSValueMakeUndefined(context);
    struct arena arena = {0};
    char resolved[PATH_MAX];
    const char *path = script_text(context, &arena, arguments[0]), *why;
    struct stat about;

    (void)self, (void)count;
    if (realpath(path, resolved) && stat(resolved, &about) == 0 && !S_ISDIR(about.st_mode) &&
        (script_module_is_below(resolved, script->folder) ||
            script_module_is_below(resolved, script->own_modules) ||
            script_module_is_below(resolved, script->job_modules))) {
        value = script_file_text(context, resolved, &why);
        if (!value)
            value = script_throw(context, exception,
                arena_format(
                    &arena, "cannot read %s: %s", script_shown_path(script, resolved), why));
    }
    arena_clear(&arena);
    return value;
}

/* (name): the text of a .gpx file below the template's folder. */
static JSValueRef script_module_data(JSContextRef context, JSObjectRef function, JSObjectRef self,
    size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct script *script = script_of(function);
    JSValueRef value = NULL;
    struct arena arena = {0};
    char resolved[PATH_MAX];
    const char *name = script_text(context, &arena, arguments[0]);
    const char *why = "a .gpx file below the template's folder is needed";
    size_t length = strlen(name);

    (void)self, (void)count;
    if (length > 4 && strcmp(name + length - 4, ".gpx") == 0) {
        if (!realpath(arena_format(&arena, "%s/%s", script->folder, name), resolved))
            why = strerror(errno);
        else if (script_module_is_below(resolved, script->folder))
            value = script_file_text(context, resolved, &why);
    }
    if (!value)
        value =
            script_throw(context, exception, arena_format(&arena, "cannot read %s: %s", name, why));
    arena_clear(&arena);
    return value;
}

const char *script_shown_path(struct script *script, const char *path)
{
    size_t length = strlen(script->folder);
    const char *slash;

    if (script_module_is_below(path, script->folder))
        return arena_string(&script->arena, path + length + 1);
    slash = strrchr(script->own_modules, '/');
    length = slash ? (size_t)(slash - script->own_modules) + 1 : 0;
    if (script_module_is_below(path, script->own_modules))
        return arena_string(&script->arena, path + length);
    slash = strrchr(script->job_modules, '/');
    length = slash ? (size_t)(slash - script->job_modules) + 1 : 0;
    return arena_string(
        &script->arena, script_module_is_below(path, script->job_modules) ? path + length : path);
}

/* (path, before, text, after): evaluate a program and return its value. */
static JSValueRef script_module_evaluate(JSContextRef context, JSObjectRef function,
    JSObjectRef self, size_t count, const JSValueRef arguments[], JSValueRef *exception)
{
    struct script *script = script_of(function);
    struct arena arena = {0};
    const char *path = script_text(context, &arena, arguments[0]);
    bool foreign = strstr(path, "/node_modules/") != NULL;
    struct script_code code = {.text = script_text(context, &arena, arguments[2])};
    JSValueRef value;

    (void)self, (void)count;
    code.location = (struct location){script_shown_path(script, path), 1, 1};
    /* The text of packages is not kept: no excerpt of it is ever shown. */
    if (!script_module_is_below(path, script->own_modules))
        script_note_async(script, code.text, foreign);
    if (!foreign)
        code.text = arena_string(&script->arena, code.text);
    value = script_evaluate(script, &code, script_text(context, &arena, arguments[1]),
        script_text(context, &arena, arguments[3]), foreign, exception);
    arena_clear(&arena);
    return value ? value : JSValueMakeUndefined(context);
}

void script_add_modules(struct script *script, JSObjectRef native)
{
    script_add_function(script, native, "readModule", script_module_load);
    script_add_function(script, native, "readData", script_module_data);
    script_add_function(script, native, "evaluate", script_module_evaluate);
}
