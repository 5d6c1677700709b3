/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of the metrics of a template's scripts, as far as their source text shows them. Pure.
 */
#ifndef CORE_SIMULATE_METRIC_NAMES_H
#define CORE_SIMULATE_METRIC_NAMES_H

#include "core/template/template.h"

struct metric_names {
    const char **names;
    size_t count;
    bool any; /* there may be others: names made at run time, or code in other files */
};

/* Add the names in the template's functions and in connectors' helpers; allocated in `arena`. */
void metric_names_read(
    struct metric_names *names, struct arena *arena, const struct template_file *template);

#endif
