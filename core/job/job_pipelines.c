/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines: the connector's defaults, those of the job file, and `run:`. */
#include <string.h>

#include "core/base/suggest.h"
#include "core/base/utf8.h"
#include "core/job/job_internal.h"

const char *const job_loader_run[JOB_LOADER_RUN_COUNT] = {"deploy", "simulate", "cleanup"};

static struct node *job_pipelines_default_step(
    struct job_loader *loader, const struct iotify_default_step *from)
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
    node_blame(step, (struct location){job->file, 1, 1});
    return step;
}

/* Add the connector's pipelines to the tree, unless the file has one of the same name. */
void job_loader_fill_in_pipelines(struct job_loader *loader)
{
    struct job *job = loader->job;
    struct node *written = node_get(loader->root, "pipelines"), *all;
    const struct plugin *connector = job->connector ? job->connector->plugin : NULL;

    if (!node_is_empty(written) && written->kind != NODE_MAP) {
        diagnostics_add(loader->diagnostics, written->location,
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
            list->location = job_loader_root_location(loader);
            node_set(&job->arena, all, from->pipeline, list);
        }
        node_push(&job->arena, list, job_pipelines_default_step(loader, from));
    }
    for (size_t i = 0; written && written->kind == NODE_MAP && i < written->count; i++) {
        node_set(&job->arena, all, written->pairs[i].key->text, written->pairs[i].value);
        all->pairs[all->count - 1].key->location = written->pairs[i].key->location;
    }
    node_set(&job->arena, loader->root, "pipelines", all);
}

static const struct core_step *job_pipelines_find_core_step(
    const struct job_loader *loader, const char *name)
{
    for (size_t i = 0; i < loader->request->core_step_count; i++)
        if (strcmp(loader->request->core_steps[i].name, name) == 0)
            return &loader->request->core_steps[i];
    return NULL;
}

static void job_pipelines_unknown_step(
    struct job_loader *loader, const struct node *key, const char *name)
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
    diagnostics_add(loader->diagnostics, key->location, "unknown step \"%s\"%s", name,
        suggest_hint(&suggest, "; a step is alias.action or simulate"));
}

static bool job_pipelines_resolve_step(
    struct job_loader *loader, struct step *step, const struct node *key)
{
    struct job *job = loader->job;
    const char *dot = strchr(step->name, '.');

    step->core = job_pipelines_find_core_step(loader, step->name);
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
        job_pipelines_unknown_step(loader, key, step->name);
        return false;
    }
    step->settings = step->action->settings;
    return true;
}

static bool job_pipelines_bind_step(
    struct job_loader *loader, struct step *step, const struct node *item)
{
    struct job *job = loader->job;
    const struct node *key = item, *settings = NULL;
    size_t before = loader->diagnostics->count;
    const char *name;

    if (item->kind == NODE_MAP && item->count == 1) {
        key = item->pairs[0].key;
        settings = item->pairs[0].value;
    } else if (item->kind != NODE_SCALAR || node_is_empty(item)) {
        diagnostics_add(loader->diagnostics, item->location,
            "a step is one mapping, alias.action: {settings}, not %s",
            item->kind == NODE_MAP && item->count > 1 ? "several"
            : item->kind == NODE_LIST                 ? "a list"
                                                      : "nothing");
        return false;
    }
    name = item->kind == NODE_SCALAR ? binder_text(&job->binder, item) : key->text;
    if (!name)
        return false;
    *step = (struct step){.name = name, .location = key->location, .node = settings};
    if (!step->location.file)
        step->location = job_loader_root_location(loader);
    if (!job_pipelines_resolve_step(loader, step, key))
        return false;
    step->options = schema_bind(&job->binder, step->settings, settings,
        arena_format(&job->arena, "step %s", step->name), step->location, NULL, &step->expressions);
    step->valid = loader->diagnostics->count == before;
    return true;
}

static void job_pipelines_bind(
    struct job_loader *loader, struct pipeline *pipeline, const struct node_pair *pair)
{
    const struct node *list = pair->value;

    pipeline->name = pair->key->text;
    if (!utf8_is_name(pipeline->name))
        diagnostics_add(loader->diagnostics, pair->key->location,
            "the name of a pipeline has 1 to %d bytes, without control characters", UTF8_NAME_MAX);
    pipeline->is_default = list->source == NULL;
    pipeline->valid = list->kind == NODE_LIST;
    if (list->kind != NODE_LIST) {
        diagnostics_add(loader->diagnostics, list->location,
            "pipeline \"%s\" takes a list of steps, not %s", pipeline->name,
            node_is_empty(list) ? "nothing; [] is a pipeline without steps" : node_kind_name(list));
        return;
    }
    pipeline->steps = arena_array(&loader->job->arena, list->count, sizeof(*pipeline->steps));
    for (size_t i = 0; i < list->count; i++) {
        struct step *step = &pipeline->steps[pipeline->count];

        if (job_pipelines_bind_step(loader, step, list->items[i]))
            pipeline->count++;
        pipeline->valid = pipeline->valid && step->valid;
    }
}

void job_loader_bind_pipelines(struct job_loader *loader)
{
    struct job *job = loader->job;
    const struct node *all = node_get(loader->root, "pipelines");

    if (!all || all->kind != NODE_MAP)
        return;
    job->pipelines = arena_array(&job->arena, all->count, sizeof(*job->pipelines));
    for (size_t i = 0; i < all->count; i++)
        job_pipelines_bind(loader, &job->pipelines[job->pipeline_count++], &all->pairs[i]);
    if (job->pipeline_count == 0 && loader->diagnostics->count == 0)
        diagnostics_add(loader->diagnostics, job_loader_root_location(loader),
            "nothing to run: the job has no connector and no \"pipelines\"");
}

static void job_pipelines_add_run(
    struct job_loader *loader, const char *name, const struct node *blame)
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
    diagnostics_add(loader->diagnostics, blame->location, "unknown pipeline \"%s\"%s", name,
        suggest_hint(&suggest, ""));
}

void job_loader_bind_run(struct job_loader *loader)
{
    struct job *job = loader->job;
    const struct node *run = node_get(loader->root, "run");
    size_t count = run && run->kind == NODE_LIST ? run->count : 0;

    job->run = arena_array(&job->arena, count + JOB_LOADER_RUN_COUNT, sizeof(struct pipeline *));
    if (!run) {
        for (size_t i = 0; i < JOB_LOADER_RUN_COUNT; i++)
            job_pipelines_add_run(loader, job_loader_run[i], NULL);
        if (job->run_count == 0 && loader->diagnostics->count == 0)
            diagnostics_add(loader->diagnostics, job_loader_root_location(loader),
                "nothing to run: no pipeline is named deploy, simulate or cleanup; write run: with "
                "the names of yours");
        return;
    }
    if (run->kind != NODE_LIST || run->count == 0) {
        diagnostics_add(loader->diagnostics, run->location,
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
            diagnostics_add(loader->diagnostics, item->location,
                "\"run\" takes names of pipelines, not %s in it", node_kind_name(item));
        else if (name)
            job_pipelines_add_run(loader, name, item);
    }
}

/* Add the default `run:` when --set changes an item of it. */
void job_loader_fill_in_run(struct job_loader *loader)
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
    list->location = job_loader_root_location(loader);
    for (size_t i = 0; i < JOB_LOADER_RUN_COUNT; i++) {
        struct node *name = node_new(arena, NODE_SCALAR, list);

        name->text = job_loader_run[i];
        name->plain = true;
        if (node_get(pipelines, job_loader_run[i]))
            node_push(arena, list, name);
    }
    node_set(arena, loader->root, "run", list);
}
