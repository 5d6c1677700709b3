/* "Did you mean": the nearest of some names. */
#ifndef CORE_BASE_SUGGEST_H
#define CORE_BASE_SUGGEST_H

#include <stddef.h>

/* Offer candidates one by one; `best` is the nearest so far, NULL when none is near enough. */
struct suggest {
    const char *word;
    const char *best;
    size_t distance;
};

void suggest_init(struct suggest *suggest, const char *word);
/* `candidate` must outlive the use of `best`. */
void suggest_offer(struct suggest *suggest, const char *candidate);

#endif
