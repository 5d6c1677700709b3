/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the values of a file come from: its tree, and the environment. What every binding of
 * settings needs. One thread.
 */
#ifndef CORE_SETTINGS_BINDER_H
#define CORE_SETTINGS_BINDER_H

#include "core/settings/tree.h"

struct binder {
    struct arena *arena;
    struct diagnostics *diagnostics;
    const char *directory; /* of the job file: relative paths start here; "" for the present one */
    const char *name;      /* of the job, for `{job}` in default paths; may be NULL */
    bool environment;      /* read ${NAME}: in job files, not in templates */
};

/* The text of a scalar with ${NAME} read, in the arena; NULL after a diagnostic. */
const char *binder_text(struct binder *binder, const struct node *node);
/* A relative path below the job file's directory. */
const char *binder_path(struct binder *binder, const char *path);

#endif
