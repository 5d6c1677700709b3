#include "core/script/expression.h"

#include <stdlib.h>

#define TEXT_MAX (1 << 20)

bool expansion_compile(struct expansion *expansion, struct script *script,
    const struct schema_expression *list, struct diagnostics *diagnostics)
{
    const struct schema_expression *item;
    size_t count = 0;
    bool good = true;

    for (item = list; item; item = item->next)
        count++;
    *expansion = (struct expansion){0};
    expansion->items = memory_new(count, sizeof(*expansion->items));
    expansion->macros = memory_new(count, sizeof(*expansion->macros));
    expansion->text = memory_new(1, sizeof(*expansion->text));
    iotify_buffer_init(expansion->text, TEXT_MAX);
    for (item = list; item; item = item->next) {
        struct macro *macro =
            script_macro(script, item->setting.name, item->text, item->place, diagnostics);

        good = good && macro;
        expansion->items[expansion->count] = item;
        expansion->macros[expansion->count++] = macro;
    }
    return good;
}

void expansion_clear(struct expansion *expansion)
{
    free(expansion->items);
    free(expansion->macros);
    if (expansion->text)
        iotify_buffer_wipe(expansion->text);
    free(expansion->text);
    *expansion = (struct expansion){0};
}

const void *expansion_apply(const struct expansion *expansion, struct script *script,
    struct script_turn turn, const struct iotify_settings *settings, const void *options,
    const char *directory, struct arena *arena, const char **error)
{
    struct diagnostics diagnostics = {0};
    struct binder binder = {.arena = arena, .diagnostics = &diagnostics, .directory = directory};
    struct iotify_buffer *text = expansion->text;
    bool good = true;
    void *copy;

    if (expansion->count == 0)
        return options;
    copy = arena_copy(arena, options, settings->options_size);
    for (size_t i = 0; i < expansion->count && good; i++) {
        struct script_error failure = {0};

        iotify_buffer_reset(text);
        if (!script_expand(script, expansion->macros[i], turn, text, &failure)) {
            *error = arena_format(arena, "%s:%d:%d: %s", failure.place.file, failure.place.line,
                failure.place.column, failure.text);
            good = false;
        } else if (!schema_bind_expanded(
                       &binder, expansion->items[i], iotify_buffer_text(text), copy)) {
            const struct diagnostic *first = &diagnostics.items[0];

            *error = arena_format(arena, "%s:%d:%d: %s", first->place.file, first->place.line,
                first->place.column, first->text);
            good = false;
        }
        if (expansion->items[i]->setting.type == IOTIFY_SECRET)
            iotify_buffer_wipe(text);
    }
    diagnostics_clear(&diagnostics);
    return good ? copy : NULL;
}
