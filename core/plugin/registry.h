/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugins: found by name on the plugin path, checked for trust, loaded, and their descriptors
 * brought to the shape that this host knows. One thread.
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
    const char *path;                    /* the file it came from */
    struct iotify_plugin descriptor;     /* what the plugin gave, zeros for what it did not know */
    const struct iotify_action *actions; /* descriptor.action_count of the host's size */
    const struct iotify_default_step *default_steps;
    /* The one of the kind is filled in. */
    struct iotify_connector connector;
    struct iotify_storage storage;
    struct iotify_transport transport;
    struct plugin *next;
};

struct registry {
    struct arena arena;
    const char *path; /* folders joined by colons */
    struct plugin *plugins;
    const char *refused; /* why the first file was refused; NULL: none was */
};

enum registry_result {
    REGISTRY_OK,
    REGISTRY_UNKNOWN, /* no such file on the path: the job file is wrong */
    REGISTRY_REFUSED  /* the file is there, and cannot be used */
};

/*
 * The path: the folders of the environment's IOTIFY_PLUGIN_PATH, then `../lib/iotify` beside the
 * program.
 */
void registry_init(struct registry *registry);
/* Forget everything. Loaded objects stay in the process (RTLD_NODELETE). */
void registry_clear(struct registry *registry);

/* Find and load; `text` says why not, in the registry's arena. */
enum registry_result registry_load(
    struct registry *registry, const char *name, const struct plugin **out, const char **text);

/* Call `found` for each name on the path, sorted, once each. */
void registry_list(
    struct registry *registry, void (*found)(void *argument, const char *name), void *argument);

const struct iotify_action *plugin_action(const struct plugin *plugin, const char *name);
const char *plugin_kind_name(enum iotify_kind kind);

#endif
