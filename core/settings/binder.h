/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binder: what every binding of settings needs to turn the values of a YAML tree into options,
 * with environment variables expanded. One thread.
 */
#ifndef CORE_SETTINGS_BINDER_H
#define CORE_SETTINGS_BINDER_H

#include "core/settings/tree.h"

struct binder {
    struct arena *arena;
    struct diagnostics *diagnostics;
    const char *directory; /* of the job file, the base of relative paths; "" for the current one */
    const char *name;      /* of the job, for `{job}` in default paths; may be NULL */
    bool environment;      /* expand ${NAME}: in job files, not in templates */
};

/*
 * The text of a scalar with ${NAME} and ${NAME:-default} expanded; $${ stands for ${. The text is
 * the node's own or in the arena. NULL after a diagnostic.
 */
const char *binder_text(struct binder *binder, const struct node *node);
/* Resolve a relative path against the job file's directory; other values are returned unchanged. */
const char *binder_path(struct binder *binder, const char *path);

#endif
