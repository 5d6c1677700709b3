/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": finds the closest of some candidate names. Pure; one thread per `suggest`. */
#ifndef CORE_BASE_SUGGEST_H
#define CORE_BASE_SUGGEST_H

#include <stddef.h>

/* Longer names, in bytes, are never suggested. */
#define SUGGEST_MAX 64

/* The name that was not found, and the closest candidate offered so far. */
struct suggest {
    const char *word;
    size_t distance;
    char best[SUGGEST_MAX + 1]; /* "" when none is close enough */
    char hint[SUGGEST_MAX + 24];
};

void suggest_init(struct suggest *suggest, const char *word);
/* Compare `candidate` with the word and copy it when it is the closest so far. */
void suggest_offer(struct suggest *suggest, const char *candidate);
/*
 * Returns the end of an error message: `; did you mean "x"?`, or `otherwise` without a suggestion.
 * Valid as long as `suggest`, until the next call.
 */
const char *suggest_hint(struct suggest *suggest, const char *otherwise);

#endif
