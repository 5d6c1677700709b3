/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a settings table says, applied to a tree: check, bind, print. The only reader of
 * `struct iotify_settings` besides the reference generators.
 */
#ifndef CORE_SETTINGS_SCHEMA_H
#define CORE_SETTINGS_SCHEMA_H

#include <stdbool.h>

#include <iotify/buffer.h>
#include <iotify/settings.h>

#include "core/base/arena.h"
#include "core/base/diagnostics.h"
#include "core/settings/binder.h"
#include "core/settings/tree.h"

/* A value that holds {{expressions}}: known only for each client. */
struct schema_expression {
    struct iotify_setting setting;
    const char *text;
    struct location location;
    struct schema_expression *next;
};

/*
 * Check the mapping `map` (NULL: nothing given) against `settings` and write the values into a
 * new option structure, defaults where nothing is given. `owner` says whose settings they are
 * ("plugin aws-iot"), `where` is blamed for a missing required setting, keys in `ignored`
 * (ends with NULL, may be NULL) are skipped. Values with {{expressions}} go to the list
 * `expressions` (NULL: there must be none); until they are expanded a text stands as it is and
 * any other type has its default. Problems become diagnostics; the result is always a structure.
 */
void *schema_bind(struct binder *binder, const struct iotify_settings *settings,
    const struct node *map, const char *owner, struct location where, const char *const *ignored,
    struct schema_expression **expressions);

/* The domain of an IOTIFY_CHOICE, and of an IOTIFY_TABLE. */
static inline const char *const *schema_choices(const struct iotify_setting *setting)
{
    return setting->domain;
}
static inline const struct iotify_settings *schema_columns(const struct iotify_setting *setting)
{
    return setting->domain;
}
/* One entry of the table, as large as the host knows it. */
struct iotify_setting schema_setting(const struct iotify_settings *settings, size_t index);
/*
 * The setting of a role and type. False when the table has none; `setting` is NULL or gets it. The
 * only way in which the core knows a protocol's settings.
 */
bool schema_find_role(const struct iotify_settings *settings, enum iotify_role role,
    enum iotify_type type, struct iotify_setting *setting);
/* The node of the setting in the map; NULL when it was left to its default. */
const struct node *schema_given(const struct node *map, const char *setting);

/*
 * Write one expanded value into an option structure. `text` is copied into the binder's arena.
 * False after a diagnostic at the expression's place.
 */
bool schema_bind_expanded(struct binder *binder, const struct schema_expression *expression,
    const char *text, void *options);

/* The options as YAML lines, `indent` spaces in, secrets as [redacted]. */
void schema_print(const struct iotify_settings *settings, const void *options, int indent,
    struct iotify_buffer *out);
/* A scalar as YAML, in quotes where it needs them. */
void schema_print_text(const char *text, struct iotify_buffer *out);

/* "string", "duration": the name of a type. */
const char *schema_type_name(enum iotify_type type);
/* "text", "a duration such as 250ms, 10s or 5m": what a type takes. */
const char *schema_type_words(enum iotify_type type);

#endif
