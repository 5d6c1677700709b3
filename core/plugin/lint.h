/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the tables of a plugin when it is loaded, and names what is wrong. Pure, any thread. */
#ifndef CORE_PLUGIN_LINT_H
#define CORE_PLUGIN_LINT_H

#include <iotify/settings.h>

#include "core/base/arena.h"

/*
 * What is wrong with a table of settings, in one line that names the setting, in the arena; NULL:
 * nothing. `where` says which table it is: "connection".
 */
const char *lint_settings(
    struct arena *arena, const struct iotify_settings *settings, const char *where);

#endif
