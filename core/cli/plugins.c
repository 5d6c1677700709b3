/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/plugins.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/program.h"
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

/* What a plugin can do, or keeps, as words. */
static json_t *plugins_capabilities(const struct iotify_transport *transport)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{IOTIFY_CAPABILITY_SUBSCRIBE, "subscribe"},
        {IOTIFY_CAPABILITY_ACKNOWLEDGE, "acknowledge"}, {IOTIFY_CAPABILITY_ANSWER, "answer"}};
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (transport->capabilities & names[i].bit)
            json_array_append_new(list, json_string(names[i].name));
    return list;
}

struct plugins_listing {
    struct registry *registry;
    json_t *list;
};

static void plugins_add_json(void *argument, const char *name)
{
    const struct plugins_listing *listing = argument;
    const struct iotify_plugin *descriptor;
    const struct plugin *plugin;
    const char *text;
    json_t *entry;

    if (registry_load(listing->registry, name, &plugin, &text) != REGISTRY_OK) {
        json_array_append_new(
            listing->list, json_pack("{s:s, s:s}", "name", name, "refused", text));
        return;
    }
    descriptor = &plugin->descriptor;
    entry = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "name", name, "kind",
        plugin_kind_name(descriptor->kind), "version", descriptor->version, "summary",
        descriptor->summary, "file", plugin->path, "abi",
        json_sprintf("%u.%u", descriptor->abi_major, descriptor->abi_minor));
    if (descriptor->kind == IOTIFY_KIND_STORAGE)
        json_object_set_new(entry, "durability",
            json_string(
                plugin->storage.durability == IOTIFY_DURABILITY_DURABLE ? "durable" : "volatile"));
    if (descriptor->kind == IOTIFY_KIND_TRANSPORT)
        json_object_set_new(entry, "capabilities", plugins_capabilities(&plugin->transport));
    json_array_append_new(listing->list, entry);
}

static void plugins_print_json(struct registry *registry)
{
    struct plugins_listing listing = {registry, json_array()};
    char *text;

    registry_list(registry, plugins_add_json, &listing);
    text = json_dumps(listing.list, JSON_INDENT(2));
    printf("%s\n", text ? text : "[]");
    free(text);
    json_decref(listing.list);
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

    printf("%s %s, a %s: %s\n%s, built for ABI %u.%u\n", plugin->name, descriptor->version,
        plugin_kind_name(descriptor->kind), descriptor->summary, plugin->path,
        descriptor->abi_major, descriptor->abi_minor);
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

/* What authors of plugins need are programs of their own: they are no part of what runs jobs. */
static int plugins_start(const struct options *options, const char *program)
{
    struct arena arena = {0};
    const char *path = arena_format(&arena, "%s/%s", program_folder(&arena), program), **arguments;
    size_t count = 0;

    arguments = arena_array(
        &arena, options->word_count + 2 * options->overrides.count + 7, sizeof(*arguments));
    arguments[count++] = path;
    for (size_t i = 1; i < options->word_count; i++)
        arguments[count++] = options->words[i];
    for (size_t i = 0; i < options->overrides.count; i++) {
        arguments[count++] = "--set";
        arguments[count++] = options->overrides.items[i];
    }
    if (options->durability)
        arguments[count++] = "--durability";
    if (options->test_case) {
        arguments[count++] = "--case";
        arguments[count++] = options->test_case;
    }
    if (options->language) {
        arguments[count++] = "--language";
        arguments[count++] = options->language;
    }
    execv(path, (char *const *)arguments);
    fprintf(stderr, "iotifyd: cannot start %s: %s\n", path, strerror(errno));
    arena_clear(&arena);
    return EXIT_STEP_FAILED;
}

static int plugins_test(const struct options *options)
{
    if (options->word_count != 2 || options->language) {
        fprintf(stderr, "iotifyd: plugins test takes the name of one plugin\n");
        return EXIT_USAGE;
    }
    return plugins_start(options, "iotify-plugin-test");
}

int command_plugins(const struct options *options)
{
    struct registry registry;
    const struct plugin *plugin;
    const char *text;
    int status = EXIT_DONE;

    if (options->word_count && strcmp(options->words[0], "test") == 0)
        return plugins_test(options);
    if (options->word_count && strcmp(options->words[0], "new") == 0 && !options->durability &&
        !options->test_case && !options->overrides.count)
        return plugins_start(options, "iotify-plugin-new");
    if (options->overrides.count || options->durability || options->language ||
        options->test_case) {
        fprintf(stderr, "iotifyd: --set, --case and --durability are for plugins test, --language "
                        "for plugins new\n");
        return EXIT_USAGE;
    }
    if (options->word_count > 1) {
        fprintf(stderr, "iotifyd: plugins takes one name at most\n");
        return EXIT_USAGE;
    }
    if (options->output && (options->word_count || strcmp(options->output, "json") != 0)) {
        fprintf(stderr, "iotifyd: plugins: the only form is -o json, for the list of all\n");
        return EXIT_USAGE;
    }
    registry_init(&registry);
    if (options->output) {
        plugins_print_json(&registry);
    } else if (options->word_count == 0) {
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
