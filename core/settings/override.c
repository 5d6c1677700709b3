/* SPDX-License-Identifier: Apache-2.0 */
#include "core/settings/override.h"

#include <string.h>

#include "core/base/value.h"

struct override_change {
    struct arena *arena;
    struct diagnostics *diagnostics;
    struct location location;
    const char *path; /* the part that is not applied yet */
    struct node *value;
};

bool override_is_for(const char *text, const char *key)
{
    size_t length = strlen(key);

    return strncmp(text, key, length) == 0 && (text[length] == '.' || text[length] == '=');
}

/*
 * Cut the next key off the path: the longest key of `map` that matches, else the text up to the
 * dot.
 */
static const char *override_next_key(struct override_change *change, const struct node *map)
{
    size_t best = strcspn(change->path, ".");
    bool found = false;
    const char *key;

    for (size_t i = 0; i < map->count; i++) {
        const char *name = map->pairs[i].key->text;
        size_t length = strlen(name);

        if (strncmp(change->path, name, length) == 0 &&
            (change->path[length] == '.' || change->path[length] == '\0') &&
            (!found || length > best)) {
            best = length;
            found = true;
        }
    }
    key = arena_copy(change->arena, change->path, best);
    change->path += best + (change->path[best] == '.');
    return key;
}

static bool override_is_scalar(const struct node *node)
{
    return node->kind == NODE_SCALAR;
}

static void override_apply_part(struct override_change *change, struct node *node);

static struct node *override_new_map(const struct override_change *change)
{
    struct node *map = node_new(change->arena, NODE_MAP, NULL);

    map->location = change->location;
    return map;
}

static void override_apply_to_map(struct override_change *change, struct node *map)
{
    const char *key = override_next_key(change, map);
    struct node *child = node_get(map, key);

    if (!*change->path) {
        node_set(change->arena, map, key, change->value);
        return;
    }
    if (!child || override_is_scalar(child)) {
        child = override_new_map(change);
        node_set(change->arena, map, key, child);
    }
    override_apply_part(change, child);
}

static void override_apply_to_list(struct override_change *change, struct node *list)
{
    size_t length = strcspn(change->path, ".");
    const char *number = arena_copy(change->arena, change->path, length);
    int64_t index;

    change->path += length + (change->path[length] == '.');
    if (!value_parse_integer(number, &index) || index < 0 || (size_t)index >= list->count) {
        diagnostics_add(change->diagnostics, change->location,
            "\"%s\" is not the number of an item; the list has the items 0 to %zu", number,
            list->count ? list->count - 1 : 0);
        return;
    }
    if (!*change->path) {
        list->items[index] = change->value;
        return;
    }
    if (override_is_scalar(list->items[index]) && !*list->items[index]->text)
        list->items[index] = override_new_map(change);
    override_apply_part(change, list->items[index]);
}

static void override_apply_part(struct override_change *change, struct node *node)
{
    if (node->kind == NODE_MAP)
        override_apply_to_map(change, node);
    else if (node->kind == NODE_LIST)
        override_apply_to_list(change, node);
    else
        diagnostics_add(
            change->diagnostics, change->location, "\"%s\" leads into a text", change->path);
}

void override_apply(
    struct arena *arena, struct diagnostics *diagnostics, struct node *root, const char *text)
{
    const char *equals = strchr(text, '=');
    struct location location = {.file = arena_format(arena, "--set %s", text)};
    struct override_change change = {arena, diagnostics, location, NULL, NULL};

    if (!equals || equals == text) {
        diagnostics_add(diagnostics, location, "write it as PATH=VALUE, for example devices=500");
        return;
    }
    change.path = arena_copy(arena, text, (size_t)(equals - text));
    change.value = tree_parse_text(arena, diagnostics, location.file, equals + 1);
    if (!change.value)
        return;
    if (!equals[1]) {
        change.value = node_new(arena, NODE_SCALAR, NULL);
        change.value->plain = true;
    }
    /* The value has no line in a file: errors in it name the option instead. */
    node_blame(change.value, location);
    override_apply_part(&change, root);
}
