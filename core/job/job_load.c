/* SPDX-License-Identifier: Apache-2.0 */
/* Read a job file, fill in its defaults and load its plugins. */
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/job/job_internal.h"
#include "core/settings/override.h"

static const char *const use_key[] = {"use", NULL};

struct location job_loader_root_location(const struct job_loader *loader)
{
    return (struct location){loader->job->file, 1, 1};
}

/* ------------------------------------------------------------------ plugins */

/* Add an alias that the job file does not list. */
static void job_load_add_default_plugin(
    struct job_loader *loader, struct node *plugins, const char *alias, const char *use)
{
    struct arena *arena = &loader->job->arena;
    struct node *map, *value;

    if (node_get(plugins, alias))
        return;
    map = node_new(arena, NODE_MAP, plugins);
    value = node_new(arena, NODE_SCALAR, plugins);
    value->text = use;
    node_set(arena, map, "use", value);
    node_set(arena, plugins, alias, map);
}

/*
 * Add what the job file leaves out: the store, and aliases that only --set names, as in
 * plugins.mqtt.alpn; such an alias is the name of a plugin.
 */
static void job_load_fill_in_defaults(struct job_loader *loader)
{
    static const char prefix[] = "plugins.";
    struct arena *arena = &loader->job->arena;
    struct node *plugins = node_get(loader->root, "plugins");

    if (!plugins || plugins->kind != NODE_MAP || plugins->count == 0)
        return;
    job_load_add_default_plugin(loader, plugins, "glob", "sqlite");
    for (size_t i = 0; i < loader->request->override_count; i++) {
        const char *text = loader->request->overrides[i], *alias = text + strlen(prefix);
        size_t length;

        if (strncmp(text, prefix, strlen(prefix)) != 0)
            continue;
        length = strcspn(alias, ".=");
        if (alias[length] == '.')
            job_load_add_default_plugin(loader, plugins, arena_copy(arena, alias, length),
                arena_copy(arena, alias, length));
    }
}

static const struct plugin *job_load_plugin_file(
    struct job_loader *loader, const struct node *use, const char *name)
{
    const struct plugin *plugin = NULL;
    const char *text;

    switch (registry_load(loader->registry, name, &plugin, &text)) {
    case REGISTRY_OK:
        break;
    case REGISTRY_UNKNOWN:
        diagnostics_add(loader->diagnostics, use->location, "%s", text);
        break;
    case REGISTRY_REFUSED:
        break;
    }
    return plugin;
}

static void job_load_bind_plugin(struct job_loader *loader, const struct node_pair *pair)
{
    struct job *job = loader->job;
    struct job_plugin *entry = &job->plugins[job->plugin_count];
    const struct node *use = node_get(pair->value, "use");
    size_t before = loader->diagnostics->count;
    const char *name;

    *entry = (struct job_plugin){
        .alias = pair->key->text, .node = pair->value, .location = pair->key->location};
    if (!job_valid_name(entry->alias) || strchr(entry->alias, '.')) {
        diagnostics_add(loader->diagnostics, entry->location,
            "an alias is made of letters, digits, _ and -, not \"%s\"", entry->alias);
        return;
    }
    if (!use || use->kind != NODE_SCALAR || !*use->text) {
        diagnostics_add(loader->diagnostics, use ? use->location : entry->location,
            "\"%s\" needs the setting \"use\": the name of a plugin", entry->alias);
        return;
    }
    name = binder_text(&job->binder, use);
    entry->plugin = name ? job_load_plugin_file(loader, use, name) : NULL;
    if (!entry->plugin)
        return;
    entry->options = schema_bind(&job->binder, entry->plugin->descriptor.settings, pair->value,
        arena_format(&job->arena, "plugin %s", entry->plugin->name), entry->location, use_key,
        NULL);
    entry->valid = loader->diagnostics->count == before;
    job->plugin_count++;
}

static void job_load_find_roles(struct job_loader *loader)
{
    struct job *job = loader->job;
    size_t connectors = 0;

    for (size_t i = 0; i < job->plugin_count; i++) {
        struct job_plugin *entry = &job->plugins[i];

        if (strcmp(entry->alias, "glob") == 0)
            job->storage = entry;
        if (entry->plugin->descriptor.kind == IOTIFY_KIND_CONNECTOR && connectors++ == 0)
            job->connector = entry;
    }
    if (connectors > 1)
        job->connector = NULL;
    if (connectors > 1 && !node_get(loader->root, "pipelines"))
        diagnostics_add(loader->diagnostics, node_get(loader->root, "plugins")->location,
            "a job with several connectors needs \"pipelines\" of its own");
    if (connectors && job->storage &&
        job->storage->plugin->storage.durability == IOTIFY_DURABILITY_VOLATILE)
        diagnostics_add(loader->diagnostics, node_get(job->storage->node, "use")->location,
            "provisioning needs a durable store: %s forgets the private keys when the run ends; "
            "use sqlite or file",
            job->storage->plugin->name);
    if (job->storage && job->storage->plugin->descriptor.kind != IOTIFY_KIND_STORAGE)
        diagnostics_add(loader->diagnostics, node_get(job->storage->node, "use")->location,
            "the alias \"glob\" is the store, and %s is a %s plugin", job->storage->plugin->name,
            plugin_kind_name(job->storage->plugin->descriptor.kind));
}

static void job_load_bind_plugins(struct job_loader *loader)
{
    struct job *job = loader->job;
    struct node *plugins = node_get(loader->root, "plugins");

    if (!plugins || plugins->kind != NODE_MAP || plugins->count == 0) {
        diagnostics_add(loader->diagnostics,
            plugins ? plugins->location : job_loader_root_location(loader),
            "the job file needs the setting \"plugins\": a mapping such as "
            "glob: {use: sqlite}");
        return;
    }
    job->plugins = arena_array(&job->arena, plugins->count, sizeof(*job->plugins));
    for (size_t i = 0; i < plugins->count; i++)
        job_load_bind_plugin(loader, &plugins->pairs[i]);
    job_load_find_roles(loader);
}

/* ------------------------------------------------------------------ the job */

/* Replace `devices: 100` by its long form, so that --set devices.first can be applied. */
static void job_load_expand_devices(struct job_loader *loader)
{
    struct arena *arena = &loader->job->arena;
    struct node *devices = node_get(loader->root, "devices"), *map;

    if (!devices || devices->kind != NODE_SCALAR)
        return;
    map = node_new(arena, NODE_MAP, devices);
    node_set(arena, map, "count", devices);
    node_set(arena, loader->root, "devices", map);
}

/*
 * Apply --set: first to what the file defines; when the defaults exist, to pipelines and run
 * (`late`).
 */
static void job_load_override(struct job_loader *loader, bool late)
{
    for (size_t i = 0; i < loader->request->override_count; i++) {
        const char *text = loader->request->overrides[i];

        if ((override_is_for(text, "pipelines") || override_is_for(text, "run")) != late)
            continue;
        if (strncmp(text, "devices.", 8) == 0)
            job_load_expand_devices(loader);
        override_apply(&loader->job->arena, loader->diagnostics, loader->root, text);
    }
}

static bool job_load_read_tree(struct job_loader *loader)
{
    struct job *job = loader->job;
    const struct source *source =
        source_read(&job->arena, loader->diagnostics, job->file, job->file);
    char directory[PATH_MAX];

    if (!source)
        return false;
    loader->root = tree_parse(&job->arena, loader->diagnostics, source);
    if (!loader->root)
        return false;
    if (loader->root->kind != NODE_MAP) {
        diagnostics_add(loader->diagnostics, loader->root->location,
            "a job file is a mapping, not %s", node_kind_name(loader->root));
        return false;
    }
    if (!realpath(dirname(arena_string(&job->arena, job->file)), directory))
        memcpy(directory, ".", 2);
    job->directory = arena_string(&job->arena, directory);
    job->binder = (struct binder){
        .arena = &job->arena,
        .diagnostics = loader->diagnostics,
        .directory = job->directory,
        .environment = true,
    };
    return true;
}

bool job_load(struct job *job, struct registry *registry, const struct job_request *request,
    struct diagnostics *diagnostics)
{
    struct job_loader loader = {job, registry, request, diagnostics, NULL};

    *job = (struct job){.file = request->file, .registry = registry};
    if (!job_load_read_tree(&loader))
        return false;
    job_load_fill_in_defaults(&loader);
    job_load_override(&loader, false);
    job_loader_bind_settings(&loader);
    job_load_bind_plugins(&loader);
    if (registry->refused)
        return false;
    job_loader_fill_in_pipelines(&loader);
    job_loader_fill_in_run(&loader);
    job_load_override(&loader, true);
    job_loader_bind_pipelines(&loader);
    job_loader_bind_run(&loader);
    job_loader_open(&loader);
    job_loader_check_glob_keys(&loader);
    return diagnostics->count == 0;
}

const struct pipeline *job_pipeline(const struct job *job, const char *name)
{
    for (size_t i = 0; i < job->pipeline_count; i++)
        if (strcmp(job->pipelines[i].name, name) == 0)
            return &job->pipelines[i];
    return NULL;
}

struct job_plugin *job_plugin(const struct job *job, const char *alias)
{
    for (size_t i = 0; i < job->plugin_count; i++)
        if (strcmp(job->plugins[i].alias, alias) == 0)
            return &job->plugins[i];
    return NULL;
}
