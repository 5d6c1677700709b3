/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apply a settings table to a tree: check, bind and print values. The only reader of `struct
 * iotify_settings` besides the reference generators. One thread.
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

/* A value with {{expressions}}, which is evaluated for each device. */
struct schema_expression {
    struct iotify_setting setting;
    const char *text;
    struct location location;
    struct schema_expression *next;
};

/*
 * Check the mapping `map` (NULL: empty) against `settings` and return a new option structure in the
 * binder's arena, with defaults for the settings that are not in the map. `owner` names the owner
 * of the settings in messages ("plugin aws-iot"), `where` is the location reported for a missing
 * required setting, keys in `ignored` (ends with NULL, may be NULL) are skipped. Values with
 * {{expressions}} are added to the list `expressions` (NULL: not collected); until they are
 * evaluated, a text keeps its braces and any other type has its default. Errors become diagnostics;
 * never returns NULL.
 */
void *schema_bind(struct binder *binder, const struct iotify_settings *settings,
    const struct node *map, const char *owner, struct location where, const char *const *ignored,
    struct schema_expression **expressions);

/* The domain of an IOTIFY_TYPE_CHOICE, and that of an IOTIFY_TYPE_TABLE. */
static inline const char *const *schema_choices(const struct iotify_setting *setting)
{
    return setting->domain;
}
static inline const struct iotify_settings *schema_columns(const struct iotify_setting *setting)
{
    return setting->domain;
}
/* A copy of one entry of the table, with the members that this host knows. */
struct iotify_setting schema_setting(const struct iotify_settings *settings, size_t index);
/*
 * Find the setting with a role and a type; copy it to `setting`, unless that is NULL. False when
 * the table has none. The core knows the settings of a protocol only through roles.
 */
bool schema_find_role(const struct iotify_settings *settings, enum iotify_role role,
    enum iotify_type type, struct iotify_setting *setting);
/* The value of the text setting with a role in an option structure; NULL: none. */
const char *schema_role_text(
    const struct iotify_settings *settings, enum iotify_role role, const void *options);
/*
 * Does the user's mapping name a host, by itself or in a whole address? True as well for settings
 * without a host.
 */
bool schema_names_host(const struct iotify_settings *settings, const struct node *map);
/* The node of a setting ("will.topic") in the map; NULL when the map does not have it. */
struct node *schema_given(const struct node *map, const char *setting);

/*
 * Write one evaluated value into an option structure. `text` is copied into the binder's arena.
 * False after a diagnostic at the location of the expression.
 */
bool schema_bind_expanded(struct binder *binder, const struct schema_expression *expression,
    const char *text, void *options);

/* Append the options to `out` as YAML lines, indented by `indent` spaces, secrets as [redacted]. */
void schema_print(const struct iotify_settings *settings, const void *options, int indent,
    struct iotify_buffer *out);
/* Append a scalar as YAML, quoted where necessary. */
void schema_print_text(const char *text, struct iotify_buffer *out);

/* The name of a type: "string", "duration". */
const char *schema_type_name(enum iotify_type type);
/* What a type accepts, for messages: "text", "a duration such as 250ms, 10s or 5m". */
const char *schema_type_words(enum iotify_type type);

#endif
