/* SPDX-License-Identifier: Apache-2.0 */
/* Print options as YAML, for `--print` and the reference. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/value.h"
#include "core/settings/schema.h"

/* True when YAML could read this plain text as something else. */
static bool schema_print_needs_quotes(const char *text)
{
    static const char *const words[] = {"true", "false", "null", "~", "yes", "no", "on", "off"};

    if (!*text || text[strspn(text, " \t\n")] == '\0' || text[strlen(text) - 1] == ' ')
        return true;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    if (strchr("-?:,[]{}#&*!|>'\"%@` \t0123456789.+=", *text) || text[strlen(text) - 1] == ':')
        return true;
    return strpbrk(text, "\n\t\"\\{}[],") || strstr(text, ": ") || strstr(text, " #");
}

void schema_print_text(const char *text, struct iotify_buffer *out)
{
    json_t *value;
    char *quoted;

    if (!schema_print_needs_quotes(text)) {
        iotify_buffer_string(out, text);
        return;
    }
    /* A quoted JSON string is a valid quoted YAML string. */
    value = json_string(text);
    quoted = json_dumps(value, JSON_ENCODE_ANY);
    iotify_buffer_string(out, quoted ? quoted : "\"\"");
    free(quoted);
    json_decref(value);
}

/*
 * Escape ${ as $${: the value was expanded already and must not be expanded again when it is read.
 */
static void schema_print_string(const char *text, struct iotify_buffer *out)
{
    struct iotify_buffer escaped;

    if (!strstr(text, "${")) {
        schema_print_text(text, out);
        return;
    }
    iotify_buffer_init(&escaped, 1 << 20);
    for (; *text; text++) {
        if (text[0] == '$' && text[1] == '{')
            iotify_buffer_char(&escaped, '$');
        iotify_buffer_char(&escaped, *text);
    }
    schema_print_text(iotify_buffer_text(&escaped), out);
    iotify_buffer_clear(&escaped);
}

static void schema_print_list(const struct iotify_list *list, struct iotify_buffer *out)
{
    iotify_buffer_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        iotify_buffer_string(out, i ? ", " : "");
        schema_print_string(list->items[i], out);
    }
    iotify_buffer_char(out, ']');
}

static void schema_print_map(const struct iotify_map *map, struct iotify_buffer *out)
{
    iotify_buffer_char(out, '{');
    for (size_t i = 0; i < map->count; i++) {
        iotify_buffer_string(out, i ? ", " : "");
        schema_print_text(map->entries[i].name, out);
        iotify_buffer_string(out, ": ");
        value_format_rate(map->entries[i].value, out);
    }
    iotify_buffer_char(out, '}');
}

/* False for a setting without a value: it is not printed. */
static bool schema_print_is_set(const struct iotify_setting *setting, const char *value)
{
    switch (setting->type) {
    case IOTIFY_TYPE_STRING:
    case IOTIFY_TYPE_SECRET:
    case IOTIFY_TYPE_DOCUMENT:
        return *(const char *const *)(const void *)value != NULL;
    case IOTIFY_TYPE_CHOICE:
        return *(const int *)(const void *)value >= 0;
    case IOTIFY_TYPE_LIST:
        return ((const struct iotify_list *)(const void *)value)->count > 0;
    case IOTIFY_TYPE_MAP:
        return ((const struct iotify_map *)(const void *)value)->count > 0;
    case IOTIFY_TYPE_TABLE:
        return ((const struct iotify_table *)(const void *)value)->count > 0;
    case IOTIFY_TYPE_SHARE:
    case IOTIFY_TYPE_RATE:
        return setting->value || *(const double *)(const void *)value > 0;
    case IOTIFY_TYPE_BOOLEAN:
        return true;
    default:
        return setting->value || *(const int64_t *)(const void *)value != 0;
    }
}

static void schema_print_value(
    const struct iotify_setting *setting, const char *value, struct iotify_buffer *out);

static void schema_print_table(const struct iotify_settings *columns,
    const struct iotify_table *table, struct iotify_buffer *out)
{
    iotify_buffer_char(out, '[');
    for (size_t i = 0; i < table->count; i++) {
        const char *separator = "";

        iotify_buffer_string(out, i ? ", {" : "{");
        for (size_t j = 0; j < columns->count; j++) {
            struct iotify_setting setting = schema_setting(columns, j);
            const char *value = (const char *)table->rows[i] + setting.offset;

            if (!schema_print_is_set(&setting, value))
                continue;
            iotify_buffer_format(out, "%s%s: ", separator, setting.name);
            schema_print_value(&setting, value, out);
            separator = ", ";
        }
        iotify_buffer_char(out, '}');
    }
    iotify_buffer_char(out, ']');
}

static void schema_print_value(
    const struct iotify_setting *setting, const char *value, struct iotify_buffer *out)
{
    int choice;

    switch (setting->type) {
    case IOTIFY_TYPE_STRING:
        schema_print_string(*(const char *const *)(const void *)value, out);
        break;
    case IOTIFY_TYPE_SECRET:
        iotify_buffer_string(out, "\"[redacted]\"");
        break;
    case IOTIFY_TYPE_INTEGER:
    case IOTIFY_TYPE_SIZE:
        iotify_buffer_format(out, "%lld", (long long)*(const int64_t *)(const void *)value);
        break;
    case IOTIFY_TYPE_BOOLEAN:
        iotify_buffer_string(out, *(const bool *)value ? "true" : "false");
        break;
    case IOTIFY_TYPE_DURATION:
        value_format_duration(*(const int64_t *)(const void *)value, out);
        break;
    case IOTIFY_TYPE_RATE:
        value_format_rate(*(const double *)(const void *)value, out);
        break;
    case IOTIFY_TYPE_CHOICE:
        choice = *(const int *)(const void *)value;
        iotify_buffer_string(out, schema_choices(setting)[choice]);
        break;
    case IOTIFY_TYPE_LIST:
        schema_print_list((const void *)value, out);
        break;
    case IOTIFY_TYPE_MAP:
        schema_print_map((const void *)value, out);
        break;
    case IOTIFY_TYPE_SHARE:
        value_format_share(*(const double *)(const void *)value, out);
        break;
    case IOTIFY_TYPE_TABLE:
        schema_print_table(schema_columns(setting), (const void *)value, out);
        break;
    case IOTIFY_TYPE_DOCUMENT:
        /* JSON is valid YAML in flow form, and ${…} is not expanded in documents. */
        schema_print_text(*(const char *const *)(const void *)value, out);
        break;
    }
}

/* Print the line `will:` once for all settings "will.*"; return the name below it. */
static const char *schema_print_group(
    const char *name, char *group, size_t size, int *indent, struct iotify_buffer *out)
{
    const char *dot = strchr(name, '.');
    size_t length = dot ? (size_t)(dot - name) : 0;

    if (!dot || length >= size) {
        group[0] = '\0';
        return name;
    }
    if (strncmp(group, name, length) != 0 || group[length] != '\0') {
        memcpy(group, name, length);
        group[length] = '\0';
        iotify_buffer_format(out, "%*s%s:\n", *indent, "", group);
    }
    *indent += 2;
    return dot + 1;
}

void schema_print(const struct iotify_settings *settings, const void *options, int indent,
    struct iotify_buffer *out)
{
    char group[128] = "";

    for (size_t i = 0; i < settings->count; i++) {
        struct iotify_setting setting = schema_setting(settings, i);
        const char *value = (const char *)options + setting.offset;
        const char *name;
        int column = indent;

        if (!schema_print_is_set(&setting, value))
            continue;
        name = schema_print_group(setting.name, group, sizeof(group), &column, out);
        iotify_buffer_format(out, "%*s%s: ", column, "", name);
        schema_print_value(&setting, value, out);
        iotify_buffer_char(out, '\n');
    }
}
