/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/plugins.h"

#include <stdio.h>

#include "core/cli/exit_code.h"
#include "core/plugin/registry.h"
#include "core/settings/schema.h"

static void plugins_print_line(void *argument, const char *name)
{
    const struct plugin *plugin;
    const char *text;

    if (registry_load(argument, name, &plugin, &text) == REGISTRY_OK)
        printf("%-10s %-10s %-8s %s\n", plugin->name, plugin_kind_name(plugin->descriptor.kind),
            plugin->descriptor.version, plugin->descriptor.summary);
    else
        fprintf(stderr, "iotifyd: %s\n", text);
}

static void plugins_print_settings(const struct iotify_settings *settings, int indent)
{
    for (size_t i = 0; i < settings->count; i++) {
        struct iotify_setting setting = schema_setting(settings, i);

        printf("%*s%-20s %-9s %s", indent, "", setting.name, schema_type_name(setting.type),
            setting.help);
        for (int j = 0; setting.type == IOTIFY_TYPE_CHOICE && schema_choices(&setting)[j]; j++)
            printf("%s%s", j ? ", " : " (", schema_choices(&setting)[j]);
        if (setting.type == IOTIFY_TYPE_CHOICE)
            printf(")");
        if (setting.flags & IOTIFY_FLAG_REQUIRED)
            printf(" [required]");
        else if (setting.value)
            printf(" [default: %s]", setting.value);
        printf("\n");
        if (setting.type == IOTIFY_TYPE_TABLE)
            plugins_print_settings(schema_columns(&setting), indent + 4);
    }
}

static void plugins_print_one(const struct plugin *plugin)
{
    const struct iotify_plugin *descriptor = &plugin->descriptor;

    printf("%s %s, a %s: %s\n%s\n", plugin->name, descriptor->version,
        plugin_kind_name(descriptor->kind), descriptor->summary, plugin->path);
    if (descriptor->settings->count)
        printf("\nSettings (under `plugins:`)\n");
    plugins_print_settings(descriptor->settings, 2);
    for (uint32_t i = 0; i < descriptor->action_count; i++) {
        printf("\nStep %s: %s\n", plugin->actions[i].name, plugin->actions[i].summary);
        plugins_print_settings(plugin->actions[i].settings, 2);
    }
    if (descriptor->kind == IOTIFY_KIND_TRANSPORT) {
        printf("\nTemplate, `connection:`\n");
        plugins_print_settings(plugin->transport.connection, 2);
        printf("\nTemplate, `publish:`\n");
        plugins_print_settings(plugin->transport.publish, 2);
    }
}

int command_plugins(const struct options *options)
{
    struct registry registry;
    const struct plugin *plugin;
    const char *text;
    int status = EXIT_DONE;

    if (options->word_count > 1) {
        fprintf(stderr, "iotifyd: plugins takes one name at most\n");
        return EXIT_USAGE;
    }
    registry_init(&registry);
    if (options->word_count == 0) {
        registry_list(&registry, plugins_print_line, &registry);
    } else {
        switch (registry_load(&registry, options->words[0], &plugin, &text)) {
        case REGISTRY_OK:
            plugins_print_one(plugin);
            break;
        case REGISTRY_UNKNOWN:
            fprintf(stderr, "iotifyd: %s\n", text);
            status = EXIT_USAGE;
            break;
        case REGISTRY_REFUSED:
            fprintf(stderr, "iotifyd: %s\n", text);
            status = EXIT_STEP_FAILED;
            break;
        }
    }
    registry_clear(&registry);
    return status;
}
