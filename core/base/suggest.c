/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/suggest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

void suggest_init(struct suggest *suggest, const char *word)
{
    *suggest = (struct suggest){.word = word};
}

static size_t suggest_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The number of insertions, deletions, replacements and swaps of neighbours between two words. */
static size_t suggest_distance(const char *a, const char *b)
{
    size_t rows[3][SUGGEST_MAX + 1];
    size_t length_a = strlen(a), length_b = strlen(b);

    if (length_a > SUGGEST_MAX || length_b > SUGGEST_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= length_b; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= length_a; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= length_b; j++) {
            size_t change = above[j - 1] + (a[i - 1] != b[j - 1]);

            row[j] = suggest_least(suggest_least(above[j], row[j - 1]) + 1, change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = suggest_least(row[j], before[j - 2] + 1);
        }
    }
    return rows[length_a % 3][length_b];
}

void suggest_offer(struct suggest *suggest, const char *candidate)
{
    size_t allowed = strlen(suggest->word) / 4 + 1;
    size_t found = suggest_distance(suggest->word, candidate);

    if (found > allowed || found >= strlen(candidate))
        return;
    if (!*suggest->best || found < suggest->distance) {
        memcpy(suggest->best, candidate, strlen(candidate) + 1);
        suggest->distance = found;
    }
}

const char *suggest_hint(struct suggest *suggest, const char *otherwise)
{
    if (!*suggest->best)
        return otherwise;
    snprintf(suggest->hint, sizeof(suggest->hint), "; did you mean \"%s\"?", suggest->best);
    return suggest->hint;
}
