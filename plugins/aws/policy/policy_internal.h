/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a policy share: policy.c, policy_pattern.c and policy_condition.c. */
#ifndef PLUGINS_AWS_POLICY_POLICY_INTERNAL_H
#define PLUGINS_AWS_POLICY_POLICY_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "plugins/aws/policy/policy.h"

/* A pattern after its variables are filled in; longer ones match nothing. */
#define PATTERN_MAX 2048
#define NAME_MAX_BYTES 128
/* Characters of a filled-in pattern that stand for more than themselves. */
enum { ANY_TEXT = 256, ANY_CHARACTER };

/* One question to a policy. */
struct policy_evaluation {
    const struct policy_context *context;
    bool variables; /* the document's version has them */
};

struct policy_pattern {
    uint16_t items[PATTERN_MAX];
    size_t count;
};

enum policy_outcome { FAILS, HOLDS, UNKNOWN };

/* The value of a variable or condition key; NULL when it has none. */
const char *policy_value(const struct policy_evaluation *at, const char *name);
/* A value that is one text or a list of texts: its length, and its items. */
size_t policy_count(const json_t *value);
const char *policy_item(const json_t *value, size_t index);

/*
 * Fill variables into a pattern; with `wildcards`, * and ? stand for more than themselves. False
 * when a variable has no value, or the pattern is too long.
 */
bool policy_fill_in(struct policy_pattern *pattern, const char *text, bool wildcards,
    const struct policy_evaluation *at);
/* Does the text match the whole pattern? */
bool policy_matches(const struct policy_pattern *pattern, const char *text, bool any_case);

/* The operator's index without its quantifier and IfExists; -1 when it is not known. */
int policy_condition_known(const char *name, bool *if_exists);
/* All operators and all their keys have to hold. */
enum policy_outcome policy_test_condition(
    const json_t *condition, const struct policy_evaluation *at);

#endif
