/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plugin's file says of itself, checked and brought to this host's structures: a plugin of
 * an older or newer minor version has shorter or longer ones. Nothing of the plugin runs here.
 * One thread; reasons and copies are in the arena.
 */
#ifndef CORE_PLUGIN_NEGOTIATE_H
#define CORE_PLUGIN_NEGOTIATE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/plugin/registry.h"

/* Names of plugins, actions and protocols: lower-case letters, digits, hyphens and underscores. */
bool negotiate_name_valid(const char *name);

/*
 * Look at a descriptor of `size` bytes as it is in the file, before the plugin is loaded. NULL when
 * it may be loaded, else the reason.
 */
const char *negotiate_head(struct arena *arena, const struct iotify_plugin *head, size_t size);

/*
 * Check the descriptor of a loaded plugin, and copy it and its tables to `plugin`. NULL when it can
 * be used, else the reason.
 */
const char *negotiate_plugin(
    struct arena *arena, struct plugin *plugin, const struct iotify_plugin *exported);

#endif
