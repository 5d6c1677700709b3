/* SPDX-License-Identifier: Apache-2.0 */
/* Identifies a text by its SHA-256. Pure, any thread. */
#ifndef CORE_BASE_DIGEST_H
#define CORE_BASE_DIGEST_H

#include "core/base/arena.h"

/* In hexadecimal digits, in the arena. */
const char *digest_text(struct arena *arena, const char *text, size_t size);

#endif
