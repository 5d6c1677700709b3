/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plugin/registry.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/activity.h"
#include "core/base/program.h"
#include "core/plugin/elf.h"
#include "core/plugin/negotiate.h"
#include "core/plugin/trust.h"

#define FILE_PREFIX "iotify-"
#define FILE_SUFFIX ".so"

const char *plugin_kind_name(enum iotify_kind kind)
{
    switch (kind) {
    case IOTIFY_KIND_CONNECTOR:
        return "connector";
    case IOTIFY_KIND_STORAGE:
        return "storage";
    case IOTIFY_KIND_TRANSPORT:
        return "transport";
    }
    return "unknown";
}

const struct iotify_action *plugin_action(const struct plugin *plugin, const char *name)
{
    for (uint32_t i = 0; i < plugin->descriptor.action_count; i++)
        if (strcmp(plugin->actions[i].name, name) == 0)
            return &plugin->actions[i];
    return NULL;
}

void registry_init(struct registry *registry)
{
    const char *environment = getenv("IOTIFY_PLUGIN_PATH"), *home = getenv("HOME");
    struct arena *arena = &registry->arena;

    *registry = (struct registry){0};
    registry->path = environment && *environment ? arena_format(arena, "%s:", environment) : "";
    if (home && *home == '/')
        registry->path = arena_format(arena, "%s%s/.local/lib/iotify:", registry->path, home);
    registry->path =
        arena_format(arena, "%s%s/../lib/iotify", registry->path, program_folder(arena));
}

void registry_clear(struct registry *registry)
{
    arena_clear(&registry->arena);
    *registry = (struct registry){0};
}

/* ------------------------------------------------------------------ directories of the path */

/* The next directory of a path list, in the arena; NULL at the end. */
static const char *registry_next_folder(struct arena *arena, const char **rest)
{
    while (**rest) {
        size_t length = strcspn(*rest, ":");
        const char *folder = arena_copy(arena, *rest, length);

        *rest += length + ((*rest)[length] == ':');
        if (length)
            return folder;
    }
    return NULL;
}

static const char *registry_find_file(struct registry *registry, const char *name)
{
    const char *rest = registry->path, *folder;

    while ((folder = registry_next_folder(&registry->arena, &rest))) {
        char *found = realpath(
            arena_format(&registry->arena, "%s/" FILE_PREFIX "%s" FILE_SUFFIX, folder, name), NULL);

        if (found) {
            const char *path = arena_string(&registry->arena, found);
            free(found);
            return path;
        }
    }
    return NULL;
}

struct registry_names {
    struct arena arena;
    const char **items;
    size_t count, capacity;
};

static void registry_add_name(struct registry_names *names, const char *file)
{
    size_t prefix = strlen(FILE_PREFIX), suffix = strlen(FILE_SUFFIX), length = strlen(file);

    if (length <= prefix + suffix || strncmp(file, FILE_PREFIX, prefix) != 0 ||
        strcmp(file + length - suffix, FILE_SUFFIX) != 0)
        return;
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? names->capacity * 2 : 16;
        names->items = memory_grow(names->items, names->capacity, sizeof(*names->items));
    }
    names->items[names->count++] =
        arena_copy(&names->arena, file + prefix, length - prefix - suffix);
}

static int registry_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void registry_list(
    struct registry *registry, void (*found)(void *argument, const char *name), void *argument)
{
    struct registry_names names = {0};
    const char *rest = registry->path, *folder;

    while ((folder = registry_next_folder(&names.arena, &rest))) {
        DIR *directory = opendir(folder);
        const struct dirent *entry;

        while (directory && (entry = readdir(directory)))
            registry_add_name(&names, entry->d_name);
        if (directory)
            closedir(directory);
    }
    if (names.count)
        qsort(names.items, names.count, sizeof(*names.items), registry_compare);
    for (size_t i = 0; i < names.count; i++)
        if (i == 0 || strcmp(names.items[i - 1], names.items[i]) != 0)
            found(argument, names.items[i]);
    free(names.items);
    arena_clear(&names.arena);
}

/* ------------------------------------------------------------------ negotiation */

static enum registry_result registry_refuse(
    struct registry *registry, const char *path, const char *why, const char **text)
{
    *text = arena_format(&registry->arena, "plugin %s refused: %s", path, why);
    if (!registry->refused)
        registry->refused = *text;
    return REGISTRY_REFUSED;
}

static void registry_offer_name(void *argument, const char *name)
{
    suggest_offer(argument, name);
}

static enum registry_result registry_report_unknown(
    struct registry *registry, const char *name, const char **text)
{
    struct suggest suggest;

    suggest_init(&suggest, name);
    registry_list(registry, registry_offer_name, &suggest);
    *text = arena_format(&registry->arena, "unknown plugin \"%s\"%s", name,
        suggest_hint(&suggest, "; `iotifyd plugins` lists those installed"));
    return REGISTRY_UNKNOWN;
}

enum registry_result registry_load(
    struct registry *registry, const char *name, const struct plugin **out, const char **text)
{
    const struct iotify_plugin *exported;
    struct plugin *plugin;
    const char *path, *refused;
    struct iotify_plugin head;
    struct activity before;
    size_t size;
    void *handle;

    for (plugin = registry->plugins; plugin; plugin = plugin->next) {
        if (strcmp(plugin->name, name) == 0) {
            *out = plugin;
            return REGISTRY_OK;
        }
    }
    path = negotiate_name_valid(name) ? registry_find_file(registry, name) : NULL;
    if (!path)
        return registry_report_unknown(registry, name, text);
    refused = trust_check(&registry->arena, path);
    if (!refused)
        refused =
            elf_read_symbol(&registry->arena, path, "iotify_plugin", &head, sizeof(head), &size);
    if (!refused)
        refused = negotiate_head(&registry->arena, &head, size);
    if (refused)
        return registry_refuse(registry, path, refused, text);
    plugin = arena_alloc(&registry->arena, sizeof(*plugin));
    plugin->name = arena_string(&registry->arena, name);
    plugin->path = path;
    /* Constructors run. */
    before = activity_begin(plugin->name, "load");
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    activity_end(before);
    if (!handle)
        return registry_refuse(registry, path, dlerror(), text);
    exported = dlsym(handle, "iotify_plugin");
    refused = exported ? negotiate_plugin(&registry->arena, plugin, exported)
                       : "it does not export iotify_plugin";
    dlclose(handle);
    if (refused)
        return registry_refuse(registry, path, refused, text);
    plugin->next = registry->plugins;
    registry->plugins = plugin;
    *out = plugin;
    return REGISTRY_OK;
}
