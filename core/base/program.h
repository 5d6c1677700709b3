/* SPDX-License-Identifier: Apache-2.0 */
/* Locates the files that are installed next to this program. Any thread. */
#ifndef CORE_BASE_PROGRAM_H
#define CORE_BASE_PROGRAM_H

#include "core/base/arena.h"

/* The directory of the running program, in the arena; "" when it cannot be determined. */
const char *program_folder(struct arena *arena);

#endif
