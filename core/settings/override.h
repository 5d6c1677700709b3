/* SPDX-License-Identifier: Apache-2.0 */
/* `--set PATH=VALUE`: one change to the tree of a job file. One thread per tree. */
#ifndef CORE_SETTINGS_OVERRIDE_H
#define CORE_SETTINGS_OVERRIDE_H

#include "core/settings/tree.h"

/* True when the override changes this top-level key, or a part of it. */
bool override_is_for(const char *text, const char *key);
/*
 * Apply `PATH=VALUE` to the tree `root`. PATH is a list of keys joined by dots; list items are
 * given by index from 0; an existing key that contains a dot matches as a whole. Missing mappings
 * are created. The value is parsed as YAML. Errors become diagnostics.
 */
void override_apply(
    struct arena *arena, struct diagnostics *diagnostics, struct node *root, const char *text);

#endif
