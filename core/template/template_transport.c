/* SPDX-License-Identifier: Apache-2.0 */
/* The transport of a template. */
#include "core/template/template_internal.h"

#include <string.h>

#include "core/base/activity.h"
#include "core/plugin/call.h"
#include "core/settings/schema.h"

/* The entry for a transport that is not listed under `plugins:`. */
static const struct job_plugin *template_default_transport(
    const struct job *job, const struct plugin *plugin, struct arena *arena)
{
    struct diagnostics unused = {0};
    struct binder binder = {.arena = arena,
        .diagnostics = &unused,
        .directory = job->directory,
        .name = job->options->name};
    struct job_plugin *entry = arena_alloc(arena, sizeof(*entry));

    entry->alias = plugin->name;
    entry->plugin = plugin;
    entry->options = schema_bind(
        &binder, plugin->descriptor.settings, NULL, plugin->name, (struct location){0}, NULL, NULL);
    diagnostics_clear(&unused);
    return entry;
}

const struct job_plugin *template_transport(const struct job *job, const char *name,
    struct location location, struct arena *arena, struct diagnostics *diagnostics)
{
    const struct job_plugin *entry = job_plugin(job, name);
    const struct plugin *plugin = entry ? entry->plugin : NULL;
    enum registry_result result = REGISTRY_OK;
    const char *text;

    if (strcmp(name, "none") == 0)
        return NULL;
    if (!plugin)
        result = registry_load(job->registry, name, &plugin, &text);
    if (result == REGISTRY_UNKNOWN)
        diagnostics_add(diagnostics, location,
            "unknown transport \"%s\" (neither an alias under \"plugins\" nor an installed plugin)",
            name);
    if (!plugin)
        return NULL;
    if (plugin->descriptor.kind != IOTIFY_KIND_TRANSPORT) {
        diagnostics_add(diagnostics, location, "\"%s\" is a %s plugin, not a transport", name,
            plugin_kind_name(plugin->descriptor.kind));
        return NULL;
    }
    return entry ? entry : template_default_transport(job, plugin, arena);
}

const char *template_transport_name(struct arena *arena, const char *path)
{
    struct diagnostics unused = {0};
    const struct source *source = source_read(arena, &unused, path, path);
    const struct node *root = source ? tree_parse(arena, &unused, source) : NULL;
    const struct node *node = node_get(root, "transport");

    diagnostics_clear(&unused);
    return node && node->kind == NODE_SCALAR && *node->text ? node->text : TEMPLATE_TRANSPORT;
}

/* What the transport says of the settings beside each other; it names the faults. */
void template_check_settings(
    const struct template_file *template, const struct node *root, struct diagnostics *diagnostics)
{
    const struct plugin *plugin = template->transport->plugin;
    size_t before = diagnostics->count;
    enum iotify_result result;
    struct activity outer;
    struct call call;

    if (!plugin->transport.check)
        return;
    call_init(&call, template->file);
    call.node = root;
    call.location = root->location;
    call.diagnostics = diagnostics;
    outer = activity_begin(plugin->name, "check");
    result = plugin->transport.check(
        &call.base, template->transport->options, template->connection, template->publish);
    activity_end(outer);
    result = call_checked(&call, plugin->name, "check", result);
    if (result != IOTIFY_RESULT_OK && diagnostics->count == before)
        diagnostics_add(diagnostics, root->location, "%s", call_message(&call, result));
    call_clear(&call);
}
