/* SPDX-License-Identifier: Apache-2.0 */
#include "core/settings/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "core/base/text.h"

#define FILE_MAX_BYTES (16 * 1024 * 1024)
#define NODES_MAX 200000 /* after expanding aliases */
#define DEPTH_MAX 64
#define BRACKETS_MAX 5000 /* open at the same time, also inside texts and comments */

struct tree_builder {
    struct arena *arena;
    struct diagnostics *diagnostics;
    const struct source *source;
    yaml_document_t *document;
    size_t nodes;
    bool failed;
};

const struct source *source_read(
    struct arena *arena, struct diagnostics *diagnostics, const char *path, const char *name)
{
    struct location location = {.file = name};
    struct source *source = arena_alloc(arena, sizeof(*source));
    struct iotify_buffer text;
    char chunk[8192];
    ssize_t got;
    struct stat about;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);

    if (descriptor < 0) {
        diagnostics_add(diagnostics, location, "cannot open: %s", strerror(errno));
        return NULL;
    }
    if (fstat(descriptor, &about) == 0 && S_ISDIR(about.st_mode)) {
        diagnostics_add(diagnostics, location, "is a directory, not a file");
        close(descriptor);
        return NULL;
    }
    iotify_buffer_init(&text, FILE_MAX_BYTES);
    while ((got = read(descriptor, chunk, sizeof(chunk))) > 0)
        iotify_buffer_append(&text, chunk, (size_t)got);
    if (got < 0)
        diagnostics_add(diagnostics, location, "cannot read: %s", strerror(errno));
    else if (text.failed)
        diagnostics_add(diagnostics, location, "larger than %d MiB", FILE_MAX_BYTES >> 20);
    else
        *source = (struct source){name, arena_copy(arena, text.data, text.size), text.size};
    close(descriptor);
    iotify_buffer_clear(&text);
    return source->text ? source : NULL;
}

struct node *node_new(struct arena *arena, enum node_kind kind, const struct node *where)
{
    struct node *node = arena_alloc(arena, sizeof(*node));

    node->kind = kind;
    node->text = "";
    if (where) {
        node->location = where->location;
        node->source = where->source;
    }
    return node;
}

struct node *node_get(const struct node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->pairs[i].key->text, key) == 0)
            return map->pairs[i].value;
    return NULL;
}

void node_set(struct arena *arena, struct node *map, const char *key, struct node *value)
{
    struct node_pair *pairs;

    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->pairs[i].key->text, key) == 0) {
            map->pairs[i].value = value;
            return;
        }
    }
    pairs = arena_array(arena, map->count + 1, sizeof(*pairs));
    if (map->count)
        memcpy(pairs, map->pairs, map->count * sizeof(*pairs));
    pairs[map->count].key = node_new(arena, NODE_SCALAR, value);
    pairs[map->count].key->text = arena_string(arena, key);
    pairs[map->count].value = value;
    map->pairs = pairs;
    map->count++;
}

void node_blame(struct node *node, struct location location)
{
    node->location = location;
    for (size_t i = 0; i < node->count; i++) {
        if (node->kind == NODE_LIST) {
            node_blame(node->items[i], location);
        } else {
            node_blame(node->pairs[i].key, location);
            node_blame(node->pairs[i].value, location);
        }
    }
}

void node_push(struct arena *arena, struct node *list, struct node *item)
{
    struct node **items = arena_array(arena, list->count + 1, sizeof(struct node *));

    if (list->count)
        memcpy(items, list->items, list->count * sizeof(struct node *));
    items[list->count++] = item;
    list->items = items;
}

bool node_is_empty(const struct node *node)
{
    return !node || (node->kind == NODE_SCALAR && node->plain &&
                        (!*node->text || strcmp(node->text, "null") == 0));
}

const char *node_kind_name(const struct node *node)
{
    switch (node->kind) {
    case NODE_LIST:
        return "a list";
    case NODE_MAP:
        return "a mapping";
    case NODE_SCALAR:
        break;
    }
    return *node->text ? "text" : "nothing";
}

static struct location tree_mark_location(const struct source *source, yaml_mark_t mark)
{
    return (struct location){source->name, (int)mark.line + 1, (int)mark.column + 1};
}

/*
 * YAML reads a value that begins with `{{` without quotes as a flow mapping. Find one on a line:
 * returns its column from 1, or 0.
 */
static int tree_is_unquoted_expression(const struct source *source, int line)
{
    const char *at = text_line(source->text, line), *end = at + strcspn(at, "\n"), *hit;
    bool quoted = false;
    char quote = 0;

    for (hit = at; hit + 1 < end; hit++) {
        if (quoted)
            quoted = *hit != quote;
        else if (*hit == '"' || *hit == '\'') {
            quoted = true;
            quote = *hit;
        } else if (hit[0] == '{' && hit[1] == '{')
            return (int)(hit - at) + 1;
    }
    return 0;
}

static const char quote_text[] = "quote this value: \"{{…}}\"";

static void tree_report_parser(
    const struct source *source, struct diagnostics *diagnostics, const yaml_parser_t *parser)
{
    struct location location = tree_mark_location(source, parser->problem_mark);
    int lines[] = {(int)parser->context_mark.line + 1, location.line, location.line - 1};

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        int column = tree_is_unquoted_expression(source, lines[i]);

        if (column) {
            location.line = lines[i];
            location.column = column;
            diagnostics_add(diagnostics, location, "%s", quote_text);
            return;
        }
    }
    if (parser->error == YAML_READER_ERROR)
        location = (struct location){.file = source->name, .line = 1, .column = 1};
    diagnostics_add(diagnostics, location, "not valid YAML: %s%s%s",
        parser->problem ? parser->problem : "unreadable", parser->context ? ", " : "",
        parser->context ? parser->context : "");
}

static void tree_fail(struct tree_builder *builder, struct location location, const char *text)
{
    diagnostics_add(builder->diagnostics, location, "%s", text);
    builder->failed = true;
}

static struct node *tree_build(struct tree_builder *builder, int index, int depth);

static void tree_build_scalar(
    struct tree_builder *builder, struct node *node, const yaml_node_t *from)
{
    const char *text = (const char *)from->data.scalar.value;
    size_t size = from->data.scalar.length;
    yaml_scalar_style_t style = from->data.scalar.style;

    node->plain = style == YAML_PLAIN_SCALAR_STYLE;
    node->block = style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE;
    node->text = arena_copy(builder->arena, text, size);
    if (memchr(text, 0, size))
        diagnostics_add(builder->diagnostics, node->location, "a NUL character is not allowed");
}

static void tree_build_list(
    struct tree_builder *builder, struct node *node, const yaml_node_t *from, int depth)
{
    const yaml_node_item_t *start = from->data.sequence.items.start;
    size_t count = (size_t)(from->data.sequence.items.top - start);

    node->items = arena_array(builder->arena, count, sizeof(struct node *));
    for (size_t i = 0; i < count && !builder->failed; i++)
        node->items[node->count++] = tree_build(builder, start[i], depth + 1);
}

static const struct node *tree_find_duplicate(const struct node *map, const char *text)
{
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->pairs[i].key->text, text) == 0)
            return map->pairs[i].key;
    return NULL;
}

static void tree_add_pair(
    struct tree_builder *builder, struct node *map, struct node *key, int value, int depth)
{
    const struct node *older = tree_find_duplicate(map, key->text);

    if (strcmp(key->text, "<<") == 0 && key->plain) {
        diagnostics_add(builder->diagnostics, key->location, "merge keys (<<) are not supported");
        return;
    }
    if (older) {
        diagnostics_add(builder->diagnostics, key->location,
            "duplicate key \"%s\" (first on line %d)", key->text, older->location.line);
        return;
    }
    map->pairs[map->count].key = key;
    map->pairs[map->count].value = tree_build(builder, value, depth + 1);
    if (!builder->failed)
        map->count++;
}

static void tree_build_map(
    struct tree_builder *builder, struct node *node, const yaml_node_t *from, int depth)
{
    const yaml_node_pair_t *start = from->data.mapping.pairs.start;
    size_t count = (size_t)(from->data.mapping.pairs.top - start);

    node->pairs = arena_array(builder->arena, count, sizeof(*node->pairs));
    for (size_t i = 0; i < count && !builder->failed; i++) {
        const yaml_node_t *key = yaml_document_get_node(builder->document, start[i].key);

        if (key->type == YAML_MAPPING_NODE) {
            tree_fail(builder, node->location, quote_text);
            return;
        }
        if (key->type != YAML_SCALAR_NODE) {
            tree_fail(builder, tree_mark_location(builder->source, key->start_mark),
                "a key must be text");
            return;
        }
        tree_add_pair(
            builder, node, tree_build(builder, start[i].key, depth + 1), start[i].value, depth);
    }
}

static struct node *tree_build(struct tree_builder *builder, int index, int depth)
{
    const yaml_node_t *from = yaml_document_get_node(builder->document, index);
    struct node *node = node_new(builder->arena, NODE_SCALAR, NULL);

    node->source = builder->source;
    node->location = tree_mark_location(builder->source, from->start_mark);
    if (depth > DEPTH_MAX) {
        tree_fail(builder, node->location, "nested too deeply, or an alias inside its own anchor");
        return node;
    }
    if (++builder->nodes > NODES_MAX) {
        tree_fail(builder, node->location, "too large after its aliases are expanded");
        return node;
    }
    switch (from->type) {
    case YAML_SCALAR_NODE:
        tree_build_scalar(builder, node, from);
        break;
    case YAML_SEQUENCE_NODE:
        node->kind = NODE_LIST;
        tree_build_list(builder, node, from, depth);
        break;
    case YAML_MAPPING_NODE:
        node->kind = NODE_MAP;
        tree_build_map(builder, node, from, depth);
        break;
    case YAML_NO_NODE:
        break;
    }
    return node;
}

/* Content after the first document is almost always a mistake: report it. */
static void tree_refuse_second(
    yaml_parser_t *parser, const struct source *source, struct diagnostics *diagnostics)
{
    yaml_document_t second;

    if (!yaml_parser_load(parser, &second)) {
        tree_report_parser(source, diagnostics, parser);
        return;
    }
    if (yaml_document_get_root_node(&second))
        diagnostics_add(diagnostics, tree_mark_location(source, second.start_mark),
            "a second document; a file holds one document");
    yaml_document_delete(&second);
}

/*
 * libyaml's parse time grows with the square of the nesting depth: reject deep files before
 * parsing.
 */
static bool tree_too_deep(const struct source *source)
{
    int depth = 0;

    for (const char *at = source->text; *at && depth <= BRACKETS_MAX; at++) {
        if (*at == '[' || *at == '{')
            depth++;
        else if ((*at == ']' || *at == '}') && depth > 0)
            depth--;
    }
    return depth > BRACKETS_MAX;
}

struct node *tree_parse(
    struct arena *arena, struct diagnostics *diagnostics, const struct source *source)
{
    struct tree_builder builder = {.arena = arena, .diagnostics = diagnostics, .source = source};
    yaml_parser_t parser;
    yaml_document_t document;
    struct node *root = NULL;

    if (tree_too_deep(source)) {
        diagnostics_add(
            diagnostics, (struct location){.file = source->name}, "brackets are nested too deeply");
        return NULL;
    }
    if (!yaml_parser_initialize(&parser))
        return NULL;
    yaml_parser_set_input_string(&parser, (const unsigned char *)source->text, source->size);
    if (!yaml_parser_load(&parser, &document)) {
        tree_report_parser(source, diagnostics, &parser);
        yaml_parser_delete(&parser);
        return NULL;
    }
    builder.document = &document;
    if (yaml_document_get_root_node(&document)) {
        root = tree_build(&builder, 1, 0);
        tree_refuse_second(&parser, source, diagnostics);
    } else {
        root = node_new(arena, NODE_MAP, NULL);
        root->source = source;
        root->location = (struct location){source->name, 1, 1};
    }
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    return builder.failed ? NULL : root;
}

struct node *tree_parse_text(
    struct arena *arena, struct diagnostics *diagnostics, const char *name, const char *text)
{
    struct source *source = arena_alloc(arena, sizeof(*source));

    *source = (struct source){arena_string(arena, name), arena_string(arena, text), strlen(text)};
    return tree_parse(arena, diagnostics, source);
}

static void tree_scalar_to_json(const struct node *node, struct iotify_buffer *out)
{
    json_t *value = node->plain ? json_loads(node->text, JSON_DECODE_ANY, NULL) : NULL;
    char *text;

    if (json_is_string(value)) {
        json_decref(value);
        value = NULL;
    }
    if (!value)
        value = node->plain && !*node->text ? json_null() : json_string(node->text);
    text = json_dumps(value, JSON_ENCODE_ANY);
    iotify_buffer_string(out, text ? text : "null");
    free(text);
    json_decref(value);
}

static void tree_string_to_json(const char *text, struct iotify_buffer *out)
{
    json_t *value = json_string(text);
    char *dump = json_dumps(value, JSON_ENCODE_ANY);

    iotify_buffer_string(out, dump ? dump : "\"\"");
    free(dump);
    json_decref(value);
}

void node_to_json(const struct node *node, struct iotify_buffer *out)
{
    switch (node->kind) {
    case NODE_SCALAR:
        tree_scalar_to_json(node, out);
        break;
    case NODE_LIST:
        iotify_buffer_char(out, '[');
        for (size_t i = 0; i < node->count; i++) {
            iotify_buffer_string(out, i ? "," : "");
            node_to_json(node->items[i], out);
        }
        iotify_buffer_char(out, ']');
        break;
    case NODE_MAP:
        iotify_buffer_char(out, '{');
        for (size_t i = 0; i < node->count; i++) {
            iotify_buffer_string(out, i ? "," : "");
            tree_string_to_json(node->pairs[i].key->text, out);
            iotify_buffer_char(out, ':');
            node_to_json(node->pairs[i].value, out);
        }
        iotify_buffer_char(out, '}');
        break;
    }
}
