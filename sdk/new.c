/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program behind `iotifyd plugins new KIND NAME`: it makes a folder with a plugin of that kind,
 * its build files and its test, from the files in sdk/examples, which are compiled in. In these,
 *
 *     example              is the name
 *     example_, EXAMPLE_   is the name as the beginning of a C identifier
 *     @kind@               is the kind
 *     #[word] line         is a line for one kind or language only
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/program.h"
#include "core/base/stop.h"
#include "core/cli/exit_code.h"
#include "core/plugin/negotiate.h"
#include "core/plugin/registry.h"

extern const char new_storage[], new_transport[], new_connector[], new_cmake[], new_makefile[],
    new_readme[], new_test[], new_server[];

struct new_plugin {
    const char *kind, *name, *language;
    char identifier[80];
};

struct new_file {
    const char *text, *name, *kind; /* kind NULL: of every plugin */
    mode_t mode;
};

static const struct new_file new_files[] = {{new_storage, "example.c", "storage", 0666},
    {new_transport, "example.c", "transport", 0666},
    {new_connector, "example.c", "connector", 0666}, {new_cmake, "CMakeLists.txt", NULL, 0666},
    {new_makefile, "Makefile", NULL, 0666}, {new_readme, "README.md", NULL, 0666},
    {new_test, "test.sh", NULL, 0777}, {new_server, "server.py", "transport", 0666}};

static int new_usage(const char *text)
{
    fprintf(stderr,
        "iotifyd: plugins new storage|transport|connector NAME [--language c|c++]: %s\n", text);
    return EXIT_USAGE;
}

static bool new_starts_with(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

/* Whether a line is for this plugin; `line` moves behind what marks it. */
static bool new_takes_line(const struct new_plugin *plugin, const char **line)
{
    const char *end = new_starts_with(*line, "#[") ? strstr(*line, "] ") : NULL;
    size_t size;

    if (!end)
        return true;
    size = (size_t)(end - *line) - 2;
    if ((strlen(plugin->kind) != size || strncmp(*line + 2, plugin->kind, size) != 0) &&
        (strlen(plugin->language) != size || strncmp(*line + 2, plugin->language, size) != 0))
        return false;
    *line = end + 2;
    return true;
}

/* Write one line, or a name, with what stands for this plugin. */
static void new_write_line(FILE *file, const struct new_plugin *plugin, const char *line)
{
    while (*line && *line != '\n') {
        if (new_starts_with(line, "@kind@")) {
            fputs(plugin->kind, file);
            line += strlen("@kind@");
        } else if (new_starts_with(line, "example_")) {
            fputs(plugin->identifier, file);
            line += strlen("example");
        } else if (new_starts_with(line, "EXAMPLE_")) {
            for (const char *at = plugin->identifier; *at; at++)
                fputc(toupper((unsigned char)*at), file);
            line += strlen("EXAMPLE");
        } else if (new_starts_with(line, "example.c")) {
            fprintf(file, "%s.%s", plugin->name, strcmp(plugin->language, "c") == 0 ? "c" : "cc");
            line += strlen("example.c");
        } else if (new_starts_with(line, "example")) {
            fputs(plugin->name, file);
            line += strlen("example");
        } else {
            fputc(*line++, file);
        }
    }
}

static void new_name(const struct new_plugin *plugin, const char *name, char *out, size_t size)
{
    FILE *file = fmemopen(out, size, "w");

    if (!file)
        abort();
    fprintf(file, "%s/", plugin->name);
    new_write_line(file, plugin, name);
    fputc('\0', file);
    fclose(file);
}

static bool new_write_file(const struct new_plugin *plugin, const struct new_file *from)
{
    char name[200];
    FILE *file;
    bool good;

    new_name(plugin, from->name, name, sizeof(name));
    file = fopen(name, "wx");
    if (!file)
        return false;
    for (const char *line = from->text; *line;) {
        const char *at = line, *end = strchr(line, '\n');

        if (new_takes_line(plugin, &at)) {
            new_write_line(file, plugin, at);
            fputc('\n', file);
        }
        line = end ? end + 1 : line + strlen(line);
    }
    good = !ferror(file);
    return fclose(file) == 0 && (from->mode != 0777 || chmod(name, 0755) == 0) && good;
}

/* Where iotify-sdk.pc is, seen from this program. */
static const char *new_package_folder(struct arena *arena)
{
    const char *folder = arena_format(arena, "%s/../lib/pkgconfig", program_folder(arena));
    char *path = realpath(folder, NULL);

    if (path)
        folder = arena_string(arena, path);
    free(path);
    return folder;
}

/* All or nothing. */
static int new_write_folder(const struct new_plugin *plugin)
{
    struct arena arena = {0};
    size_t count = sizeof(new_files) / sizeof(new_files[0]);
    bool good = true;
    char name[200];
    int error;

    if (mkdir(plugin->name, 0755) != 0) {
        fprintf(stderr, "iotifyd: cannot make the folder %s: %s\n", plugin->name, strerror(errno));
        return errno == EEXIST ? EXIT_USAGE : EXIT_STEP_FAILED;
    }
    for (size_t i = 0; i < count && good; i++)
        if (!new_files[i].kind || strcmp(new_files[i].kind, plugin->kind) == 0)
            good = new_write_file(plugin, &new_files[i]);
    if (good) {
        printf(
            "%s: a %s plugin, with its build files and its test. README.md says how to go on; with "
            "make:\n\n    cd %s && PKG_CONFIG_PATH=%s make test\n",
            plugin->name, plugin->kind, plugin->name, new_package_folder(&arena));
        arena_clear(&arena);
        return EXIT_DONE;
    }
    error = errno;
    for (size_t i = 0; i < count; i++) {
        new_name(plugin, new_files[i].name, name, sizeof(name));
        unlink(name);
    }
    rmdir(plugin->name);
    fprintf(stderr, "iotifyd: cannot write the files of %s: %s\n", plugin->name, strerror(error));
    return EXIT_STEP_FAILED;
}

/* A plugin of the user's path comes before one that is installed. */
static void new_warn_of_name(const char *name)
{
    const struct plugin *plugin;
    struct registry registry;
    const char *text;

    registry_init(&registry);
    if (registry_load(&registry, name, &plugin, &text) == REGISTRY_OK)
        fprintf(stderr,
            "iotifyd: there is a plugin %s already, %s; the new one can take its place\n", name,
            plugin->path);
    registry_clear(&registry);
}

/* Words that the commands, the build files or the headers use. */
static bool new_is_reserved(const char *name)
{
    static const char *const words[] = {"iotify", "test", "new", "all", "clean", "install"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i], name) == 0)
            return true;
    return false;
}

int main(int count, char **arguments)
{
    struct new_plugin plugin = {.language = "c"};

    stop_install();

    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--language") == 0 && i + 1 < count)
            plugin.language = arguments[++i];
        else if (!plugin.kind)
            plugin.kind = arguments[i];
        else if (!plugin.name)
            plugin.name = arguments[i];
        else
            return new_usage("that is one word too many");
    }
    if (!plugin.kind || !plugin.name)
        return new_usage("kind and name are missing");
    if (strcmp(plugin.kind, "storage") != 0 && strcmp(plugin.kind, "transport") != 0 &&
        strcmp(plugin.kind, "connector") != 0)
        return new_usage("the kind is none of these");
    if (strcmp(plugin.language, "c") != 0 && strcmp(plugin.language, "c++") != 0)
        return new_usage("the language is none of these");
    if (!negotiate_name_valid(plugin.name) || !islower((unsigned char)*plugin.name))
        return new_usage(
            "a name is at most 64 lower-case letters, digits, - and _, and begins with a "
            "letter");
    if (new_is_reserved(plugin.name))
        return new_usage("this name has a meaning of its own; take another");
    snprintf(plugin.identifier, sizeof(plugin.identifier), "%s", plugin.name);
    for (char *at = plugin.identifier; *at; at++)
        if (*at == '-')
            *at = '_';
    new_warn_of_name(plugin.name);
    return new_write_folder(&plugin);
}
