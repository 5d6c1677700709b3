/* SPDX-License-Identifier: Apache-2.0 */
#include "core/cli/json_schema.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "core/base/value.h"
#include "core/cli/load.h"
#include "core/template/template.h"

static json_t *json_schema_choice(const struct iotify_setting *setting)
{
    json_t *choices = json_array();

    for (int i = 0; schema_choices(setting)[i]; i++) {
        json_t *number = json_loads(schema_choices(setting)[i], JSON_DECODE_ANY, NULL);

        json_array_append_new(choices, json_string(schema_choices(setting)[i]));
        /* YAML reads `qos: 1` as a number. */
        if (json_is_integer(number))
            json_array_append(choices, number);
        json_decref(number);
    }
    return json_pack("{s:o}", "enum", choices);
}

static json_t *json_schema_settings(const struct iotify_settings *settings);

/* The schema of a literal value of the type. */
static json_t *json_schema_plain(const struct iotify_setting *setting)
{
    switch (setting->type) {
    case IOTIFY_TYPE_INTEGER:
        return setting->min || setting->max
                   ? json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
                         (json_int_t)setting->min, "maximum", (json_int_t)setting->max)
                   : json_pack("{s:s}", "type", "integer");
    case IOTIFY_TYPE_BOOLEAN:
        return json_pack("{s:s}", "type", "boolean");
    case IOTIFY_TYPE_RATE:
    case IOTIFY_TYPE_SIZE:
    case IOTIFY_TYPE_DURATION:
        return json_pack("{s:[s,s]}", "type", "string", "number");
    case IOTIFY_TYPE_CHOICE:
        return json_schema_choice(setting);
    case IOTIFY_TYPE_LIST:
        return json_pack("{s:s, s:{s:[s,s,s]}}", "type", "array", "items", "type", "string",
            "number", "boolean");
    case IOTIFY_TYPE_MAP:
        return json_pack("{s:s, s:{s:[s,s]}}", "type", "object", "additionalProperties", "type",
            "string", "number");
    case IOTIFY_TYPE_DOCUMENT:
        return json_pack("{s:[s,s]}", "type", "string", "object");
    case IOTIFY_TYPE_SHARE:
        return json_pack("{s:[s,s]}", "type", "string", "number");
    case IOTIFY_TYPE_TABLE:
        return json_pack("{s:s, s:{s:[{s:s}, o]}}", "type", "array", "items", "anyOf", "type",
            "string", json_schema_settings(schema_columns(setting)));
    default:
        if (setting->flags & IOTIFY_FLAG_LINES)
            return json_pack("{s:[s,s]}", "type", "string", "object");
        return json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean");
    }
}

/* A value may also be an environment variable, an expression, or empty for the default. */
static json_t *json_schema_type(const struct iotify_setting *setting)
{
    json_t *any = json_array();

    json_array_append_new(any, json_schema_plain(setting));
    json_array_append_new(
        any, json_pack("{s:s, s:s}", "type", "string", "pattern", "[$]\\{|\\{\\{"));
    if (!(setting->flags & IOTIFY_FLAG_REQUIRED))
        json_array_append_new(any, json_pack("{s:s}", "type", "null"));
    return json_pack("{s:o}", "anyOf", any);
}

/* The `properties` object that a dotted name belongs to; creates missing groups. */
static json_t *json_schema_group_of(json_t *properties, const char **name, json_t **required)
{
    const char *dot;

    while ((dot = strchr(*name, '.'))) {
        char part[64];
        json_t *group;

        snprintf(part, sizeof(part), "%.*s", (int)(dot - *name), *name);
        group = json_object_get(properties, part);
        if (!group) {
            group = json_pack("{s:[s,s], s:{}, s:[], s:b}", "type", "object", "null", "properties",
                "required", "additionalProperties", 0);
            json_object_set_new(properties, part, group);
        }
        properties = json_object_get(group, "properties");
        *required = json_object_get(group, "required");
        *name = dot + 1;
    }
    return properties;
}

static json_t *json_schema_settings(const struct iotify_settings *settings)
{
    json_t *properties = json_object(), *required = json_array();

    for (size_t i = 0; i < settings->count; i++) {
        struct iotify_setting setting = schema_setting(settings, i);
        json_t *type = json_schema_type(&setting);
        const char *name = setting.name;
        json_t *needed = required, *group = json_schema_group_of(properties, &name, &needed);

        json_object_set_new(type, "description", json_string(setting.help));
        if (setting.value)
            json_object_set_new(type, "default", json_string(setting.value));
        json_object_set_new(group, name, type);
        if (setting.flags & IOTIFY_FLAG_REQUIRED)
            json_array_append_new(needed, json_string(name));
    }
    return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
        required, "additionalProperties", 0);
}

/* The settings of a step; null is valid when none of them is required. */
static json_t *json_schema_step(const struct iotify_settings *settings)
{
    json_t *schema = json_schema_settings(settings);

    if (json_array_size(json_object_get(schema, "required")) == 0)
        json_object_set_new(schema, "type", json_pack("[s,s]", "object", "null"));
    return schema;
}

struct json_schema_collected {
    struct registry *registry;
    json_t *plugins; /* alternatives of one entry under `plugins` */
    json_t *steps;   /* patterns of steps */
};

/* The schema does not know the plugin of an alias: a step is one of those with its name. */
static void json_schema_add_step(json_t *steps, const char *pattern, json_t *step)
{
    json_t *before = json_object_get(steps, pattern);
    json_t *all = json_object_get(before, "anyOf");

    if (!before)
        json_object_set_new(steps, pattern, step);
    else if (all)
        json_array_append_new(all, step);
    else
        json_object_set_new(steps, pattern, json_pack("{s:[O, o]}", "anyOf", before, step));
}

static void json_schema_add_plugin(void *argument, const char *name)
{
    struct json_schema_collected *schema = argument;
    const struct plugin *plugin;
    const char *text;
    json_t *settings;

    if (registry_load(schema->registry, name, &plugin, &text) != REGISTRY_OK) {
        fprintf(stderr, "iotifyd: %s\n", text);
        return;
    }
    settings = json_schema_settings(plugin->descriptor.settings);
    json_object_set_new(json_object_get(settings, "properties"), "use",
        json_pack("{s:[{s:s}, {s:s, s:s}], s:s}", "anyOf", "const", name, "type", "string",
            "pattern", "[$]\\{", "description", plugin->descriptor.summary));
    json_array_append_new(json_object_get(settings, "required"), json_string("use"));
    json_array_append_new(schema->plugins, settings);
    for (uint32_t i = 0; i < plugin->descriptor.action_count; i++) {
        char pattern[160];

        snprintf(pattern, sizeof(pattern), "^[A-Za-z0-9_-]+[.]%s$", plugin->actions[i].name);
        json_schema_add_step(schema->steps, pattern, json_schema_step(plugin->actions[i].settings));
    }
}

static void json_schema_print(json_t *root, const char *title)
{
    json_object_set_new(
        root, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
    json_object_set_new(root, "title", json_string(title));
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    printf("\n");
    json_decref(root);
}

/* The schema of job files. */
static void json_schema_print_job(void)
{
    struct registry registry;
    struct json_schema_collected schema = {&registry, json_array(), json_object()};
    json_t *root, *properties, *step;

    registry_init(&registry);
    registry_list(&registry, json_schema_add_plugin, &schema);
    for (size_t i = 0; i < load_core_step_count; i++) {
        char pattern[80];

        snprintf(pattern, sizeof(pattern), "^%s$", load_core_steps[i].name);
        json_object_set_new(schema.steps, pattern, json_schema_step(load_core_steps[i].settings));
    }
    root = json_schema_settings(&job_settings);
    properties = json_object_get(root, "properties");
    step = json_pack("{s:[{s:s}, {s:s, s:o, s:b, s:i, s:i}]}", "anyOf", "type", "string", "type",
        "object", "patternProperties", schema.steps, "additionalProperties", 0, "minProperties", 1,
        "maxProperties", 1);
    json_object_set_new(properties, "devices",
        json_pack("{s:[{s:s, s:i, s:I}, {s:s, s:s}, O]}", "anyOf", "type", "integer", "minimum", 1,
            "maximum", (json_int_t)VALUE_DEVICES_MAX, "type", "string", "pattern", "[$]\\{",
            json_object_get(properties, "devices")));
    json_object_set_new(properties, "plugins",
        json_pack("{s:s, s:i, s:{s:o}}", "type", "object", "minProperties", 1,
            "additionalProperties", "anyOf", schema.plugins));
    json_object_set_new(properties, "pipelines",
        json_pack("{s:[s,s], s:{s:s, s:o}}", "type", "object", "null", "additionalProperties",
            "type", "array", "items", step));
    json_object_set_new(properties, "run",
        json_pack(
            "{s:s, s:i, s:{s:s}}", "type", "array", "minItems", 1, "items", "type", "string"));
    json_object_set_new(root, "required", json_pack("[s,s]", "devices", "plugins"));
    json_schema_print(root, "iotifyd job file");
    registry_clear(&registry);
}

/* ------------------------------------------------------------------ templates */

struct json_schema_transports {
    struct registry *registry;
    json_t *connection, *publish; /* alternatives, one per transport */
};

static void json_schema_add_transport(void *argument, const char *name)
{
    struct json_schema_transports *transports = argument;
    const struct plugin *plugin;
    const char *text;

    if (registry_load(transports->registry, name, &plugin, &text) != REGISTRY_OK) {
        fprintf(stderr, "iotifyd: %s\n", text);
        return;
    }
    if (plugin->descriptor.kind != IOTIFY_KIND_TRANSPORT)
        return;
    json_array_append_new(
        transports->connection, json_schema_settings(plugin->transport.connection));
    json_array_append_new(transports->publish, json_schema_settings(plugin->transport.publish));
}

/* The schema of a template key other than `connection` and `publish`. */
static json_t *json_schema_template_key(const char *name)
{
    if (strcmp(name, "subscribe") == 0)
        return json_pack("{s:[s,s], s:{s:[s,s,s]}}", "type", "array", "null", "items", "type",
            "string", "number", "boolean");
    if (strcmp(name, "stages") == 0)
        return json_pack("{s:[s,s], s:{s:[s,s]}}", "type", "object", "null", "additionalProperties",
            "type", "string", "null");
    return json_pack("{s:[s,s]}", "type", "string", "null");
}

/* The schema of template files. */
static void json_schema_print_template(void)
{
    struct registry registry;
    struct json_schema_transports transports = {&registry, json_array(), json_array()};
    json_t *properties = json_object();

    registry_init(&registry);
    registry_list(&registry, json_schema_add_transport, &transports);
    for (size_t i = 0; i < template_key_count; i++) {
        const struct template_key *key = &template_keys[i];
        json_t *schema = strcmp(key->name, "connection") == 0
                             ? json_pack("{s:O}", "anyOf", transports.connection)
                         : strcmp(key->name, "publish") == 0
                             ? json_pack("{s:O}", "anyOf", transports.publish)
                             : json_schema_template_key(key->name);

        json_object_set_new(schema, "description", json_string(key->help));
        json_object_set_new(properties, key->name, schema);
    }
    json_schema_print(json_pack("{s:s, s:o, s:b, s:i}", "type", "object", "properties", properties,
                          "additionalProperties", 0, "minProperties", 1),
        "iotifyd template file");
    json_decref(transports.connection);
    json_decref(transports.publish);
    registry_clear(&registry);
}

int command_schema(const struct options *options)
{
    const char *what = options->word_count ? options->words[0] : "job";

    if (options->word_count > 1 || (strcmp(what, "job") != 0 && strcmp(what, "template") != 0)) {
        fprintf(stderr, "usage: iotifyd schema [job|template]\n");
        return EXIT_USAGE;
    }
    if (strcmp(what, "job") == 0)
        json_schema_print_job();
    else
        json_schema_print_template();
    return EXIT_DONE;
}
