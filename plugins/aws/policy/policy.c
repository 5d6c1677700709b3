#include "plugins/aws/policy/policy.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* A pattern after its variables are filled in; longer ones match nothing. */
#define PATTERN_MAX 2048
#define NAME_MAX_BYTES 128
/* Characters of a filled-in pattern that stand for more than themselves. */
enum { ANY_TEXT = 256, ANY_CHARACTER };

struct statement {
    bool allows;
    bool other_actions, other_resources; /* NotAction, NotResource */
    json_t *actions, *resources;         /* borrowed from the document; each a text or a list */
    json_t *condition;                   /* NULL: none */
};

struct policy {
    json_t *document;
    struct statement *statements;
    size_t count;
    bool variables; /* of version 2012-10-17 */
};

/* One question to a policy. */
struct evaluation {
    const struct policy_context *context;
    bool variables; /* the document's version has them */
};

static const char *value_of(const struct evaluation *at, const char *name)
{
    return at->context->variable ? at->context->variable(at->context->argument, name) : NULL;
}

/* ------------------------------------------------------------------ patterns */

struct pattern {
    uint16_t items[PATTERN_MAX];
    size_t count;
};

static bool put(struct pattern *pattern, uint16_t item)
{
    if (pattern->count == PATTERN_MAX)
        return false;
    pattern->items[pattern->count++] = item;
    return true;
}

/* At `${`: append what it stands for. False when it has no value. */
static bool put_variable(
    struct pattern *pattern, const char *name, size_t length, const struct evaluation *at)
{
    char copy[NAME_MAX_BYTES];
    const char *value;

    /* ${*}, ${?} and ${$} are the characters themselves. */
    if (length == 1 && strchr("*?$", *name))
        return put(pattern, (unsigned char)*name);
    if (length == 0 || length >= sizeof(copy))
        return false;
    memcpy(copy, name, length);
    copy[length] = '\0';
    value = value_of(at, copy);
    if (!value)
        return false;
    /* A star in a value is a star. */
    for (; *value; value++)
        if (!put(pattern, (unsigned char)*value))
            return false;
    return true;
}

static bool fill_in(
    struct pattern *pattern, const char *text, bool wildcards, const struct evaluation *at)
{
    pattern->count = 0;
    for (; *text; text++) {
        const char *end =
            at->variables && text[0] == '$' && text[1] == '{' ? strchr(text, '}') : NULL;

        if (end) {
            if (!put_variable(pattern, text + 2, (size_t)(end - text) - 2, at))
                return false;
            text = end;
        } else if (!put(pattern, wildcards && *text == '*'   ? ANY_TEXT
                                 : wildcards && *text == '?' ? ANY_CHARACTER
                                                             : (unsigned char)*text)) {
            return false;
        }
    }
    return true;
}

static bool fold(uint16_t item, unsigned char character)
{
    if (item >= 'A' && item <= 'Z')
        item |= 0x20;
    if (character >= 'A' && character <= 'Z')
        character |= 0x20;
    return item == character;
}

/* One star back is enough: a later star makes an earlier one final. */
static bool matches(const struct pattern *pattern, const char *text, bool any_case)
{
    size_t at = 0, star = SIZE_MAX;
    const char *resume = NULL;

    while (*text) {
        uint16_t item = at < pattern->count ? pattern->items[at] : 0;

        if (item == ANY_TEXT) {
            star = at++;
            resume = text;
        } else if (at < pattern->count &&
                   (item == ANY_CHARACTER || (any_case ? fold(item, (unsigned char)*text)
                                                       : item == (unsigned char)*text))) {
            at++;
            text++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (at < pattern->count && pattern->items[at] == ANY_TEXT)
        at++;
    return at == pattern->count;
}

/* A text, or a list of texts. */
static const char *item_of(const json_t *value, size_t index)
{
    if (json_is_array(value))
        return json_string_value(json_array_get(value, index));
    return index == 0 ? json_string_value(value) : NULL;
}

static size_t count_of(const json_t *value)
{
    return json_is_array(value) ? json_array_size(value) : 1;
}

/* ------------------------------------------------------------------ conditions */

enum outcome { FAILS, HOLDS, UNKNOWN };

enum comparison {
    TEXT_EQUAL,
    TEXT_LIKE,
    TEXT_EQUAL_ANY_CASE,
    BOOLEAN,
    ADDRESS,
    EQUAL, /* of numbers and dates, as the two below */
    LESS,
    LESS_EQUAL,
    GREATER,
    GREATER_EQUAL,
    ABSENT
};

static const struct {
    const char *name;
    enum comparison comparison;
    bool negated;
} operators[] = {
    {"StringEquals", TEXT_EQUAL, false},
    {"StringNotEquals", TEXT_EQUAL, true},
    {"StringEqualsIgnoreCase", TEXT_EQUAL_ANY_CASE, false},
    {"StringNotEqualsIgnoreCase", TEXT_EQUAL_ANY_CASE, true},
    {"StringLike", TEXT_LIKE, false},
    {"StringNotLike", TEXT_LIKE, true},
    {"ArnEquals", TEXT_LIKE, false},
    {"ArnLike", TEXT_LIKE, false},
    {"ArnNotEquals", TEXT_LIKE, true},
    {"ArnNotLike", TEXT_LIKE, true},
    {"Bool", BOOLEAN, false},
    {"IpAddress", ADDRESS, false},
    {"NotIpAddress", ADDRESS, true},
    {"BinaryEquals", TEXT_EQUAL, false},
    {"NumericEquals", EQUAL, false},
    {"NumericNotEquals", EQUAL, true},
    {"NumericLessThan", LESS, false},
    {"NumericGreaterThanEquals", GREATER_EQUAL, false},
    {"NumericGreaterThan", GREATER, false},
    {"NumericLessThanEquals", LESS_EQUAL, false},
    {"DateEquals", EQUAL, false},
    {"DateNotEquals", EQUAL, true},
    {"DateLessThan", LESS, false},
    {"DateGreaterThanEquals", GREATER_EQUAL, false},
    {"DateGreaterThan", GREATER, false},
    {"DateLessThanEquals", LESS_EQUAL, false},
    {"Null", ABSENT, false},
};

/* The operator's index without its quantifier and IfExists; -1 when it is not known. */
static int find_operator(const char *name, bool *if_exists)
{
    static const char *const quantifiers[] = {"ForAnyValue:", "ForAllValues:"};
    static const char suffix[] = "IfExists";
    size_t length;

    for (size_t i = 0; i < sizeof(quantifiers) / sizeof(quantifiers[0]); i++)
        if (strncmp(name, quantifiers[i], strlen(quantifiers[i])) == 0)
            name += strlen(quantifiers[i]);
    length = strlen(name);
    *if_exists = length > strlen(suffix) && strcmp(name + length - strlen(suffix), suffix) == 0;
    if (*if_exists)
        length -= strlen(suffix);
    if (*if_exists && length == 4 && memcmp(name, "Null", 4) == 0)
        return -1;
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
        if (strlen(operators[i].name) == length && strncmp(operators[i].name, name, length) == 0)
            return (int)i;
    return -1;
}

/* An address of one of the two families; 0: none, else its bits. */
static int read_address(const char *text, size_t length, unsigned char bytes[16])
{
    int family = memchr(text, ':', length) ? AF_INET6 : AF_INET;
    char copy[64];

    if (length >= sizeof(copy))
        return 0;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (inet_pton(family, copy, bytes) != 1)
        return 0;
    return family == AF_INET ? 32 : 128;
}

/* Is the address inside the block ("10.0.0.0/8")? UNKNOWN when it is no block. */
static enum outcome in_block(const char *address, const char *block)
{
    unsigned char wanted[16], present[16];
    const char *slash = strchr(block, '/');
    int most = read_address(block, slash ? (size_t)(slash - block) : strlen(block), wanted);
    char *end = NULL;
    long bits = slash ? strtol(slash + 1, &end, 10) : most;

    if (most == 0 || bits < 0 || bits > most || (slash && (*end || end == slash + 1)))
        return UNKNOWN;
    if (read_address(address, strlen(address), present) != most)
        return FAILS;
    for (long i = 0; i < bits; i++)
        if ((wanted[i / 8] ^ present[i / 8]) & (0x80 >> i % 8))
            return FAILS;
    return HOLDS;
}

/* What stands behind the seconds of a date: a fraction, then Z or an offset; NULL: none of that. */
static const char *skip_zone(const char *rest, long *offset)
{
    int hours, minutes, used = 0;

    *offset = 0;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (*rest == 'Z')
        return rest + 1;
    if (*rest != '+' && *rest != '-')
        return *rest ? NULL : rest;
    if (sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5)
        return NULL;
    *offset = (*rest == '-' ? -1 : 1) * (hours * 3600L + minutes * 60L);
    return rest + 1 + used;
}

/* A number, or a date such as 2026-01-02T03:04:05Z as seconds since 1970. */
static bool to_number(const char *text, double *out)
{
    struct tm parts = {0};
    const char *rest = strptime(text, "%Y-%m-%d", &parts);
    long offset = 0;
    char *end;

    if (!rest) {
        *out = strtod(text, &end);
        return end != text && !*end;
    }
    if (*rest == 'T')
        rest = strptime(rest, "T%H:%M:%S", &parts);
    if (rest)
        rest = skip_zone(rest, &offset);
    *out = (double)(timegm(&parts) - offset);
    return rest && !*rest;
}

static enum outcome outcome_of(bool holds)
{
    return holds ? HOLDS : FAILS;
}

static enum outcome compare_numbers(
    enum comparison comparison, const char *present, const char *wanted)
{
    double has, wants;

    if (!to_number(present, &has) || !to_number(wanted, &wants))
        return UNKNOWN;
    switch (comparison) {
    case LESS:
        return outcome_of(has < wants);
    case LESS_EQUAL:
        return outcome_of(has <= wants);
    case GREATER:
        return outcome_of(has > wants);
    case GREATER_EQUAL:
        return outcome_of(has >= wants);
    default:
        return outcome_of(has >= wants && has <= wants);
    }
}

/* UNKNOWN when the wanted value is none that can be compared. */
static enum outcome compare(enum comparison comparison, const char *present, const char *wanted,
    const struct evaluation *at)
{
    struct pattern pattern;

    if (comparison == BOOLEAN)
        return outcome_of(strcasecmp(present, wanted) == 0);
    if (comparison == ADDRESS)
        return in_block(present, wanted);
    if (comparison >= EQUAL && comparison <= GREATER_EQUAL)
        return compare_numbers(comparison, present, wanted);
    if (!fill_in(&pattern, wanted, comparison == TEXT_LIKE, at))
        return UNKNOWN;
    return outcome_of(matches(&pattern, present, comparison == TEXT_EQUAL_ANY_CASE));
}

/* A wanted value as text, which JSON may have as a number or a boolean; NULL: as something else. */
static const char *wanted_text(const json_t *value, size_t index, char buffer[32])
{
    const json_t *item = json_is_array(value) ? json_array_get(value, index) : value;

    if (json_is_boolean(item))
        return json_is_true(item) ? "true" : "false";
    if (json_is_number(item)) {
        snprintf(buffer, 32, "%.17g", json_number_value(item));
        return buffer;
    }
    return json_string_value(item);
}

/* Any of the wanted values will do. UNKNOWN when one cannot be compared and no other holds. */
static enum outcome compare_any(enum comparison comparison, const char *present,
    const json_t *wanted, const struct evaluation *at)
{
    enum outcome outcome = FAILS;
    char buffer[32];

    for (size_t i = 0; i < count_of(wanted); i++) {
        const char *value = wanted_text(wanted, i, buffer);
        enum outcome one = value ? compare(comparison, present, value, at) : UNKNOWN;

        if (one == HOLDS)
            return HOLDS;
        if (one == UNKNOWN)
            outcome = UNKNOWN;
    }
    return outcome;
}

/* One key under one operator. */
static enum outcome test_key(
    int rule, bool if_exists, const char *key, const json_t *wanted, const struct evaluation *at)
{
    const char *value = value_of(at, key);
    /* A copy: the wanted values may ask for variables of their own. */
    char copy[PATTERN_MAX], buffer[32];
    enum outcome outcome;

    if (operators[rule].comparison == ABSENT) {
        const char *expected = wanted_text(wanted, 0, buffer);

        return expected ? outcome_of((strcasecmp(expected, "true") == 0) == (value == NULL))
                        : UNKNOWN;
    }
    if (!value)
        return outcome_of(if_exists || operators[rule].negated);
    snprintf(copy, sizeof(copy), "%s", value);
    outcome = compare_any(operators[rule].comparison, copy, wanted, at);
    if (outcome == UNKNOWN || !operators[rule].negated)
        return outcome;
    return outcome_of(outcome == FAILS);
}

/* All operators and all their keys have to hold. */
static enum outcome test_condition(const json_t *condition, const struct evaluation *at)
{
    enum outcome outcome = HOLDS;
    const char *name, *key;
    json_t *keys, *wanted;

    json_object_foreach((json_t *)condition, name, keys)
    {
        bool if_exists;
        int rule = find_operator(name, &if_exists);

        if (rule < 0)
            return UNKNOWN;
        json_object_foreach(keys, key, wanted)
        {
            enum outcome one = test_key(rule, if_exists, key, wanted, at);

            if (one == FAILS)
                return FAILS;
            if (one == UNKNOWN)
                outcome = UNKNOWN;
        }
    }
    return outcome;
}

/* ------------------------------------------------------------------ parsing */

static bool is_texts(const json_t *value)
{
    if (!json_is_array(value))
        return json_is_string(value);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i)))
            return false;
    return json_array_size(value) > 0;
}

/* "Action" or "NotAction", exactly one of them. */
static json_t *take_either(
    const json_t *statement, const char *name, bool *negated, char *why, size_t size)
{
    char other[32];
    json_t *value = json_object_get(statement, name), *negative;

    snprintf(other, sizeof(other), "Not%s", name);
    negative = json_object_get(statement, other);
    *negated = negative != NULL;
    if ((value != NULL) == (negative != NULL) || !is_texts(value ? value : negative)) {
        snprintf(why, size, "a statement needs %s or %s, a text or a list of texts", name, other);
        return NULL;
    }
    return value ? value : negative;
}

static bool check_condition(const json_t *condition, char *why, size_t size)
{
    const char *name;
    json_t *keys;
    bool if_exists;

    if (!condition)
        return true;
    if (!json_is_object(condition)) {
        snprintf(why, size, "Condition is no object");
        return false;
    }
    json_object_foreach((json_t *)condition, name, keys)
    {
        if (find_operator(name, &if_exists) < 0 || !json_is_object(keys)) {
            snprintf(why, size, "unknown condition operator %.64s", name);
            return false;
        }
    }
    return true;
}

static bool check_members(const json_t *object, const char *const *known, char *why, size_t size)
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

static bool parse_statement(struct statement *out, const json_t *from, char *why, size_t size)
{
    static const char *const known[] = {
        "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", NULL};
    const char *effect = json_string_value(json_object_get(from, "Effect"));

    if (!json_is_object(from)) {
        snprintf(why, size, "a statement is no object");
        return false;
    }
    if (!check_members(from, known, why, size))
        return false;
    if (!effect || (strcmp(effect, "Allow") != 0 && strcmp(effect, "Deny") != 0)) {
        snprintf(why, size, "Effect must be Allow or Deny");
        return false;
    }
    out->allows = strcmp(effect, "Allow") == 0;
    out->actions = take_either(from, "Action", &out->other_actions, why, size);
    out->resources =
        out->actions ? take_either(from, "Resource", &out->other_resources, why, size) : NULL;
    out->condition = json_object_get(from, "Condition");
    return out->resources && check_condition(out->condition, why, size);
}

static bool short_enough(const json_t *document, char *why, size_t size)
{
    char *compact = json_dumps(document, JSON_COMPACT);
    bool good = compact && strlen(compact) <= POLICY_BYTES_MAX;

    free(compact);
    if (!good)
        snprintf(why, size, "the document has more than %d characters", POLICY_BYTES_MAX);
    return good;
}

static bool parse_document(struct policy *policy, char *why, size_t size)
{
    static const char *const known[] = {"Version", "Id", "Statement", NULL};
    const char *version = json_string_value(json_object_get(policy->document, "Version"));
    const json_t *list = json_object_get(policy->document, "Statement");

    if (!json_is_object(policy->document)) {
        snprintf(why, size, "the document is no JSON object");
        return false;
    }
    if (!check_members(policy->document, known, why, size) ||
        !short_enough(policy->document, why, size))
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
    policy->statements = calloc(count_of(list), sizeof(*policy->statements));
    for (size_t i = 0; policy->statements && i < count_of(list); i++) {
        const json_t *one = json_is_array(list) ? json_array_get(list, i) : list;

        if (!parse_statement(&policy->statements[policy->count], one, why, size))
            return false;
        policy->count++;
    }
    return policy->statements != NULL;
}

struct policy *policy_parse(const char *document, char *why, size_t size)
{
    struct policy *policy = calloc(1, sizeof(*policy));
    json_error_t error;

    if (!policy)
        return NULL;
    policy->document = json_loads(document, JSON_REJECT_DUPLICATES, &error);
    if (!policy->document)
        snprintf(why, size, "%s", error.text);
    if (policy->document && parse_document(policy, why, size))
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
 * Does the text match one of the patterns? UNKNOWN when a pattern lacks the value of a variable
 * and no other one matches.
 */
static enum outcome matches_any(
    const json_t *patterns, const char *text, bool any_case, const struct evaluation *at)
{
    enum outcome outcome = FAILS;

    for (size_t i = 0; i < count_of(patterns); i++) {
        const char *item = item_of(patterns, i);
        struct pattern pattern;

        if (!item || !fill_in(&pattern, item, true, at))
            outcome = UNKNOWN;
        else if (matches(&pattern, text, any_case))
            return HOLDS;
    }
    return outcome;
}

static bool applies(const struct statement *statement, const char *action, const char *resource,
    const struct evaluation *at)
{
    enum outcome outcome = matches_any(statement->actions, action, true, at);

    if (outcome == UNKNOWN || (outcome == HOLDS) == statement->other_actions)
        return false;
    outcome = matches_any(statement->resources, resource, false, at);
    if (outcome == UNKNOWN || (outcome == HOLDS) == statement->other_resources)
        return false;
    outcome = statement->condition ? test_condition(statement->condition, at) : HOLDS;
    return outcome == HOLDS || (outcome == UNKNOWN && !statement->allows);
}

enum policy_verdict policy_evaluate(const struct policy *policy, const char *action,
    const char *resource, const struct policy_context *context)
{
    const struct evaluation at = {context, policy->variables};
    enum policy_verdict verdict = POLICY_SILENT;

    for (size_t i = 0; i < policy->count; i++) {
        const struct statement *statement = &policy->statements[i];

        if (verdict == POLICY_ALLOWS && statement->allows)
            continue;
        if (applies(statement, action, resource, &at)) {
            if (!statement->allows)
                return POLICY_DENIES;
            verdict = POLICY_ALLOWS;
        }
    }
    return verdict;
}
