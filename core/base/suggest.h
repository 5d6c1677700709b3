/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the nearest of some names. */
#ifndef CORE_BASE_SUGGEST_H
#define CORE_BASE_SUGGEST_H

#include <stddef.h>

/* Longer words are never suggested. */
#define SUGGEST_MAX 64

/* The word that was not found, and the nearest of the candidates offered so far. */
struct suggest {
    const char *word;
    size_t distance;
    char best[SUGGEST_MAX + 1]; /* "" when none is near enough */
    char hint[SUGGEST_MAX + 24];
};

void suggest_init(struct suggest *suggest, const char *word);
/* `candidate` is copied. */
void suggest_offer(struct suggest *suggest, const char *candidate);
/* The end of an error message: `; did you mean "x"?`, or `otherwise`. Lives as long as `suggest`.
 */
const char *suggest_hint(struct suggest *suggest, const char *otherwise);

#endif
