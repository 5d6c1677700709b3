/* SPDX-License-Identifier: Apache-2.0 */
/* The names that a template's scripts measure under, as far as their text tells. */
#ifndef CORE_SIMULATE_METRIC_NAMES_H
#define CORE_SIMULATE_METRIC_NAMES_H

#include "core/template/template.h"

struct metric_names {
    const char **names;
    size_t count;
    bool any; /* there may be others: a name is made at run time, or there is no template yet */
};

/* Read them from the template's functions; the names are in the arena. */
void metric_names_read(
    struct metric_names *names, struct arena *arena, const struct template_file *template);

#endif
