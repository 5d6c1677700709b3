/* The {{expressions}} of one settings mapping, compiled, and their values put in for a client. */
#ifndef CORE_SCRIPT_EXPRESSION_H
#define CORE_SCRIPT_EXPRESSION_H

#include "core/script/script.h"
#include "core/settings/schema.h"

struct expansion {
    const struct schema_expression **items;
    struct macro **macros;
    size_t count;
    struct iotify_buffer *text; /* one value at a time */
};

/* False after diagnostics; expansion_clear() in either case. */
bool expansion_compile(struct expansion *expansion, struct script *script,
    const struct schema_expression *list, struct diagnostics *diagnostics);
void expansion_clear(struct expansion *expansion);

/*
 * A copy of `options` with every expression's value in it, in `arena`; `options` itself when there
 * are none. NULL: `*error` says why, with the place, in `arena`.
 */
const void *expansion_apply(const struct expansion *expansion, struct script *script,
    struct script_turn turn, const struct iotify_settings *settings, const void *options,
    const char *directory, struct arena *arena, const char **error);

#endif
