/* SPDX-License-Identifier: Apache-2.0 */
/* Where this program is, for what lies beside it. */
#ifndef CORE_BASE_PROGRAM_H
#define CORE_BASE_PROGRAM_H

#include "core/base/arena.h"

/* The folder of the program's file, in the arena; "" when the system does not tell. */
const char *program_folder(struct arena *arena);

#endif
