#include "core/job/job.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/suggest.h"
#include "core/plugin/call.h"
#include "core/settings/override.h"

#define AT(member) offsetof(struct job_options, member)
#define NAME_SETTING                                                                               \
    {                                                                                              \
        "name", IOTIFY_STRING, 0, AT(name), NULL, 0, 0, NULL,                                      \
            "names the job in summaries and in its store; default: the file's name"                \
    }
#define WORKERS_SETTING                                                                            \
    {                                                                                              \
        "workers", IOTIFY_INTEGER, 0, AT(workers), "16", 1, 256, NULL,                             \
            "calls of one step that may be under way at once"                                      \
    }

#define SEAL_SETTINGS                                                                              \
    {"seal.with", IOTIFY_CHOICE, 0, AT(seal.with), "file", 0, 0, seal_choices,                     \
        "what seals keys in the store: a key file, " SEAL_KEY_VARIABLE                             \
        ", " SEAL_PASSPHRASE_VARIABLE " or nothing"},                                              \
    {                                                                                              \
        "seal.key_file", IOTIFY_STRING, IOTIFY_PATH, AT(seal.key_file), NULL, 0, 0, NULL,          \
            "the key file of seal.with: file; default: the job's name with .key"                   \
    }

/* In the order of enum seal_with. */
static const char *const seal_choices[] = {"file", "environment", "passphrase", "none", NULL};

static const struct iotify_setting own_items[] = {
    NAME_SETTING,
    {"devices.first", IOTIFY_INTEGER, 0, AT(first), "0", 0, JOB_DEVICES_MAX, NULL,
        "index of the first client"},
    {"devices.count", IOTIFY_INTEGER, IOTIFY_REQUIRED, AT(count), NULL, 1, JOB_DEVICES_MAX, NULL,
        "how many clients; `devices: 100` is short for it"},
    WORKERS_SETTING,
    SEAL_SETTINGS,
};

/* The same where `devices` is a number. */
static const struct iotify_setting short_items[] = {
    NAME_SETTING,
    {"devices", IOTIFY_INTEGER, IOTIFY_REQUIRED, AT(count), NULL, 1, JOB_DEVICES_MAX, NULL,
        "how many clients there are"},
    WORKERS_SETTING,
    SEAL_SETTINGS,
};

const struct iotify_settings job_settings = IOTIFY_SETTINGS(own_items, struct job_options);
static const struct iotify_settings short_settings =
    IOTIFY_SETTINGS(short_items, struct job_options);

/* Keys of the job file that are no settings of a table. */
static const char *const other_keys[] = {"plugins", "pipelines", "run", NULL};
static const char *const use_key[] = {"use", NULL};
static const char *const default_run[] = {"deploy", "simulate", "cleanup"};

struct loader {
    struct job *job;
    struct registry *registry;
    const struct job_request *request;
    struct diagnostics *diagnostics;
    struct node *root;
};

static struct place root_place(const struct loader *loader)
{
    return (struct place){loader->job->file, 1, 1};
}

/* ------------------------------------------------------------------ the job's own settings */

const char *job_default_name(struct arena *arena, const char *file)
{
    const char *base = basename(arena_string(arena, file));
    size_t length = strlen(base);

    if (length > 5 && strcmp(base + length - 5, ".yaml") == 0)
        length -= 5;
    else if (length > 4 && strcmp(base + length - 4, ".yml") == 0)
        length -= 4;
    return arena_copy(arena, base, length);
}

bool job_valid_name(const char *name)
{
    return *name && strlen(name) <= 64 &&
           name[strspn(name,
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0' &&
           *name != '.';
}

static void bind_own(struct loader *loader)
{
    struct job *job = loader->job;
    struct job_options *options;
    const struct node *name = node_get(loader->root, "name");
    const struct node *devices = node_get(loader->root, "devices");
    bool is_short = !devices || devices->kind == NODE_SCALAR;
    size_t before = loader->diagnostics->count;

    options = schema_bind(&job->binder, is_short ? &short_settings : &job_settings, loader->root,
        "the job file", root_place(loader), other_keys, NULL);
    if (!options->name)
        options->name = job_default_name(&job->arena, job->file);
    if (!job_valid_name(options->name))
        diagnostics_add(loader->diagnostics, name ? name->place : root_place(loader),
            "\"name\" takes 1 to 64 letters, digits and ._- , not \"%s\"%s", options->name,
            name ? "" : "; the file's name is its default");
    job->binder.name = options->name;
    if (!options->seal.key_file)
        options->seal.key_file =
            binder_path(&job->binder, arena_format(&job->arena, "%s.key", options->name));
    job->options = options;
    job->valid = loader->diagnostics->count == before;
}

/* ------------------------------------------------------------------ plugins */

/* The mapping of an alias that the user left out. */
static void add_default_plugin(
    struct loader *loader, struct node *plugins, const char *alias, const char *use)
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

/* What the user left out, so that --set reaches it: the store and the transport. */
static void fill_in_defaults(struct loader *loader)
{
    struct node *plugins = node_get(loader->root, "plugins");

    if (plugins && plugins->kind == NODE_MAP && plugins->count) {
        add_default_plugin(loader, plugins, "glob", "sqlite");
        add_default_plugin(loader, plugins, "mqtt", "mqtt");
    }
}

static const struct plugin *load_one(
    struct loader *loader, const struct node *use, const char *name)
{
    const struct plugin *plugin = NULL;
    const char *text;

    switch (registry_load(loader->registry, name, &plugin, &text)) {
    case REGISTRY_OK:
        break;
    case REGISTRY_UNKNOWN:
        diagnostics_add(loader->diagnostics, use->place, "%s", text);
        break;
    case REGISTRY_REFUSED:
        if (!loader->job->refused)
            loader->job->refused = arena_string(&loader->job->arena, text);
        break;
    }
    return plugin;
}

static void bind_plugin(struct loader *loader, const struct node_pair *pair)
{
    struct job *job = loader->job;
    struct job_plugin *entry = &job->plugins[job->plugin_count];
    const struct node *use = node_get(pair->value, "use");
    size_t before = loader->diagnostics->count;
    const char *name;

    *entry = (struct job_plugin){
        .alias = pair->key->text, .node = pair->value, .place = pair->key->place};
    if (!job_valid_name(entry->alias) || strchr(entry->alias, '.')) {
        diagnostics_add(loader->diagnostics, entry->place,
            "an alias is made of letters, digits, _ and -, not \"%s\"", entry->alias);
        return;
    }
    if (!use || use->kind != NODE_SCALAR || !*use->text) {
        diagnostics_add(loader->diagnostics, use ? use->place : entry->place,
            "\"%s\" needs the setting \"use\": the name of a plugin", entry->alias);
        return;
    }
    name = binder_text(&job->binder, use);
    entry->plugin = name ? load_one(loader, use, name) : NULL;
    if (!entry->plugin)
        return;
    entry->options = schema_bind(&job->binder, entry->plugin->descriptor.settings, pair->value,
        arena_format(&job->arena, "plugin %s", entry->plugin->name), entry->place, use_key, NULL);
    entry->valid = loader->diagnostics->count == before;
    job->plugin_count++;
}

static void find_roles(struct loader *loader)
{
    struct job *job = loader->job;
    size_t connectors = 0;

    for (size_t i = 0; i < job->plugin_count; i++) {
        struct job_plugin *entry = &job->plugins[i];

        if (strcmp(entry->alias, "glob") == 0)
            job->storage = entry;
        if (entry->plugin->descriptor.kind == IOTIFY_CONNECTOR && connectors++ == 0)
            job->connector = entry;
    }
    if (connectors > 1)
        job->connector = NULL;
    if (connectors > 1 && !node_get(loader->root, "pipelines"))
        diagnostics_add(loader->diagnostics, node_get(loader->root, "plugins")->place,
            "a job with several connectors needs \"pipelines\" of its own");
    if (connectors && job->storage && job->storage->plugin->storage.durability == IOTIFY_VOLATILE)
        diagnostics_add(loader->diagnostics, node_get(job->storage->node, "use")->place,
            "provisioning needs a durable store: %s forgets the private keys when the run ends; "
            "use sqlite or file",
            job->storage->plugin->name);
    if (job->storage && job->storage->plugin->descriptor.kind != IOTIFY_STORAGE)
        diagnostics_add(loader->diagnostics, node_get(job->storage->node, "use")->place,
            "the alias \"glob\" is the store, and %s is a %s plugin", job->storage->plugin->name,
            plugin_kind_name(job->storage->plugin->descriptor.kind));
}

static void bind_plugins(struct loader *loader)
{
    struct job *job = loader->job;
    struct node *plugins = node_get(loader->root, "plugins");

    if (!plugins || plugins->kind != NODE_MAP || plugins->count == 0) {
        diagnostics_add(loader->diagnostics, plugins ? plugins->place : root_place(loader),
            "the job file needs the setting \"plugins\": a mapping such as "
            "aws: {use: aws-iot}");
        return;
    }
    job->plugins = arena_array(&job->arena, plugins->count, sizeof(*job->plugins));
    for (size_t i = 0; i < plugins->count; i++)
        bind_plugin(loader, &plugins->pairs[i]);
    find_roles(loader);
}

/* ------------------------------------------------------------------ pipelines */

static struct node *default_step(struct loader *loader, const struct iotify_default_step *from)
{
    struct job *job = loader->job;
    struct node *step = node_new(&job->arena, NODE_MAP, NULL), *settings;
    const char *name = *from->step == '.'
                           ? arena_format(&job->arena, "%s%s", job->connector->alias, from->step)
                           : from->step;

    settings = tree_parse_text(&job->arena, loader->diagnostics,
        arena_format(&job->arena, "default pipeline %s", from->pipeline), from->settings);
    if (!settings)
        settings = node_new(&job->arena, NODE_MAP, NULL);
    node_set(&job->arena, step, name, settings);
    node_blame(step, (struct place){job->file, 1, 1});
    return step;
}

/* Put the connector's pipelines into the tree where the user wrote none of that name. */
static void fill_in_pipelines(struct loader *loader)
{
    struct job *job = loader->job;
    struct node *written = node_get(loader->root, "pipelines"), *all;
    const struct plugin *connector = job->connector ? job->connector->plugin : NULL;

    if (!node_is_empty(written) && written->kind != NODE_MAP) {
        diagnostics_add(loader->diagnostics, written->place,
            "\"pipelines\" takes a mapping of names to lists of steps, not %s",
            node_kind_name(written));
        return;
    }
    all = node_new(&job->arena, NODE_MAP, written);
    for (uint32_t i = 0; connector && i < connector->descriptor.default_step_count; i++) {
        const struct iotify_default_step *from = &connector->default_steps[i];
        struct node *list = node_get(all, from->pipeline);

        if (written && node_get(written, from->pipeline))
            continue;
        if (!list) {
            list = node_new(&job->arena, NODE_LIST, NULL);
            list->place = root_place(loader);
            node_set(&job->arena, all, from->pipeline, list);
        }
        node_push(&job->arena, list, default_step(loader, from));
    }
    for (size_t i = 0; written && written->kind == NODE_MAP && i < written->count; i++) {
        node_set(&job->arena, all, written->pairs[i].key->text, written->pairs[i].value);
        all->pairs[all->count - 1].key->place = written->pairs[i].key->place;
    }
    node_set(&job->arena, loader->root, "pipelines", all);
}

static const struct core_step *find_core_step(const struct loader *loader, const char *name)
{
    for (size_t i = 0; i < loader->request->core_step_count; i++)
        if (strcmp(loader->request->core_steps[i].name, name) == 0)
            return &loader->request->core_steps[i];
    return NULL;
}

static void unknown_step(struct loader *loader, const struct node *key, const char *name)
{
    struct job *job = loader->job;
    struct suggest suggest;

    suggest_init(&suggest, name);
    for (size_t i = 0; i < loader->request->core_step_count; i++)
        suggest_offer(&suggest, loader->request->core_steps[i].name);
    for (size_t i = 0; i < job->plugin_count; i++)
        for (uint32_t j = 0; j < job->plugins[i].plugin->descriptor.action_count; j++)
            suggest_offer(&suggest, arena_format(&job->arena, "%s.%s", job->plugins[i].alias,
                                        job->plugins[i].plugin->actions[j].name));
    diagnostics_add(loader->diagnostics, key->place, "unknown step \"%s\"%s%s%s", name,
        suggest.best ? "; did you mean \"" : "; a step is alias.action or simulate",
        suggest.best ? suggest.best : "", suggest.best ? "\"?" : "");
}

static bool resolve_step(struct loader *loader, struct step *step, const struct node *key)
{
    struct job *job = loader->job;
    const char *dot = strchr(step->name, '.');

    step->core = find_core_step(loader, step->name);
    if (step->core) {
        step->settings = step->core->settings;
        return true;
    }
    if (dot)
        step->owner =
            job_plugin(job, arena_copy(&job->arena, step->name, (size_t)(dot - step->name)));
    if (step->owner)
        step->action = plugin_action(step->owner->plugin, dot + 1);
    if (!step->action) {
        unknown_step(loader, key, step->name);
        return false;
    }
    step->settings = step->action->settings;
    return true;
}

static bool bind_step(struct loader *loader, struct step *step, const struct node *item)
{
    struct job *job = loader->job;
    const struct node *key = item, *settings = NULL;
    size_t before = loader->diagnostics->count;
    const char *name;

    if (item->kind == NODE_MAP && item->count == 1) {
        key = item->pairs[0].key;
        settings = item->pairs[0].value;
    } else if (item->kind != NODE_SCALAR || node_is_empty(item)) {
        diagnostics_add(loader->diagnostics, item->place,
            "a step is one mapping, alias.action: {settings}, not %s",
            item->kind == NODE_MAP && item->count > 1 ? "several"
            : item->kind == NODE_LIST                 ? "a list"
                                                      : "nothing");
        return false;
    }
    name = item->kind == NODE_SCALAR ? binder_text(&job->binder, item) : key->text;
    if (!name)
        return false;
    *step = (struct step){.name = name, .place = key->place, .node = settings};
    if (!step->place.file)
        step->place = root_place(loader);
    if (!resolve_step(loader, step, key))
        return false;
    step->options = schema_bind(&job->binder, step->settings, settings,
        arena_format(&job->arena, "step %s", step->name), step->place, NULL, &step->expressions);
    step->valid = loader->diagnostics->count == before;
    return true;
}

static void bind_pipeline(
    struct loader *loader, struct pipeline *pipeline, const struct node_pair *pair)
{
    const struct node *list = pair->value;

    pipeline->name = pair->key->text;
    pipeline->is_default = list->source == NULL;
    pipeline->valid = list->kind == NODE_LIST;
    if (list->kind != NODE_LIST) {
        diagnostics_add(loader->diagnostics, list->place,
            "pipeline \"%s\" takes a list of steps, not %s", pipeline->name,
            node_is_empty(list) ? "nothing; [] is a pipeline without steps" : node_kind_name(list));
        return;
    }
    pipeline->steps = arena_array(&loader->job->arena, list->count, sizeof(*pipeline->steps));
    for (size_t i = 0; i < list->count; i++) {
        struct step *step = &pipeline->steps[pipeline->count];

        if (bind_step(loader, step, list->items[i]))
            pipeline->count++;
        pipeline->valid = pipeline->valid && step->valid;
    }
}

static void bind_pipelines(struct loader *loader)
{
    struct job *job = loader->job;
    const struct node *all = node_get(loader->root, "pipelines");

    if (!all || all->kind != NODE_MAP)
        return;
    job->pipelines = arena_array(&job->arena, all->count, sizeof(*job->pipelines));
    for (size_t i = 0; i < all->count; i++)
        bind_pipeline(loader, &job->pipelines[job->pipeline_count++], &all->pairs[i]);
    if (job->pipeline_count == 0 && loader->diagnostics->count == 0)
        diagnostics_add(loader->diagnostics, root_place(loader),
            "nothing to run: the job has no connector and no \"pipelines\"");
}

static void add_run(struct loader *loader, const char *name, const struct node *blame)
{
    struct job *job = loader->job;
    const struct pipeline *pipeline = job_pipeline(job, name);
    struct suggest suggest;

    if (pipeline) {
        job->run[job->run_count++] = pipeline;
        return;
    }
    if (!blame)
        return;
    suggest_init(&suggest, name);
    for (size_t i = 0; i < job->pipeline_count; i++)
        suggest_offer(&suggest, job->pipelines[i].name);
    diagnostics_add(loader->diagnostics, blame->place, "unknown pipeline \"%s\"%s%s%s", name,
        suggest.best ? "; did you mean \"" : "", suggest.best ? suggest.best : "",
        suggest.best ? "\"?" : "");
}

static void bind_run(struct loader *loader)
{
    struct job *job = loader->job;
    const struct node *run = node_get(loader->root, "run");
    size_t count = run && run->kind == NODE_LIST ? run->count : 0;

    job->run = arena_array(&job->arena, count + 3, sizeof(struct pipeline *));
    if (!run) {
        for (size_t i = 0; i < 3; i++)
            add_run(loader, default_run[i], NULL);
        if (job->run_count == 0 && loader->diagnostics->count == 0)
            diagnostics_add(loader->diagnostics, root_place(loader),
                "nothing to run: no pipeline is named deploy, simulate or cleanup; write run: with "
                "the names of yours");
        return;
    }
    if (run->kind != NODE_LIST || run->count == 0) {
        diagnostics_add(loader->diagnostics, run->place,
            "\"run\" takes a list of pipelines, not %s",
            run->kind == NODE_LIST ? "an empty list"
            : node_is_empty(run)   ? "nothing"
                                   : node_kind_name(run));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct node *item = run->items[i];
        const char *name = item->kind == NODE_SCALAR ? binder_text(&job->binder, item) : NULL;

        if (item->kind != NODE_SCALAR)
            diagnostics_add(loader->diagnostics, item->place,
                "\"run\" takes names of pipelines, not %s in it", node_kind_name(item));
        else if (name)
            add_run(loader, name, item);
    }
}

/* ------------------------------------------------------------------ prepare */

static void open_connector(struct loader *loader, struct job_plugin *entry)
{
    struct call call;
    enum iotify_result result;

    size_t before = loader->diagnostics->count;

    call_init(&call, entry->alias);
    call.node = entry->node;
    call.place = entry->place;
    /* With mistakes of its own it is opened for its steps' sake, and what follows is not told. */
    call.diagnostics = entry->valid ? loader->diagnostics : NULL;
    result = entry->plugin->connector.open(&call.base, entry->options, &entry->instance);
    if (result != IOTIFY_OK) {
        entry->instance = NULL;
        if (entry->valid && loader->diagnostics->count == before)
            diagnostics_add(loader->diagnostics, entry->place, "%s", call_message(&call, result));
    }
    call_clear(&call);
}

static void prepare_step(struct loader *loader, const struct step *step)
{
    struct call call;
    size_t before = loader->diagnostics->count;
    enum iotify_result result;

    if (!step->action || !step->action->prepare || !step->owner->instance || !step->valid)
        return;
    call_init(&call, step->name);
    call.node = step->node;
    call.place = step->place;
    call.diagnostics = loader->diagnostics;
    call.base.arguments = step->options;
    result = step->action->prepare(step->owner->instance, &call.base);
    if (result != IOTIFY_OK && loader->diagnostics->count == before)
        diagnostics_add(
            loader->diagnostics, step->place, "%s: %s", step->name, call_message(&call, result));
    call_clear(&call);
}

static void prepare(struct loader *loader)
{
    struct job *job = loader->job;

    for (size_t i = 0; i < job->plugin_count; i++)
        if (job->plugins[i].plugin->descriptor.kind == IOTIFY_CONNECTOR)
            open_connector(loader, &job->plugins[i]);
    for (size_t i = 0; i < job->pipeline_count; i++)
        for (size_t j = 0; j < job->pipelines[i].count; j++)
            prepare_step(loader, &job->pipelines[i].steps[j]);
}

/* ------------------------------------------------------------------ keys of the glob */

/* Do the texts name the same keys? Blanks inside {{ }} do not matter. */
static bool same_key(const char *a, const char *b)
{
    bool inside = false;

    for (;; a++, b++) {
        if (strncmp(a, "{{", 2) == 0)
            inside = true;
        else if (strncmp(a, "}}", 2) == 0)
            inside = false;
        if (inside) {
            a += strspn(a, " \t");
            b += strspn(b, " \t");
        }
        if (*a != *b)
            return false;
        if (!*a)
            return true;
    }
}

struct glob_key {
    const struct step *step;
    const char *setting, *text;
};

static void add_glob_keys(
    struct loader *loader, const struct step *step, struct glob_key *keys, size_t *count)
{
    for (size_t i = 0; i < step->settings->count; i++) {
        struct iotify_setting setting = schema_setting(step->settings, i);
        struct glob_key key = {step, setting.name, NULL};
        const struct node *given = schema_given(step->node, setting.name);

        if (!(setting.flags & IOTIFY_GLOB_KEY))
            continue;
        key.text =
            *(const char *const *)(const void *)((const char *)step->options + setting.offset);
        if (!key.text)
            continue;
        for (size_t j = 0; j < *count; j++)
            if (same_key(keys[j].text, key.text))
                diagnostics_add(loader->diagnostics, given ? given->place : step->place,
                    "\"%s\" of %s and \"%s\" of %s are the same keys of the glob: \"%s\"",
                    key.setting, step->name, keys[j].setting, keys[j].step->name, key.text);
        keys[(*count)++] = key;
    }
}

/* What one step stores must not overwrite what another one does. */
static void check_glob_keys(struct loader *loader)
{
    struct job *job = loader->job;
    size_t most = 0, count = 0;
    struct glob_key *keys;

    for (size_t i = 0; i < job->pipeline_count; i++)
        for (size_t j = 0; j < job->pipelines[i].count; j++)
            most += job->pipelines[i].steps[j].settings->count;
    keys = arena_array(&job->arena, most, sizeof(*keys));
    for (size_t i = 0; i < job->pipeline_count; i++)
        for (size_t j = 0; j < job->pipelines[i].count; j++)
            if (job->pipelines[i].steps[j].valid)
                add_glob_keys(loader, &job->pipelines[i].steps[j], keys, &count);
}

/* ------------------------------------------------------------------ the whole */

/* `devices: 100` in its long form, so that --set devices.first reaches it. */
static void lengthen_devices(struct loader *loader)
{
    struct arena *arena = &loader->job->arena;
    struct node *devices = node_get(loader->root, "devices"), *map;

    if (!devices || devices->kind != NODE_SCALAR)
        return;
    map = node_new(arena, NODE_MAP, devices);
    node_set(arena, map, "count", devices);
    node_set(arena, loader->root, "devices", map);
}

/* First what the file says by itself; then, once all defaults are there, pipelines and run. */
static void override(struct loader *loader, bool late)
{
    for (size_t i = 0; i < loader->request->override_count; i++) {
        const char *text = loader->request->overrides[i];

        if ((override_is_for(text, "pipelines") || override_is_for(text, "run")) != late)
            continue;
        if (strncmp(text, "devices.", 8) == 0)
            lengthen_devices(loader);
        override_apply(&loader->job->arena, loader->diagnostics, loader->root, text);
    }
}

/* The default run, where --set changes an item of it. */
static void fill_in_run(struct loader *loader)
{
    struct arena *arena = &loader->job->arena;
    const struct node *pipelines = node_get(loader->root, "pipelines");
    struct node *list;
    bool wanted = false;

    for (size_t i = 0; i < loader->request->override_count; i++)
        wanted = wanted || strncmp(loader->request->overrides[i], "run.", 4) == 0;
    if (!wanted || node_get(loader->root, "run"))
        return;
    list = node_new(arena, NODE_LIST, NULL);
    list->place = root_place(loader);
    for (size_t i = 0; i < sizeof(default_run) / sizeof(default_run[0]); i++) {
        struct node *name = node_new(arena, NODE_SCALAR, list);

        name->text = default_run[i];
        name->plain = true;
        if (node_get(pipelines, default_run[i]))
            node_push(arena, list, name);
    }
    node_set(arena, loader->root, "run", list);
}

static bool read_tree(struct loader *loader)
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
        diagnostics_add(loader->diagnostics, loader->root->place, "a job file is a mapping, not %s",
            node_kind_name(loader->root));
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
    struct loader loader = {job, registry, request, diagnostics, NULL};

    *job = (struct job){.file = request->file};
    if (!read_tree(&loader))
        return false;
    fill_in_defaults(&loader);
    override(&loader, false);
    bind_own(&loader);
    bind_plugins(&loader);
    if (job->refused)
        return false;
    fill_in_pipelines(&loader);
    fill_in_run(&loader);
    override(&loader, true);
    bind_pipelines(&loader);
    bind_run(&loader);
    prepare(&loader);
    check_glob_keys(&loader);
    return diagnostics->count == 0;
}

void job_clear(struct job *job)
{
    for (size_t i = 0; i < job->plugin_count; i++)
        if (job->plugins[i].instance)
            job->plugins[i].plugin->connector.close(job->plugins[i].instance);
    arena_wipe(&job->arena);
    *job = (struct job){0};
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

/* ------------------------------------------------------------------ print */

static void print_step(const struct step *step, struct iotify_buffer *out)
{
    struct iotify_buffer settings;

    iotify_buffer_init(&settings, 1 << 24);
    schema_print(step->settings, step->options, 8, &settings);
    iotify_buffer_format(out, "    - %s:%s\n", step->name, settings.size ? "" : " {}");
    iotify_buffer_string(out, iotify_buffer_text(&settings));
    iotify_buffer_clear(&settings);
}

void job_print(const struct job *job, struct iotify_buffer *out)
{
    schema_print(&job_settings, job->options, 0, out);
    iotify_buffer_string(out, "plugins:\n");
    for (size_t i = 0; i < job->plugin_count; i++) {
        const struct job_plugin *entry = &job->plugins[i];

        iotify_buffer_format(out, "  %s:\n    use: %s\n", entry->alias, entry->plugin->name);
        schema_print(entry->plugin->descriptor.settings, entry->options, 4, out);
    }
    iotify_buffer_string(out, "pipelines:\n");
    for (size_t i = 0; i < job->pipeline_count; i++) {
        iotify_buffer_string(out, "  ");
        schema_print_text(job->pipelines[i].name, out);
        iotify_buffer_string(out, job->pipelines[i].count ? ":\n" : ": []\n");
        for (size_t j = 0; j < job->pipelines[i].count; j++)
            print_step(&job->pipelines[i].steps[j], out);
    }
    iotify_buffer_string(out, "run: [");
    for (size_t i = 0; i < job->run_count; i++) {
        iotify_buffer_string(out, i ? ", " : "");
        schema_print_text(job->run[i]->name, out);
    }
    iotify_buffer_string(out, "]\n");
}
