/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs JavaScript of the program's own, in a context of its own that has no functions but those of
 * the language. It must end by itself: no limits apply. Any thread.
 */
#ifndef CORE_SCRIPT_EVALUATE_H
#define CORE_SCRIPT_EVALUATE_H

#include "core/base/arena.h"

/*
 * Evaluate `source`, then `function`, an expression, and call it with a text, in UTF-8. Returns its
 * result as text, which lives in the arena, or NULL with `*error`, which does too.
 */
const char *evaluate_with_text(struct arena *arena, const char *source, const char *function,
    const char *text, const char **error);

#endif
