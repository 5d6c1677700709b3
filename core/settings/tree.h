/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML file as a tree with the location of each node. Built on libyaml's document API: duplicate
 * keys, merge keys and unlimited aliases are rejected here, so that the rest of the program works
 * with plain trees. Everything is allocated in the caller's arena. One thread.
 */
#ifndef CORE_SETTINGS_TREE_H
#define CORE_SETTINGS_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include <iotify/buffer.h>

#include "core/base/arena.h"
#include "core/base/diagnostics.h"

struct source {
    const char *name; /* as the user wrote it */
    const char *text;
    size_t size;
};

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node_pair {
    struct node *key, *value; /* the key is a scalar */
};

struct node {
    enum node_kind kind;
    struct location location;
    const struct source *source;
    const char *text; /* scalar: NUL-terminated, without a NUL inside */
    bool plain;       /* scalar: written without quotes and not as a block */
    bool block;       /* scalar: written as `|` or `>` */
    size_t count;
    struct node **items;     /* list */
    struct node_pair *pairs; /* map */
};

/* Read a file of at most 16 MiB. NULL after a diagnostic. `name` must outlive the diagnostics. */
const struct source *source_read(
    struct arena *arena, struct diagnostics *diagnostics, const char *path, const char *name);

/*
 * Parse a source. NULL after a diagnostic; errors that do not stop the parser, such as a duplicate
 * key, add diagnostics too but return the tree. An empty document is an empty map.
 */
struct node *tree_parse(
    struct arena *arena, struct diagnostics *diagnostics, const struct source *source);
/* As tree_parse(), for a text that is not in a file; `name` stands for the file in messages. */
struct node *tree_parse_text(
    struct arena *arena, struct diagnostics *diagnostics, const char *name, const char *text);

struct node *node_new(struct arena *arena, enum node_kind kind, const struct node *where);
/* The value of a key of a map; NULL when the key is absent or `map` is NULL or not a map. */
struct node *node_get(const struct node *map, const char *key);
/* Set a key of a map, replacing an existing value. */
void node_set(struct arena *arena, struct node *map, const char *key, struct node *value);
/* Set one location for the whole tree, for a tree that is not in a file. */
void node_blame(struct node *node, struct location location);
void node_push(struct arena *arena, struct node *list, struct node *item);
/* True when the value is left out: NULL, `key:` with an empty value, or an unquoted null. */
bool node_is_empty(const struct node *node);
/* "a mapping", "a list", "text": for messages. */
const char *node_kind_name(const struct node *node);

/*
 * Append the tree as JSON. Plain scalars that are JSON numbers, true, false or null keep their
 * type.
 */
void node_to_json(const struct node *node, struct iotify_buffer *out);

#endif
