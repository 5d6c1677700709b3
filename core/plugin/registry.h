/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of plugins: finds them by name on the plugin path, checks that the file is trusted,
 * loads it, and copies its descriptor into the structures of this host. One thread.
 */
#ifndef CORE_PLUGIN_REGISTRY_H
#define CORE_PLUGIN_REGISTRY_H

#include <iotify/connector.h>
#include <iotify/plugin.h>
#include <iotify/storage.h>
#include <iotify/transport.h>

#include "core/base/arena.h"
#include "core/base/suggest.h"

struct plugin {
    const char *name;
    const char *path;                    /* of the shared object */
    struct iotify_plugin descriptor;     /* as exported; zeros for missing members */
    const struct iotify_action *actions; /* descriptor.action_count items of the host's size */
    const struct iotify_default_step *default_steps;
    /* Only the one for the plugin's kind is filled in. */
    struct iotify_connector connector;
    struct iotify_storage storage;
    struct iotify_transport transport;
    struct plugin *next;
};

struct registry {
    struct arena arena;
    const char *path; /* directories, separated by colons */
    struct plugin *plugins;
    const char *refused; /* why the first refused file was refused; NULL: none was */
};

enum registry_result {
    REGISTRY_OK,
    REGISTRY_UNKNOWN, /* no such file on the path: an error in the job file */
    REGISTRY_REFUSED  /* the file exists but cannot be used */
};

/*
 * Set the plugin path: the directories of the environment variable IOTIFY_PLUGIN_PATH, then
 * `~/.local/lib/iotify`, then `../lib/iotify` relative to the program's directory.
 */
void registry_init(struct registry *registry);
/* Free the registry. Loaded objects stay in the process (RTLD_NODELETE). */
void registry_clear(struct registry *registry);

/*
 * Find and load a plugin; a second call returns the same plugin. On failure `text` is the reason,
 * in the registry's arena.
 */
enum registry_result registry_load(
    struct registry *registry, const char *name, const struct plugin **out, const char **text);

/* Call `found` for the name of each plugin on the path, sorted, without duplicates. */
void registry_list(
    struct registry *registry, void (*found)(void *argument, const char *name), void *argument);

const struct iotify_action *plugin_action(const struct plugin *plugin, const char *name);
const char *plugin_kind_name(enum iotify_kind kind);

#endif
