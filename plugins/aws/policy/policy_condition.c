/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions of policies: operators on texts, numbers, dates and addresses. */
#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "plugins/aws/policy/policy_internal.h"

enum policy_comparison {
    TEXT_EQUAL,
    TEXT_LIKE,
    TEXT_EQUAL_ANY_CASE,
    BOOLEAN,
    ADDRESS,
    EQUAL, /* this and the next four compare numbers and dates */
    LESS,
    LESS_EQUAL,
    GREATER,
    GREATER_EQUAL,
    ABSENT
};

static const struct {
    const char *name;
    enum policy_comparison comparison;
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

int policy_condition_known(const char *name, bool *if_exists)
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

/* Parse an IPv4 or IPv6 address; its number of bits, or 0 when it is not valid. */
static int policy_read_address(const char *text, size_t length, unsigned char bytes[16])
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

/* HOLDS when the address is in the block ("10.0.0.0/8"). UNKNOWN: not a valid block. */
static enum policy_outcome policy_in_block(const char *address, const char *block)
{
    unsigned char wanted[16], current[16];
    const char *slash = strchr(block, '/');
    int most = policy_read_address(block, slash ? (size_t)(slash - block) : strlen(block), wanted);
    char *end = NULL;
    long bits = slash ? strtol(slash + 1, &end, 10) : most;

    if (most == 0 || bits < 0 || bits > most || (slash && (*end || end == slash + 1)))
        return UNKNOWN;
    if (policy_read_address(address, strlen(address), current) != most)
        return FAILS;
    for (long i = 0; i < bits; i++)
        if ((wanted[i / 8] ^ current[i / 8]) & (0x80 >> i % 8))
            return FAILS;
    return HOLDS;
}

/*
 * Parse what follows the seconds of a date, a fraction and Z or an offset (in seconds, to
 * `offset`). Returns the rest, or NULL when it is not valid.
 */
static const char *policy_skip_zone(const char *rest, long *offset)
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

/* Parse a number, or a date such as 2026-01-02T03:04:05Z as seconds since 1970. */
static bool policy_to_number(const char *text, double *out)
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
        rest = policy_skip_zone(rest, &offset);
    *out = (double)(timegm(&parts) - offset);
    return rest && !*rest;
}

static enum policy_outcome policy_outcome_of(bool holds)
{
    return holds ? HOLDS : FAILS;
}

static enum policy_outcome policy_compare_numbers(
    enum policy_comparison comparison, const char *current, const char *wanted)
{
    double has, wants;

    if (!policy_to_number(current, &has) || !policy_to_number(wanted, &wants))
        return UNKNOWN;
    switch (comparison) {
    case LESS:
        return policy_outcome_of(has < wants);
    case LESS_EQUAL:
        return policy_outcome_of(has <= wants);
    case GREATER:
        return policy_outcome_of(has > wants);
    case GREATER_EQUAL:
        return policy_outcome_of(has >= wants);
    default:
        return policy_outcome_of(has >= wants && has <= wants);
    }
}

/* Compare with one wanted value. UNKNOWN when the two cannot be compared. */
static enum policy_outcome policy_compare(enum policy_comparison comparison, const char *current,
    const char *wanted, const struct policy_evaluation *at)
{
    struct policy_pattern pattern;

    if (comparison == BOOLEAN)
        return policy_outcome_of(strcasecmp(current, wanted) == 0);
    if (comparison == ADDRESS)
        return policy_in_block(current, wanted);
    if (comparison >= EQUAL && comparison <= GREATER_EQUAL)
        return policy_compare_numbers(comparison, current, wanted);
    if (!policy_fill_in(&pattern, wanted, comparison == TEXT_LIKE, at))
        return UNKNOWN;
    return policy_outcome_of(policy_matches(&pattern, current, comparison == TEXT_EQUAL_ANY_CASE));
}

/* A wanted value as text: a JSON text, number or boolean. NULL: another type. */
static const char *policy_wanted_text(const json_t *value, size_t index, char buffer[32])
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

/* HOLDS when one wanted value does. UNKNOWN when none does and one cannot be compared. */
static enum policy_outcome policy_compare_any(enum policy_comparison comparison,
    const char *current, const json_t *wanted, const struct policy_evaluation *at)
{
    enum policy_outcome outcome = FAILS;
    char buffer[32];

    for (size_t i = 0; i < policy_count(wanted); i++) {
        const char *value = policy_wanted_text(wanted, i, buffer);
        enum policy_outcome one = value ? policy_compare(comparison, current, value, at) : UNKNOWN;

        if (one == HOLDS)
            return HOLDS;
        if (one == UNKNOWN)
            outcome = UNKNOWN;
    }
    return outcome;
}

/* Evaluate one key of one operator. */
static enum policy_outcome policy_test_key(int rule, bool if_exists, const char *key,
    const json_t *wanted, const struct policy_evaluation *at)
{
    const char *value = policy_value(at, key);
    /* A copy, because the wanted values may contain variables, which reuse the memory. */
    char copy[PATTERN_MAX], buffer[32];
    enum policy_outcome outcome;

    if (operators[rule].comparison == ABSENT) {
        const char *expected = policy_wanted_text(wanted, 0, buffer);

        return expected ? policy_outcome_of((strcasecmp(expected, "true") == 0) == (value == NULL))
                        : UNKNOWN;
    }
    if (!value)
        return policy_outcome_of(if_exists || operators[rule].negated);
    snprintf(copy, sizeof(copy), "%s", value);
    outcome = policy_compare_any(operators[rule].comparison, copy, wanted, at);
    if (outcome == UNKNOWN || !operators[rule].negated)
        return outcome;
    return policy_outcome_of(outcome == FAILS);
}

enum policy_outcome policy_test_condition(
    const json_t *condition, const struct policy_evaluation *at)
{
    enum policy_outcome outcome = HOLDS;
    const char *name, *key;
    json_t *keys, *wanted;

    json_object_foreach((json_t *)condition, name, keys)
    {
        bool if_exists;
        int rule = policy_condition_known(name, &if_exists);

        if (rule < 0)
            return UNKNOWN;
        json_object_foreach(keys, key, wanted)
        {
            enum policy_outcome one = policy_test_key(rule, if_exists, key, wanted, at);

            if (one == FAILS)
                return FAILS;
            if (one == UNKNOWN)
                outcome = UNKNOWN;
        }
    }
    return outcome;
}
