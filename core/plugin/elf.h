/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shared object holds, read from its file: a plugin that cannot be used is refused before
 * its code runs, and a file that was cut off does not crash the loader. Any thread.
 */
#ifndef CORE_PLUGIN_ELF_H
#define CORE_PLUGIN_ELF_H

#include "core/base/arena.h"

/*
 * Read the first bytes of the data symbol `name` of the shared object, at most `size` of them, into
 * `out`, and the symbol's size into `*found`. Returns NULL, or why the file cannot be used, in the
 * arena.
 */
const char *elf_read_symbol(
    struct arena *arena, const char *path, const char *name, void *out, size_t size, size_t *found);

#endif
