/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The {{expressions}} of one mapping of settings: compiled once, evaluated for each client. One
 * thread.
 */
#ifndef CORE_SCRIPT_EXPRESSION_H
#define CORE_SCRIPT_EXPRESSION_H

#include "core/script/script.h"
#include "core/settings/schema.h"

struct expression_set {
    const struct schema_expression **items;
    struct expression **expressions;
    size_t count;
    struct iotify_buffer *text; /* the value that is being evaluated */
};

/*
 * Compile the expressions of `list`. False after diagnostics; call expression_set_clear() in either
 * case.
 */
bool expression_set_compile(struct expression_set *expression_set, struct script *script,
    const struct schema_expression *list, struct diagnostics *diagnostics);
void expression_set_clear(struct expression_set *expression_set);

/*
 * Copy `options` into `arena` with the value of each expression filled in; `options` itself when
 * there are none. `directory` is the base of relative paths. NULL on failure: `*error` is the
 * reason with its location, in `arena`.
 */
const void *expression_set_apply(const struct expression_set *expression_set, struct script *script,
    struct script_turn turn, const struct iotify_settings *settings, const void *options,
    const char *directory, struct arena *arena, const char **error);

#endif
