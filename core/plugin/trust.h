/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that code may be loaded from a file. Any thread; reads the file system. */
#ifndef CORE_PLUGIN_TRUST_H
#define CORE_PLUGIN_TRUST_H

#include "core/base/arena.h"

/*
 * NULL when only root or the current user can have written the content of `path` (absolute, without
 * symbolic links): the file and its parent directories belong to one of them and no other user can
 * write them. A root-owned sticky directory is accepted, and so is group write access for the
 * owner's private group. Otherwise the reason and the remedy, in the arena.
 */
const char *trust_check(struct arena *arena, const char *path);

#endif
