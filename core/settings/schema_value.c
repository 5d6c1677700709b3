/* SPDX-License-Identifier: Apache-2.0 */
/* Check one value of a settings table and write it into the option structure. */
#include <jansson.h>
#include <string.h>

#include "core/base/suggest.h"
#include "core/base/value.h"
#include "core/settings/schema_internal.h"

struct iotify_setting schema_setting(const struct iotify_settings *settings, size_t index)
{
    struct iotify_setting setting = {0};
    size_t size = settings->item_size < sizeof(setting) ? settings->item_size : sizeof(setting);

    memcpy(&setting, (const char *)settings->items + index * settings->item_size, size);
    return setting;
}

bool schema_find_role(const struct iotify_settings *settings, enum iotify_role role,
    enum iotify_type type, struct iotify_setting *setting)
{
    for (size_t i = 0; i < settings->count; i++) {
        struct iotify_setting each = schema_setting(settings, i);

        if (each.role != role || each.type != type)
            continue;
        if (setting)
            *setting = each;
        return true;
    }
    return false;
}

const char *schema_role_text(
    const struct iotify_settings *settings, enum iotify_role role, const void *options)
{
    struct iotify_setting setting;

    return schema_find_role(settings, role, IOTIFY_TYPE_STRING, &setting)
               ? *(const char *const *)(const void *)((const char *)options + setting.offset)
               : NULL;
}

bool schema_names_host(const struct iotify_settings *settings, const struct node *map)
{
    struct iotify_setting setting;

    if (schema_find_role(settings, IOTIFY_ROLE_URL, IOTIFY_TYPE_STRING, &setting) &&
        !node_is_empty(schema_given(map, setting.name)))
        return true;
    return !schema_find_role(settings, IOTIFY_ROLE_HOST, IOTIFY_TYPE_STRING, &setting) ||
           !node_is_empty(schema_given(map, setting.name));
}

const char *schema_type_name(enum iotify_type type)
{
    static const char *const names[] = {[IOTIFY_TYPE_STRING] = "string",
        [IOTIFY_TYPE_SECRET] = "secret",
        [IOTIFY_TYPE_INTEGER] = "integer",
        [IOTIFY_TYPE_BOOLEAN] = "boolean",
        [IOTIFY_TYPE_DURATION] = "duration",
        [IOTIFY_TYPE_RATE] = "rate",
        [IOTIFY_TYPE_SIZE] = "size",
        [IOTIFY_TYPE_CHOICE] = "choice",
        [IOTIFY_TYPE_LIST] = "list",
        [IOTIFY_TYPE_MAP] = "map",
        [IOTIFY_TYPE_SHARE] = "share",
        [IOTIFY_TYPE_TABLE] = "table",
        [IOTIFY_TYPE_DOCUMENT] = "document"};

    return names[type];
}

const char *schema_type_words(enum iotify_type type)
{
    static const char *const words[] = {[IOTIFY_TYPE_STRING] = "text",
        [IOTIFY_TYPE_SECRET] = "text (a secret)",
        [IOTIFY_TYPE_INTEGER] = "a whole number",
        [IOTIFY_TYPE_BOOLEAN] = "true or false",
        [IOTIFY_TYPE_DURATION] = "a duration such as 250ms, 10s or 5m",
        [IOTIFY_TYPE_RATE] = "a rate such as 200/s",
        [IOTIFY_TYPE_SIZE] = "a size such as 128KB or 4MiB",
        [IOTIFY_TYPE_CHOICE] = "one of its choices",
        [IOTIFY_TYPE_LIST] = "a list of texts",
        [IOTIFY_TYPE_MAP] = "a mapping of names to rates",
        [IOTIFY_TYPE_DOCUMENT] = "the name of a JSON file, or a mapping",
        [IOTIFY_TYPE_SHARE] = "a share such as 30% or 0.3",
        [IOTIFY_TYPE_TABLE] = "a list of mappings"};

    return words[type];
}

void schema_wrong_type(const struct schema_target *target, const char *text)
{
    const struct node *node = target->node;
    const char *got = node->kind == NODE_SCALAR && *text
                          ? arena_format(target->binder->arena, "\"%s\"", text)
                          : node_kind_name(node);

    if (target->setting->type == IOTIFY_TYPE_SECRET)
        got = node_kind_name(node);
    diagnostics_add(target->binder->diagnostics, node->location, "\"%s\" takes %s, not %s",
        target->setting->name, schema_type_words(target->setting->type), got);
}

static void schema_check_range(const struct schema_target *target, int64_t value)
{
    const struct iotify_setting *setting = target->setting;
    struct iotify_buffer text;

    if (!target->node || (setting->min == 0 && setting->max == 0))
        return;
    if (value >= setting->min && value <= setting->max)
        return;
    iotify_buffer_init(&text, 256);
    if (setting->type == IOTIFY_TYPE_DURATION) {
        value_format_duration(setting->min, &text);
        iotify_buffer_string(&text, " to ");
        value_format_duration(setting->max, &text);
    } else {
        iotify_buffer_format(
            &text, "%lld to %lld", (long long)setting->min, (long long)setting->max);
    }
    diagnostics_add(target->binder->diagnostics, target->node->location,
        "\"%s\" must be in the range %s", setting->name, iotify_buffer_text(&text));
    iotify_buffer_clear(&text);
}

static void schema_check_rate(const struct schema_target *target, double rate)
{
    const struct iotify_setting *setting = target->setting;

    if (target->node && (setting->min || setting->max) &&
        (rate <= 0 || rate > (double)setting->max))
        diagnostics_add(target->binder->diagnostics, target->node->location,
            "\"%s\" must be more than 0 and at most %lld per second", setting->name,
            (long long)setting->max);
}

static bool schema_bind_choice(const struct schema_target *target, const char *text)
{
    struct iotify_buffer names;
    struct suggest suggest;

    suggest_init(&suggest, text);
    for (int i = 0; schema_choices(target->setting)[i]; i++) {
        if (strcmp(schema_choices(target->setting)[i], text) == 0) {
            *(int *)target->value = i;
            return true;
        }
        suggest_offer(&suggest, schema_choices(target->setting)[i]);
    }
    /* A default of the table that is not among the choices: the setting counts as left out. */
    if (!target->node)
        return false;
    iotify_buffer_init(&names, 4096);
    for (int i = 0; schema_choices(target->setting)[i]; i++)
        iotify_buffer_format(&names, "%s%s", i ? ", " : "", schema_choices(target->setting)[i]);
    diagnostics_add(target->binder->diagnostics, target->node->location,
        "\"%s\" takes one of %s, not \"%s\"%s", target->setting->name, iotify_buffer_text(&names),
        text, suggest_hint(&suggest, ""));
    iotify_buffer_clear(&names);
    return true;
}

static bool schema_bind_number(const struct schema_target *target, const char *text)
{
    int64_t integer = 0;
    double rate;

    switch (target->setting->type) {
    case IOTIFY_TYPE_INTEGER:
        if (!value_parse_integer(text, &integer))
            return false;
        break;
    case IOTIFY_TYPE_DURATION:
        if (!value_parse_duration(text, &integer))
            return false;
        break;
    case IOTIFY_TYPE_SIZE:
        if (!value_parse_size(text, &integer))
            return false;
        break;
    default:
        if (!value_parse_rate(text, &rate))
            return false;
        *(double *)target->value = rate;
        schema_check_rate(target, rate);
        return true;
    }
    *(int64_t *)target->value = integer;
    schema_check_range(target, integer);
    return true;
}

/* Add a value with an expression to the list of expressions. False when it has none. */
static bool schema_defer(const struct schema_target *target, const char *text)
{
    struct schema_expression *expression, **end = target->expressions;

    if (!end || !(target->setting->flags & IOTIFY_FLAG_EXPRESSION) || !strstr(text, "{{"))
        return false;
    expression = arena_alloc(target->binder->arena, sizeof(*expression));
    *expression = (struct schema_expression){
        *target->setting, text, target->node ? target->node->location : target->where, NULL};
    while (*end)
        end = &(*end)->next;
    *end = expression;
    return true;
}

bool schema_bind_text(const struct schema_target *target, const char *text)
{
    struct arena *arena = target->binder->arena;
    bool deferred = schema_defer(target, text);

    if (!deferred && target->node && strstr(text, "{{") &&
        !(target->setting->flags & IOTIFY_FLAG_EXPRESSION)) {
        diagnostics_add(target->binder->diagnostics, target->node->location,
            "\"%s\" cannot hold an expression", target->setting->name);
        return true;
    }
    if (deferred && target->setting->type != IOTIFY_TYPE_STRING &&
        target->setting->type != IOTIFY_TYPE_SECRET) {
        struct schema_target fallback = *target;

        if (target->setting->value) {
            fallback.node = NULL;
            return schema_bind_text(&fallback, target->setting->value);
        }
        return true;
    }

    switch (target->setting->type) {
    case IOTIFY_TYPE_STRING:
    case IOTIFY_TYPE_SECRET:
        if (target->setting->flags & IOTIFY_FLAG_PATH)
            text = binder_path(target->binder, text);
        *(const char **)target->value = arena_string(arena, text);
        return true;
    case IOTIFY_TYPE_BOOLEAN:
        return value_parse_boolean(text, target->value);
    case IOTIFY_TYPE_CHOICE:
        return schema_bind_choice(target, text);
    case IOTIFY_TYPE_LIST:
    case IOTIFY_TYPE_MAP:
    case IOTIFY_TYPE_DOCUMENT:
    case IOTIFY_TYPE_TABLE:
        return false;
    case IOTIFY_TYPE_SHARE:
        return value_parse_share(text, target->value);
    default:
        return schema_bind_number(target, text);
    }
}

static bool schema_bind_list(const struct schema_target *target)
{
    const struct node *node = target->node;
    const char **items = arena_array(target->binder->arena, node->count, sizeof(*items));
    struct iotify_list *list = target->value;
    size_t count = 0;

    if (node->kind != NODE_LIST)
        return false;
    for (size_t i = 0; i < node->count; i++) {
        if (node->items[i]->kind != NODE_SCALAR) {
            diagnostics_add(target->binder->diagnostics, node->items[i]->location,
                "\"%s\" takes a list of texts, not %s in it", target->setting->name,
                node_kind_name(node->items[i]));
            continue;
        }
        items[count] = binder_text(target->binder, node->items[i]);
        count += items[count] != NULL;
    }
    *list = (struct iotify_list){items, count};
    return true;
}

static bool schema_bind_map(const struct schema_target *target)
{
    const struct node *node = target->node;
    struct iotify_entry *entries =
        arena_array(target->binder->arena, node->count, sizeof(*entries));
    struct iotify_map *map = target->value;

    if (node->kind != NODE_MAP)
        return false;
    for (size_t i = 0; i < node->count; i++) {
        const struct node *value = node->pairs[i].value;
        const char *text = value->kind == NODE_SCALAR ? binder_text(target->binder, value) : "";

        entries[i].name = node->pairs[i].key->text;
        if (text && (!value_parse_rate(text, &entries[i].value) || entries[i].value <= 0))
            diagnostics_add(target->binder->diagnostics, value->location,
                "\"%s.%s\" takes a rate such as 200/s", target->setting->name, entries[i].name);
    }
    *map = (struct iotify_map){entries, node->count};
    return true;
}

/* A mapping for a setting that takes lines. */
static bool schema_bind_lines(const struct schema_target *target)
{
    const struct node *node = target->node;
    struct arena *arena = target->binder->arena;
    const char *lines = "";

    for (size_t i = 0; i < node->count; i++) {
        const struct node *value = node->pairs[i].value;
        const char *text = value->kind == NODE_SCALAR ? binder_text(target->binder, value) : NULL;

        if (value->kind != NODE_SCALAR || (text && strpbrk(text, "\r\n")) ||
            strpbrk(node->pairs[i].key->text, ":\r\n"))
            diagnostics_add(target->binder->diagnostics, value->location,
                "\"%s.%s\" takes one line of text, and has a name without a colon",
                target->setting->name, node->pairs[i].key->text);
        else if (text)
            lines = arena_format(
                arena, "%s%s:%s%s\n", lines, node->pairs[i].key->text, *text ? " " : "", text);
    }
    return schema_bind_text(target, lines);
}

/* A row may be written as the text of its first column. */
static const struct node *schema_row(const struct schema_target *target, struct node *item)
{
    struct node *map;

    if (item->kind != NODE_SCALAR)
        return item;
    map = node_new(target->binder->arena, NODE_MAP, item);
    node_set(
        target->binder->arena, map, schema_setting(schema_columns(target->setting), 0).name, item);
    return map;
}

static bool schema_bind_table(const struct schema_target *target)
{
    const struct node *node = target->node;
    struct arena *arena = target->binder->arena;
    const char *owner = arena_format(arena, "an item of \"%s\"", target->setting->name);
    const void **rows = arena_array(arena, node->count, sizeof(*rows));
    struct iotify_table *table = target->value;

    if (node->kind != NODE_LIST)
        return false;
    for (size_t i = 0; i < node->count; i++)
        rows[i] = schema_bind(target->binder, schema_columns(target->setting),
            schema_row(target, node->items[i]), owner, node->items[i]->location, NULL, NULL);
    *table = (struct iotify_table){rows, node->count};
    return true;
}

/*
 * Bind the JSON text of a document: inline, or the content of a file. ${…} in it is not expanded.
 */
static bool schema_bind_document(const struct schema_target *target)
{
    struct binder *binder = target->binder;
    const struct node *node = target->node;
    const struct source *source;
    struct iotify_buffer text;
    json_error_t error;
    json_t *json;
    bool is_inline = node->text[strspn(node->text, " \t\r\n")] == '{';
    const char *file = node->kind == NODE_SCALAR && !is_inline ? binder_text(binder, node) : NULL;

    if (node->kind == NODE_LIST)
        return false;
    if (node->kind == NODE_MAP) {
        iotify_buffer_init(&text, 1 << 20);
        node_to_json(node, &text);
        *(const char **)target->value = arena_string(binder->arena, iotify_buffer_text(&text));
        iotify_buffer_clear(&text);
        return true;
    }
    if (!file && !is_inline)
        return true;
    if (is_inline) {
        source = node->source;
    } else {
        struct diagnostics unread = {0};

        source = source_read(binder->arena, &unread, binder_path(binder, file), file);
        if (!source)
            diagnostics_add(binder->diagnostics, node->location, "\"%s\": %s: %s",
                target->setting->name, file, unread.items[0].text);
        diagnostics_clear(&unread);
        if (!source)
            return true;
    }
    json = json_loads(file ? source->text : node->text, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        diagnostics_add(binder->diagnostics,
            file ? (struct location){source->name, error.line, error.column} : node->location,
            "not valid JSON: %s", error.text);
    json_decref(json);
    *(const char **)target->value = file ? source->text : node->text;
    return true;
}

static void schema_bind_default(const struct schema_target *target)
{
    const char *text = target->setting->value;
    const char *job = text ? strstr(text, "{job}") : NULL;

    if (job && target->binder->name)
        text = arena_format(target->binder->arena, "%.*s%s%s", (int)(job - text), text,
            target->binder->name, job + strlen("{job}"));
    if (text)
        schema_bind_text(target, text);
}

void schema_bind_value(const struct schema_target *target)
{
    const char *text;
    bool good = false;

    if (target->setting->type == IOTIFY_TYPE_CHOICE)
        *(int *)target->value = -1;
    if (!target->node) {
        schema_bind_default(target);
        return;
    }
    /* `ca: null` and an empty value are the same as leaving the setting out. */
    if (node_is_empty(target->node)) {
        if (target->setting->flags & IOTIFY_FLAG_REQUIRED)
            diagnostics_add(target->binder->diagnostics, target->node->location,
                "\"%s\" must have a value: %s", target->setting->name,
                schema_type_words(target->setting->type));
        else
            schema_bind_default(target);
        return;
    }
    text = target->node->text;
    if (target->setting->type == IOTIFY_TYPE_LIST) {
        good = schema_bind_list(target);
    } else if (target->setting->type == IOTIFY_TYPE_MAP) {
        good = schema_bind_map(target);
    } else if (target->setting->type == IOTIFY_TYPE_TABLE) {
        good = schema_bind_table(target);
    } else if (target->setting->type == IOTIFY_TYPE_DOCUMENT) {
        good = schema_bind_document(target);
    } else if (target->node->kind == NODE_MAP && (target->setting->flags & IOTIFY_FLAG_LINES)) {
        good = schema_bind_lines(target);
    } else if (target->node->kind == NODE_SCALAR) {
        text = binder_text(target->binder, target->node);
        good = !text || schema_bind_text(target, text);
    }
    if (!good)
        schema_wrong_type(target, text);
}
