/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by schema.c and schema_value.c. One thread per tree. */
#ifndef CORE_SETTINGS_SCHEMA_INTERNAL_H
#define CORE_SETTINGS_SCHEMA_INTERNAL_H

#include "core/settings/schema.h"

/* One setting that is being bound. */
struct schema_target {
    struct binder *binder;
    const struct iotify_setting *setting;
    const struct node *node; /* NULL: the default */
    void *value;
    struct location where; /* of the mapping; the location of a default */
    struct schema_expression **expressions;
};

/* Bind the target's node, or its default. */
void schema_bind_value(const struct schema_target *target);
/*
 * Bind a text as the setting's type. False when it does not have that form; the caller then reports
 * it with schema_wrong_type(). Other errors are reported here.
 */
bool schema_bind_text(const struct schema_target *target, const char *text);
/* Report a value that does not have the form of the setting's type. */
void schema_wrong_type(const struct schema_target *target, const char *text);

#endif
