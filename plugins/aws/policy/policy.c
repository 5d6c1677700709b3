/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/policy/policy.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/policy/policy_internal.h"

struct policy_statement {
    bool allows;
    bool other_actions, other_resources; /* NotAction, NotResource */
    json_t *actions, *resources;         /* owned by the document; each a text or a list */
    json_t *condition;                   /* NULL: none */
};

struct policy {
    json_t *document;
    struct policy_statement *statements;
    size_t count;
    bool variables; /* version 2012-10-17, which has ${variables} */
};

const char *policy_value(const struct policy_evaluation *at, const char *name)
{
    return at->context->variable ? at->context->variable(at->context->argument, name) : NULL;
}

/* ------------------------------------------------------------------ patterns */

const char *policy_item(const json_t *value, size_t index)
{
    if (json_is_array(value))
        return json_string_value(json_array_get(value, index));
    return index == 0 ? json_string_value(value) : NULL;
}

size_t policy_count(const json_t *value)
{
    return json_is_array(value) ? json_array_size(value) : 1;
}

/* ------------------------------------------------------------------ parsing */

static bool policy_is_texts(const json_t *value)
{
    if (!json_is_array(value))
        return json_is_string(value);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i)))
            return false;
    return json_array_size(value) > 0;
}

/* The value of `name` or "Not`name`", exactly one of which must exist; NULL after an error. */
static json_t *policy_take_either(
    const json_t *statement, const char *name, bool *negated, char *why, size_t size)
{
    char other[32];
    json_t *value = json_object_get(statement, name), *negative;

    snprintf(other, sizeof(other), "Not%s", name);
    negative = json_object_get(statement, other);
    *negated = negative != NULL;
    if ((value != NULL) == (negative != NULL) || !policy_is_texts(value ? value : negative)) {
        snprintf(why, size, "a statement needs %s or %s, a text or a list of texts", name, other);
        return NULL;
    }
    return value ? value : negative;
}

static bool policy_check_condition(const json_t *condition, char *why, size_t size)
{
    const char *name;
    json_t *keys;
    bool if_exists;

    if (!condition)
        return true;
    if (!json_is_object(condition)) {
        snprintf(why, size, "Condition is not an object");
        return false;
    }
    json_object_foreach((json_t *)condition, name, keys)
    {
        if (policy_condition_known(name, &if_exists) < 0 || !json_is_object(keys)) {
            snprintf(why, size, "unknown condition operator %.64s", name);
            return false;
        }
    }
    return true;
}

static bool policy_check_members(
    const json_t *object, const char *const *known, char *why, size_t size)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value)
    {
        size_t i = 0;

        while (known[i] && strcmp(known[i], name) != 0)
            i++;
        if (!known[i]) {
            snprintf(why, size, "unknown member %.64s", name);
            return false;
        }
    }
    return true;
}

static bool policy_parse_statement(
    struct policy_statement *out, const json_t *from, char *why, size_t size)
{
    static const char *const known[] = {
        "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", NULL};
    const char *effect = json_string_value(json_object_get(from, "Effect"));

    if (!json_is_object(from)) {
        snprintf(why, size, "a statement is not an object");
        return false;
    }
    if (!policy_check_members(from, known, why, size))
        return false;
    if (!effect || (strcmp(effect, "Allow") != 0 && strcmp(effect, "Deny") != 0)) {
        snprintf(why, size, "Effect must be Allow or Deny");
        return false;
    }
    out->allows = strcmp(effect, "Allow") == 0;
    out->actions = policy_take_either(from, "Action", &out->other_actions, why, size);
    out->resources = out->actions
                         ? policy_take_either(from, "Resource", &out->other_resources, why, size)
                         : NULL;
    out->condition = json_object_get(from, "Condition");
    return out->resources && policy_check_condition(out->condition, why, size);
}

static bool policy_short_enough(const json_t *document, char *why, size_t size)
{
    char *compact = json_dumps(document, JSON_COMPACT);
    bool good = compact && strlen(compact) <= POLICY_BYTES_MAX;

    free(compact);
    if (!good)
        snprintf(why, size, "the document has more than %d characters", POLICY_BYTES_MAX);
    return good;
}

static bool policy_parse_document(struct policy *policy, char *why, size_t size)
{
    static const char *const known[] = {"Version", "Id", "Statement", NULL};
    const char *version = json_string_value(json_object_get(policy->document, "Version"));
    const json_t *list = json_object_get(policy->document, "Statement");

    if (!json_is_object(policy->document)) {
        snprintf(why, size, "the document is not a JSON object");
        return false;
    }
    if (!policy_check_members(policy->document, known, why, size) ||
        !policy_short_enough(policy->document, why, size))
        return false;
    if (!version || (strcmp(version, "2012-10-17") != 0 && strcmp(version, "2008-10-17") != 0)) {
        snprintf(why, size, "Version must be 2012-10-17");
        return false;
    }
    if (!list) {
        snprintf(why, size, "Statement is missing");
        return false;
    }
    if (json_is_array(list) && json_array_size(list) == 0) {
        snprintf(why, size, "Statement is empty");
        return false;
    }
    policy->variables = strcmp(version, "2012-10-17") == 0;
    policy->statements = calloc(policy_count(list), sizeof(*policy->statements));
    for (size_t i = 0; policy->statements && i < policy_count(list); i++) {
        const json_t *one = json_is_array(list) ? json_array_get(list, i) : list;

        if (!policy_parse_statement(&policy->statements[policy->count], one, why, size))
            return false;
        policy->count++;
    }
    return policy->statements != NULL;
}

struct policy *policy_parse(const char *document, char *why, size_t size)
{
    struct policy *policy = calloc(1, sizeof(*policy));
    json_error_t error;

    if (!policy) {
        snprintf(why, size, "out of memory");
        return NULL;
    }
    policy->document = json_loads(document, JSON_REJECT_DUPLICATES, &error);
    if (!policy->document)
        snprintf(why, size, "%s", error.text);
    if (policy->document && policy_parse_document(policy, why, size))
        return policy;
    policy_free(policy);
    return NULL;
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    json_decref(policy->document);
    free(policy->statements);
    free(policy);
}

/* ------------------------------------------------------------------ evaluation */

/*
 * HOLDS when the text matches one of the patterns. UNKNOWN when none matches and a variable of one
 * has no value.
 */
static enum policy_outcome policy_matches_any(
    const json_t *patterns, const char *text, bool any_case, const struct policy_evaluation *at)
{
    enum policy_outcome outcome = FAILS;

    for (size_t i = 0; i < policy_count(patterns); i++) {
        const char *item = policy_item(patterns, i);
        struct policy_pattern pattern;

        if (!item || !policy_fill_in(&pattern, item, true, at))
            outcome = UNKNOWN;
        else if (policy_matches(&pattern, text, any_case))
            return HOLDS;
    }
    return outcome;
}

static bool policy_applies(const struct policy_statement *statement, const char *action,
    const char *resource, const struct policy_evaluation *at)
{
    enum policy_outcome outcome = policy_matches_any(statement->actions, action, true, at);

    if (outcome == UNKNOWN || (outcome == HOLDS) == statement->other_actions)
        return false;
    outcome = policy_matches_any(statement->resources, resource, false, at);
    if (outcome == UNKNOWN || (outcome == HOLDS) == statement->other_resources)
        return false;
    outcome = statement->condition ? policy_test_condition(statement->condition, at) : HOLDS;
    return outcome == HOLDS || (outcome == UNKNOWN && !statement->allows);
}

enum policy_verdict policy_evaluate(const struct policy *policy, const char *action,
    const char *resource, const struct policy_context *context)
{
    const struct policy_evaluation at = {context, policy->variables};
    enum policy_verdict verdict = POLICY_SILENT;

    for (size_t i = 0; i < policy->count; i++) {
        const struct policy_statement *statement = &policy->statements[i];

        if (verdict == POLICY_ALLOWS && statement->allows)
            continue;
        if (policy_applies(statement, action, resource, &at)) {
            if (!statement->allows)
                return POLICY_DENIES;
            verdict = POLICY_ALLOWS;
        }
    }
    return verdict;
}
