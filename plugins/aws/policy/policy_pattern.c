/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of policies: substitution of ${variables}, matching with * and ?. */
#include <stdint.h>
#include <string.h>

#include "plugins/aws/policy/policy_internal.h"

static bool policy_put(struct policy_pattern *pattern, uint16_t item)
{
    if (pattern->count == PATTERN_MAX)
        return false;
    pattern->items[pattern->count++] = item;
    return true;
}

/* Append the value of a variable. False when it has none, or the pattern is full. */
static bool policy_put_variable(struct policy_pattern *pattern, const char *name, size_t length,
    const struct policy_evaluation *at)
{
    char copy[NAME_MAX_BYTES];
    const char *value;

    /* ${*}, ${?} and ${$} are literal characters. */
    if (length == 1 && strchr("*?$", *name))
        return policy_put(pattern, (unsigned char)*name);
    if (length == 0 || length >= sizeof(copy))
        return false;
    memcpy(copy, name, length);
    copy[length] = '\0';
    value = policy_value(at, copy);
    if (!value)
        return false;
    /* A star in a value is not a wildcard. */
    for (; *value; value++)
        if (!policy_put(pattern, (unsigned char)*value))
            return false;
    return true;
}

bool policy_fill_in(struct policy_pattern *pattern, const char *text, bool wildcards,
    const struct policy_evaluation *at)
{
    pattern->count = 0;
    for (; *text; text++) {
        const char *end =
            at->variables && text[0] == '$' && text[1] == '{' ? strchr(text, '}') : NULL;

        if (end) {
            if (!policy_put_variable(pattern, text + 2, (size_t)(end - text) - 2, at))
                return false;
            text = end;
        } else if (!policy_put(pattern, wildcards && *text == '*'   ? ANY_TEXT
                                        : wildcards && *text == '?' ? ANY_CHARACTER
                                                                    : (unsigned char)*text)) {
            return false;
        }
    }
    return true;
}

static bool policy_fold(uint16_t item, unsigned char character)
{
    if (item >= 'A' && item <= 'Z')
        item |= 0x20;
    if (character >= 'A' && character <= 'Z')
        character |= 0x20;
    return item == character;
}

/* Backtracks to the last star only, which is sufficient: the match of earlier stars is final. */
bool policy_matches(const struct policy_pattern *pattern, const char *text, bool any_case)
{
    size_t at = 0, star = SIZE_MAX;
    const char *resume = NULL;

    while (*text) {
        uint16_t item = at < pattern->count ? pattern->items[at] : 0;

        if (item == ANY_TEXT) {
            star = at++;
            resume = text;
        } else if (at < pattern->count &&
                   (item == ANY_CHARACTER || (any_case ? policy_fold(item, (unsigned char)*text)
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
