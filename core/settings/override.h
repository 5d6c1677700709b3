/* SPDX-License-Identifier: Apache-2.0 */
/* `--set PATH=VALUE`: one change to the tree of a job file. */
#ifndef CORE_SETTINGS_OVERRIDE_H
#define CORE_SETTINGS_OVERRIDE_H

#include "core/settings/tree.h"

/* Is the override about this top-level key? */
bool override_is_for(const char *text, const char *key);
/*
 * Apply `PATH=VALUE`: keys joined by dots, list items by number, a key that holds a dot is one
 * part where the mapping has it. Missing mappings are made. Problems become diagnostics.
 */
void override_apply(
    struct arena *arena, struct diagnostics *diagnostics, struct node *root, const char *text);

#endif
