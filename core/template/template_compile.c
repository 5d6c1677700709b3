/* SPDX-License-Identifier: Apache-2.0 */
/* Load a template into a script context: code, data and helpers. */
#include <string.h>

#include "core/template/template.h"

void template_facts(const struct template_file *template, struct script_facts *facts)
{
    facts->folder = template->folder;
    facts->job_folder = template->job->directory;
}

/* Add the script helpers of the job's connectors. */
static bool template_add_helpers(
    const struct template_file *template, struct script *script, struct diagnostics *diagnostics)
{
    const struct job *job = template->job;

    for (size_t i = 0; i < job->plugin_count; i++) {
        const struct plugin *plugin = job->plugins[i].plugin;

        if (plugin->descriptor.kind != IOTIFY_KIND_CONNECTOR || !plugin->connector.helpers)
            continue;
        if (!script_helpers(script, plugin->descriptor.name, plugin->connector.helpers)) {
            diagnostics_add(diagnostics, (struct location){template->file, 1, 1},
                "the helpers of the plugin %s cannot be used", plugin->descriptor.name);
            return false;
        }
    }
    return true;
}

/* Pass the client id of the connection settings to the helpers. */
static void template_set_client_id(
    const struct template_file *template, struct script *script, struct diagnostics *diagnostics)
{
    const struct schema_expression *expression = template->connection_expressions;
    struct location location = {0};
    struct iotify_setting setting;
    const char *text;

    if (!template->transport || !schema_find_role(template->transport->plugin->transport.connection,
                                    IOTIFY_ROLE_CLIENT_ID, IOTIFY_TYPE_STRING, &setting))
        return;
    text =
        *(const char *const *)(const void *)((const char *)template->connection + setting.offset);
    if (template->connection_node)
        location = template->connection_node->location;
    while (expression && strcmp(expression->setting.name, setting.name) != 0)
        expression = expression->next;
    if (expression) {
        text = expression->text;
        location = expression->location;
    }
    if (text)
        script_client_id(
            script, script_expression(script, setting.name, text, location, diagnostics));
}

bool template_compile(
    const struct template_file *template, struct script *script, struct diagnostics *diagnostics)
{
    bool good = template_add_helpers(template, script, diagnostics);

    /* Code that follows may use the library. */
    if (!good || !script_library(script, &template->library, diagnostics))
        return false;
    for (size_t i = 0; i < SCRIPT_FUNCTIONS; i++)
        if (template->code[i].text)
            good =
                script_compile(script, (enum script_function)i, &template->code[i], diagnostics) &&
                good;
    good = script_stages(script, template->stages, template->stage_count, diagnostics) && good;
    if (template->script)
        good =
            script_file(script, template->script, template->script_location, diagnostics) && good;
    if (template->data)
        good =
            script_data(script, template->data, template->data_location, diagnostics) >= 0 && good;
    if (good)
        template_set_client_id(template, script, diagnostics);
    return good;
}

void template_clear(struct template_file *template)
{
    arena_wipe(&template->arena);
    *template = (struct template_file){0};
}
