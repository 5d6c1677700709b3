/* SPDX-License-Identifier: Apache-2.0 */
#include "core/plugin/lint.h"

#include <string.h>

#include "core/base/value.h"
#include "core/settings/schema.h"

/* More settings or choices than any plugin has: the number is wrong. */
#define COUNT_MAX 4096
#define FLAGS_KNOWN                                                                                \
    (IOTIFY_FLAG_REQUIRED | IOTIFY_FLAG_EXPRESSION | IOTIFY_FLAG_PATH | IOTIFY_FLAG_WRITES |       \
        IOTIFY_FLAG_GLOB_KEY | IOTIFY_FLAG_ASK | IOTIFY_FLAG_LINES)

/* The size of the C type that holds a value; each type is aligned to its size or to a pointer. */
static size_t lint_size(enum iotify_type type)
{
    switch (type) {
    case IOTIFY_TYPE_BOOLEAN:
        return sizeof(bool);
    case IOTIFY_TYPE_CHOICE:
        return sizeof(int);
    case IOTIFY_TYPE_LIST:
    case IOTIFY_TYPE_MAP:
    case IOTIFY_TYPE_TABLE:
        return sizeof(struct iotify_list);
    default:
        return sizeof(int64_t);
    }
}

static const char *lint_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";

    if (!name || !*name)
        return "it has no name";
    if (name[strspn(name, allowed)] || strlen(name) > 64)
        return "its name is not 1 to 64 letters, digits, _ and .";
    /* `use:` names the plugin. */
    return strcmp(name, "use") == 0 ? "its name is `use`, which names the plugin" : NULL;
}

static const char *lint_place(
    const struct iotify_settings *settings, const struct iotify_setting *setting)
{
    size_t size = lint_size(setting->type);
    size_t align = size < sizeof(void *) ? size : sizeof(void *);

    if (setting->offset > settings->options_size || settings->options_size - setting->offset < size)
        return "its offset is outside of the option structure";
    return setting->offset % align ? "its offset does not suit its type" : NULL;
}

static const char *lint_choices(const struct iotify_setting *setting)
{
    const char *const *choices = schema_choices(setting);
    bool found = !setting->value;

    if (!choices || setting->domain_count < 2)
        return "it has no choices";
    if (setting->domain_count > COUNT_MAX || choices[setting->domain_count - 1])
        return "its choices do not end with NULL";
    for (size_t i = 0; i + 1 < setting->domain_count; i++) {
        if (!choices[i])
            return "one of its choices is NULL";
        found = found || strcmp(choices[i], setting->value) == 0;
    }
    return found ? NULL : "its default is none of the choices";
}

static bool lint_parses(const struct iotify_setting *setting)
{
    int64_t integer;
    double number;
    bool flag;

    switch (setting->type) {
    case IOTIFY_TYPE_INTEGER:
        return value_parse_integer(setting->value, &integer);
    case IOTIFY_TYPE_BOOLEAN:
        return value_parse_boolean(setting->value, &flag);
    case IOTIFY_TYPE_DURATION:
        return value_parse_duration(setting->value, &integer);
    case IOTIFY_TYPE_RATE:
        return value_parse_rate(setting->value, &number);
    case IOTIFY_TYPE_SIZE:
        return value_parse_size(setting->value, &integer);
    case IOTIFY_TYPE_SHARE:
        return value_parse_share(setting->value, &number);
    default:
        return true;
    }
}

static const char *lint_values(const struct iotify_setting *setting)
{
    if (setting->type == IOTIFY_TYPE_CHOICE)
        return lint_choices(setting);
    if (setting->min > setting->max)
        return "its min is greater than its max";
    if (setting->value && !lint_parses(setting))
        return "its default is not a value of its type";
    return NULL;
}

static const char *lint_help(const char *help)
{
    if (!help || !*help)
        return "it has no help";
    return help[strcspn(help, "\r\n\033")] ? "its help is not one line" : NULL;
}

/* What is wrong with one setting, but for its columns and its neighbours. */
static const char *lint_setting(struct arena *arena, const struct iotify_settings *settings,
    const struct iotify_setting *setting)
{
    const char *wrong = lint_name(setting->name);

    if (wrong)
        return wrong;
    if (setting->type < IOTIFY_TYPE_STRING || setting->type > IOTIFY_TYPE_TABLE)
        return arena_format(arena,
            "this iotifyd does not know its type (%d); the plugin may need a newer one",
            (int)setting->type);
    if (setting->flags & ~FLAGS_KNOWN)
        return "this iotifyd does not know its flags; the plugin may need a newer one";
    wrong = lint_place(settings, setting);
    if (!wrong)
        wrong = lint_values(setting);
    return wrong ? wrong : lint_help(setting->help);
}

/* What is wrong with it beside one of the settings before it. */
static const char *lint_pair(
    const struct iotify_setting *before, const struct iotify_setting *setting)
{
    if (strcmp(before->name, setting->name) == 0)
        return "there are two of this name";
    if (setting->role && before->role == setting->role)
        return "there are two with its role";
    if (before->offset < setting->offset + lint_size(setting->type) &&
        setting->offset < before->offset + lint_size(before->type))
        return "its offset overlaps that of another setting";
    return NULL;
}

static const char *lint_table(
    struct arena *arena, const struct iotify_settings *settings, const char *where, bool nested)
{
    if (settings->struct_size < sizeof(struct iotify_settings))
        return arena_format(arena, "the table of settings of %s has no valid struct_size", where);
    if (settings->count == 0)
        return NULL;
    if (!settings->items || settings->count > COUNT_MAX ||
        settings->item_size < sizeof(struct iotify_setting) || settings->options_size == 0)
        return arena_format(arena, "the table of settings of %s is damaged", where);
    for (uint32_t i = 0; i < settings->count; i++) {
        const struct iotify_setting setting = schema_setting(settings, i);
        const char *wrong = lint_setting(arena, settings, &setting);

        for (uint32_t j = 0; j < i && !wrong; j++) {
            const struct iotify_setting before = schema_setting(settings, j);

            wrong = lint_pair(&before, &setting);
        }
        if (!wrong && setting.type == IOTIFY_TYPE_TABLE &&
            (nested || !schema_columns(&setting) || schema_columns(&setting)->count == 0))
            wrong = "it has no columns, or is itself a column";
        if (wrong)
            return arena_format(arena, "the setting \"%s\" (number %u) of %s: %s",
                setting.name ? setting.name : "", i + 1, where, wrong);
        if (setting.type == IOTIFY_TYPE_TABLE) {
            wrong = lint_table(arena, schema_columns(&setting),
                arena_format(arena, "%s of %s", setting.name, where), true);
            if (wrong)
                return wrong;
        }
    }
    return NULL;
}

const char *lint_settings(
    struct arena *arena, const struct iotify_settings *settings, const char *where)
{
    return settings ? lint_table(arena, settings, where, false) : NULL;
}
