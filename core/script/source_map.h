/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the characters of a text stand in the file that it came from, for texts that YAML has
 * changed on the way: folded, quoted with escapes, or plain over several lines.
 */
#ifndef CORE_SCRIPT_SOURCE_MAP_H
#define CORE_SCRIPT_SOURCE_MAP_H

#include "core/settings/tree.h"

struct source_map;

/*
 * For the text of a scalar; in the arena, and valid as long as the node's source. NULL: it stands
 * there as it is, each line of it on a line of the file, or nothing could be found out.
 */
const struct source_map *source_map_new(struct arena *arena, const struct node *node);

/* The place of a byte of the text; of what is behind its end that of the last byte. */
struct location source_map_at(const struct source_map *source_map, size_t offset);
/* A line of the file, from 1 on, and how many bytes it has. */
const char *source_map_line(const struct source_map *source_map, int line, size_t *length);

#endif
