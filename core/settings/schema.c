/* SPDX-License-Identifier: Apache-2.0 */
#include "core/settings/schema.h"

#include <string.h>

#include "core/base/suggest.h"
#include "core/settings/schema_internal.h"

#define NAME_MAX_BYTES 128

/* ------------------------------------------------------------------ a whole mapping */

struct node *schema_given(const struct node *map, const char *setting)
{
    char part[NAME_MAX_BYTES];
    const char *dot = strchr(setting, '.');
    size_t length = dot ? (size_t)(dot - setting) : strlen(setting);
    struct node *value;

    if (length >= sizeof(part))
        return NULL;
    memcpy(part, setting, length);
    part[length] = '\0';
    value = node_get(map, part);
    return dot ? schema_given(value, dot + 1) : value;
}

/* Is `path` a setting, or a mapping that holds settings ("will" for "will.topic")? */
static bool schema_knows(const struct iotify_settings *settings, const char *path, bool *group)
{
    size_t length = strlen(path);

    *group = false;
    for (size_t i = 0; i < settings->count; i++) {
        const char *name = schema_setting(settings, i).name;

        if (strcmp(name, path) == 0)
            return true;
        if (strncmp(name, path, length) == 0 && name[length] == '.')
            *group = true;
    }
    return *group;
}

static void schema_report_unknown(struct binder *binder, const struct iotify_settings *settings,
    const struct node *key, const char *path, const char *owner)
{
    size_t prefix = strlen(path) - strlen(key->text);
    struct suggest suggest;

    suggest_init(&suggest, key->text);
    for (size_t i = 0; i < settings->count; i++) {
        const char *name = schema_setting(settings, i).name;

        if (strncmp(name, path, prefix) == 0) {
            const char *dot = strchr(name + prefix, '.');

            suggest_offer(&suggest,
                dot ? arena_copy(binder->arena, name + prefix, (size_t)(dot - name) - prefix)
                    : name + prefix);
        }
    }
    diagnostics_add(binder->diagnostics, key->location, "unknown setting \"%s\" in %s%s", path,
        owner, suggest_hint(&suggest, ""));
}

static bool schema_lists(const char *const *names, const char *name)
{
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static void schema_check_keys(struct binder *binder, const struct iotify_settings *settings,
    const struct node *map, const char *prefix, const char *owner, const char *const *ignored)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct node *key = map->pairs[i].key, *value = map->pairs[i].value;
        const char *path = arena_format(binder->arena, "%s%s", prefix, key->text);
        bool group;

        if (!*prefix && schema_lists(ignored, key->text))
            continue;
        if (strchr(key->text, '.') || !schema_knows(settings, path, &group))
            schema_report_unknown(binder, settings, key, path, owner);
        else if (group && value->kind == NODE_MAP)
            schema_check_keys(
                binder, settings, value, arena_format(binder->arena, "%s.", path), owner, NULL);
        else if (group && !node_is_empty(value))
            diagnostics_add(binder->diagnostics, value->location, "\"%s\" takes a mapping, not %s",
                path, node_kind_name(value));
    }
}

void *schema_bind(struct binder *binder, const struct iotify_settings *settings,
    const struct node *map, const char *owner, struct location where, const char *const *ignored,
    struct schema_expression **expressions)
{
    char *options = arena_alloc(binder->arena, settings->options_size);

    if (map && map->kind == NODE_MAP)
        schema_check_keys(binder, settings, map, "", owner, ignored);
    else if (map && !node_is_empty(map))
        diagnostics_add(binder->diagnostics, map->location,
            "%s takes a mapping of settings, not %s", owner, node_kind_name(map));
    for (size_t i = 0; i < settings->count; i++) {
        struct iotify_setting setting = schema_setting(settings, i);
        const struct node *given = schema_given(map, setting.name);
        struct schema_target target = {
            binder, &setting, given, options + setting.offset, where, expressions};

        if (!given && (setting.flags & IOTIFY_FLAG_REQUIRED))
            diagnostics_add(binder->diagnostics, where, "%s needs the setting \"%s\": %s", owner,
                setting.name, setting.help);
        schema_bind_value(&target);
    }
    return options;
}

bool schema_bind_expanded(struct binder *binder, const struct schema_expression *expression,
    const char *text, void *options)
{
    struct node node = {.kind = NODE_SCALAR, .location = expression->location, .text = text};
    struct schema_target target = {binder, &expression->setting, &node,
        (char *)options + expression->setting.offset, expression->location, NULL};
    size_t before = binder->diagnostics->count;

    /* The value is data now: braces in it are not an expression. */
    if (expression->setting.type == IOTIFY_TYPE_STRING ||
        expression->setting.type == IOTIFY_TYPE_SECRET)
        *(const char **)target.value = arena_string(binder->arena,
            expression->setting.flags & IOTIFY_FLAG_PATH ? binder_path(binder, text) : text);
    else if (!schema_bind_text(&target, text))
        schema_wrong_type(&target, text);
    return binder->diagnostics->count == before;
}
