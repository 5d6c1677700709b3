/* SPDX-License-Identifier: Apache-2.0 */
/* Open the connectors of a job, prepare its steps, and check glob keys. */
#include <string.h>

#include "core/base/activity.h"
#include "core/job/job_internal.h"
#include "core/plugin/call.h"
#include "core/store/guard.h"

static void job_open_connector(struct job_loader *loader, struct job_plugin *entry)
{
    size_t errors = loader->diagnostics->count;
    struct activity before;
    enum iotify_result result;
    struct call call;

    call_init(&call, entry->alias);
    call.node = entry->node;
    call.location = entry->location;
    /*
     * With invalid settings it is opened for its steps only; errors that follow from them are not
     * reported.
     */
    call.diagnostics = entry->valid ? loader->diagnostics : NULL;
    before = activity_begin(entry->plugin->name, "open");
    result = entry->plugin->connector.open(&call.base, entry->options, &entry->instance);
    activity_end(before);
    result = call_checked_open(&call, entry->plugin->name, result, entry->instance);
    if (result != IOTIFY_RESULT_OK) {
        entry->instance = NULL;
        if (entry->valid && loader->diagnostics->count == errors)
            diagnostics_add(
                loader->diagnostics, entry->location, "%s", call_message(&call, result));
    }
    call_clear(&call);
}

static void job_open_prepare_step(struct job_loader *loader, const struct step *step)
{
    struct call call;
    size_t errors = loader->diagnostics->count;
    struct activity before;
    enum iotify_result result;

    if (!step->action || !step->action->prepare || !step->owner->instance || !step->valid)
        return;
    call_init(&call, step->name);
    call.node = step->node;
    call.location = step->location;
    call.diagnostics = loader->diagnostics;
    call.base.arguments = step->options;
    before = activity_begin_action(step->owner->plugin->name, step->action->name, "prepare");
    result = step->action->prepare(step->owner->instance, &call.base);
    activity_end(before);
    result = call_checked_action(
        &call, step->owner->plugin->name, step->action->name, "prepare", result);
    if (result != IOTIFY_RESULT_OK && loader->diagnostics->count == errors)
        diagnostics_add(
            loader->diagnostics, step->location, "%s: %s", step->name, call_message(&call, result));
    call_clear(&call);
}

/* What a storage says of its settings beside each other. */
static void job_open_check_storage(struct job_loader *loader, const struct job_plugin *entry)
{
    size_t errors = loader->diagnostics->count;
    enum iotify_result result;
    struct call call;

    if (!entry->valid)
        return;
    call_init(&call, entry->alias);
    call.node = entry->node;
    call.location = entry->location;
    call.diagnostics = loader->diagnostics;
    result = guard_check(&call, entry->plugin, entry->options);
    if (result != IOTIFY_RESULT_OK && loader->diagnostics->count == errors)
        diagnostics_add(loader->diagnostics, entry->location, "%s", call_message(&call, result));
    call_clear(&call);
}

void job_loader_open(struct job_loader *loader)
{
    struct job *job = loader->job;

    for (size_t i = 0; i < job->plugin_count; i++)
        if (job->plugins[i].plugin->descriptor.kind == IOTIFY_KIND_CONNECTOR)
            job_open_connector(loader, &job->plugins[i]);
        else if (job->plugins[i].plugin->descriptor.kind == IOTIFY_KIND_STORAGE)
            job_open_check_storage(loader, &job->plugins[i]);
    for (size_t i = 0; i < job->pipeline_count; i++)
        for (size_t j = 0; j < job->pipelines[i].count; j++)
            job_open_prepare_step(loader, &job->pipelines[i].steps[j]);
}

static void job_close_connector(const struct job_plugin *entry)
{
    struct activity before = activity_begin(entry->plugin->name, "close");

    entry->plugin->connector.close(entry->instance);
    activity_end(before);
}

void job_clear(struct job *job)
{
    for (size_t i = 0; i < job->plugin_count; i++)
        if (job->plugins[i].instance)
            job_close_connector(&job->plugins[i]);
    arena_wipe(&job->arena);
    *job = (struct job){0};
}

/* ------------------------------------------------------------------ keys of the glob */

/* True when the texts name the same keys. Blanks inside {{ }} do not matter. */
static bool job_open_same_key(const char *a, const char *b)
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

struct job_open_glob_key {
    const struct step *step;
    const char *setting, *text;
};

static void job_open_add_glob_keys(struct job_loader *loader, const struct step *step,
    struct job_open_glob_key *keys, size_t *count)
{
    for (size_t i = 0; i < step->settings->count; i++) {
        struct iotify_setting setting = schema_setting(step->settings, i);
        struct job_open_glob_key key = {step, setting.name, NULL};
        const struct node *given = schema_given(step->node, setting.name);

        if (!(setting.flags & IOTIFY_FLAG_GLOB_KEY))
            continue;
        key.text =
            *(const char *const *)(const void *)((const char *)step->options + setting.offset);
        if (!key.text)
            continue;
        for (size_t j = 0; j < *count; j++)
            if (job_open_same_key(keys[j].text, key.text))
                diagnostics_add(loader->diagnostics, given ? given->location : step->location,
                    "\"%s\" of %s and \"%s\" of %s are the same keys of the glob: \"%s\"",
                    key.setting, step->name, keys[j].setting, keys[j].step->name, key.text);
        keys[(*count)++] = key;
    }
}

/* One step must not overwrite the keys that another one stores. */
void job_loader_check_glob_keys(struct job_loader *loader)
{
    struct job *job = loader->job;
    size_t most = 0, count = 0;
    struct job_open_glob_key *keys;

    for (size_t i = 0; i < job->pipeline_count; i++)
        for (size_t j = 0; j < job->pipelines[i].count; j++)
            most += job->pipelines[i].steps[j].settings->count;
    keys = arena_array(&job->arena, most, sizeof(*keys));
    for (size_t i = 0; i < job->pipeline_count; i++)
        for (size_t j = 0; j < job->pipelines[i].count; j++)
            if (job->pipelines[i].steps[j].valid)
                job_open_add_glob_keys(loader, &job->pipelines[i].steps[j], keys, &count);
}
