/* SPDX-License-Identifier: Apache-2.0 */
/* Declarations that policy.c, policy_pattern.c and policy_condition.c share. Pure, any thread. */
#ifndef PLUGINS_AWS_POLICY_POLICY_INTERNAL_H
#define PLUGINS_AWS_POLICY_POLICY_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "plugins/aws/policy/policy.h"

/* Maximum length of a pattern after substitution; longer ones match nothing. */
#define PATTERN_MAX 2048
#define NAME_MAX_BYTES 128
/* The wildcards of a substituted pattern. */
enum { ANY_TEXT = 256, ANY_CHARACTER };

/* One evaluation of a policy. */
struct policy_evaluation {
    const struct policy_context *context;
    bool variables; /* the version of the document has ${variables} */
};

struct policy_pattern {
    uint16_t items[PATTERN_MAX];
    size_t count;
};

enum policy_outcome { FAILS, HOLDS, UNKNOWN };

/* The value of a variable or condition key; NULL: none. */
const char *policy_value(const struct policy_evaluation *at, const char *name);
/* The number of items and one item of a value that is a text or a list of texts. */
size_t policy_count(const json_t *value);
const char *policy_item(const json_t *value, size_t index);

/*
 * Substitute the variables of a pattern; with `wildcards`, * and ? become wildcards. False when a
 * variable has no value, or the pattern is too long.
 */
bool policy_fill_in(struct policy_pattern *pattern, const char *text, bool wildcards,
    const struct policy_evaluation *at);
/* True when the whole text matches the pattern. `any_case`: ignore the case of ASCII letters. */
bool policy_matches(const struct policy_pattern *pattern, const char *text, bool any_case);

/* The index of an operator, ignoring its quantifier and IfExists; -1: unknown operator. */
int policy_condition_known(const char *name, bool *if_exists);
/* Evaluate a condition: all keys of all operators must hold. */
enum policy_outcome policy_test_condition(
    const json_t *condition, const struct policy_evaluation *at);

#endif
