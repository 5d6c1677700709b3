/* SPDX-License-Identifier: Apache-2.0 */
#include "core/script/expression.h"

#include <stdlib.h>

#define TEXT_MAX (1 << 20)

bool expression_set_compile(struct expression_set *expression_set, struct script *script,
    const struct schema_expression *list, struct diagnostics *diagnostics)
{
    const struct schema_expression *item;
    size_t count = 0;
    bool good = true;

    for (item = list; item; item = item->next)
        count++;
    *expression_set = (struct expression_set){0};
    expression_set->items = memory_new(count, sizeof(*expression_set->items));
    expression_set->expressions = memory_new(count, sizeof(*expression_set->expressions));
    expression_set->text = memory_new(1, sizeof(*expression_set->text));
    iotify_buffer_init(expression_set->text, TEXT_MAX);
    for (item = list; item; item = item->next) {
        struct expression *expression =
            script_expression(script, item->setting.name, item->text, item->location, diagnostics);

        good = good && expression;
        expression_set->items[expression_set->count] = item;
        expression_set->expressions[expression_set->count++] = expression;
    }
    return good;
}

void expression_set_clear(struct expression_set *expression_set)
{
    free(expression_set->items);
    free(expression_set->expressions);
    if (expression_set->text)
        iotify_buffer_wipe(expression_set->text);
    free(expression_set->text);
    *expression_set = (struct expression_set){0};
}

const void *expression_set_apply(const struct expression_set *expression_set, struct script *script,
    struct script_turn turn, const struct iotify_settings *settings, const void *options,
    const char *directory, struct arena *arena, const char **error)
{
    struct diagnostics diagnostics = {0};
    struct binder binder = {.arena = arena, .diagnostics = &diagnostics, .directory = directory};
    struct iotify_buffer *text = expression_set->text;
    bool good = true;
    void *copy;

    if (expression_set->count == 0)
        return options;
    copy = arena_copy(arena, options, settings->options_size);
    for (size_t i = 0; i < expression_set->count && good; i++) {
        struct script_error failure = {0};

        iotify_buffer_reset(text);
        if (!script_expand(script, expression_set->expressions[i], turn, text, &failure)) {
            *error = arena_format(arena, "%s:%d:%d: %s", failure.location.file,
                failure.location.line, failure.location.column, failure.text);
            good = false;
        } else if (!schema_bind_expanded(
                       &binder, expression_set->items[i], iotify_buffer_text(text), copy)) {
            const struct diagnostic *first = &diagnostics.items[0];

            *error = arena_format(arena, "%s:%d:%d: %s", first->location.file, first->location.line,
                first->location.column, first->text);
            good = false;
        }
        if (expression_set->items[i]->setting.type == IOTIFY_TYPE_SECRET)
            iotify_buffer_wipe(text);
    }
    diagnostics_clear(&diagnostics);
    return good ? copy : NULL;
}
