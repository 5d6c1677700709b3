/* "Did you mean": the nearest of some names. */
#ifndef CORE_BASE_SUGGEST_H
#define CORE_BASE_SUGGEST_H

#include <stddef.h>

/* Longer words are never suggested. */
#define SUGGEST_MAX 64

/* Offer candidates one by one; `best` is the nearest so far, NULL when none is near enough. */
struct suggest {
    const char *word;
    const char *best; /* in `text` */
    size_t distance;
    char text[SUGGEST_MAX + 1];
};

void suggest_init(struct suggest *suggest, const char *word);
/* `candidate` is copied. */
void suggest_offer(struct suggest *suggest, const char *candidate);

#endif
