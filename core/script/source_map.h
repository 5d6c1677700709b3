/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps the characters of a text to their locations in its file, for texts that YAML has changed:
 * folded, quoted with escapes, or plain over several lines. A map is read-only: any thread.
 */
#ifndef CORE_SCRIPT_SOURCE_MAP_H
#define CORE_SCRIPT_SOURCE_MAP_H

#include "core/settings/tree.h"

struct source_map;

/*
 * The map for the text of a scalar, in the arena; valid as long as the node's source. NULL when the
 * text is in the file unchanged, line by line, or when the mapping cannot be determined.
 */
const struct source_map *source_map_new(struct arena *arena, const struct node *node);

/* The location of a byte of the text; an offset after its end gives the last byte. */
struct location source_map_at(const struct source_map *source_map, size_t offset);
/* A line of the file, from 1, and its length in bytes. */
const char *source_map_line(const struct source_map *source_map, int line, size_t *length);

#endif
