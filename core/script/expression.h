/* SPDX-License-Identifier: Apache-2.0 */
/* The {{expressions}} of one settings mapping, compiled, and their values put in for a client. */
#ifndef CORE_SCRIPT_EXPRESSION_H
#define CORE_SCRIPT_EXPRESSION_H

#include "core/script/script.h"
#include "core/settings/schema.h"

struct expression_set {
    const struct schema_expression **items;
    struct expression **expressions;
    size_t count;
    struct iotify_buffer *text; /* one value at a time */
};

/* False after diagnostics; expression_set_clear() in either case. */
bool expression_set_compile(struct expression_set *expression_set, struct script *script,
    const struct schema_expression *list, struct diagnostics *diagnostics);
void expression_set_clear(struct expression_set *expression_set);

/*
 * A copy of `options` with every expression's value in it, in `arena`; `options` itself when there
 * are none. NULL: `*error` says why, with the place, in `arena`.
 */
const void *expression_set_apply(const struct expression_set *expression_set, struct script *script,
    struct script_turn turn, const struct iotify_settings *settings, const void *options,
    const char *directory, struct arena *arena, const char **error);

#endif
