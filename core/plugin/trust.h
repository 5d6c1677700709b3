/* SPDX-License-Identifier: Apache-2.0 */
/* May code be loaded from this file? */
#ifndef CORE_PLUGIN_TRUST_H
#define CORE_PLUGIN_TRUST_H

#include "core/base/arena.h"

/*
 * NULL when only root or the present user can have put the content of `path` (absolute, without
 * links) there: file and parents owned by one of them, writable by nobody else. A root-owned
 * sticky folder passes, and group write where the group is the owner's private one.
 * Otherwise the reason and the remedy, in the arena.
 */
const char *trust_check(struct arena *arena, const char *path);

#endif
