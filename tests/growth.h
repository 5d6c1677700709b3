/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that the cost of a scan of foreign bytes grows with their number, and not with its square.
 */
#ifndef TESTS_GROWTH_H
#define TESTS_GROWTH_H

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"

/* Processor time of `work` on `count` repetitions of a text, in seconds: the least of three. */
static double growth_cost(void (*work)(char *text), const char *unit, size_t count)
{
    size_t size = strlen(unit);
    char *text = malloc(count * size + 1);
    double least = 0;

    for (int i = 0; i < 3; i++) {
        clock_t began;
        double took;

        for (size_t at = 0; at < count; at++)
            memcpy(text + at * size, unit, size);
        text[count * size] = '\0';
        began = clock();
        work(text);
        took = (double)(clock() - began) / CLOCKS_PER_SEC;
        least = i == 0 || took < least ? took : least;
    }
    free(text);
    return least;
}

/* A quadratic algorithm takes 256 times as long for the longer text. */
static void assert_grows_linearly(void (*work)(char *text), const char *unit, size_t most)
{
    double shorter = growth_cost(work, unit, most / 16), longer = growth_cost(work, unit, most);

    if (longer >= 64 * (shorter + 0.001))
        fail_msg("%zu × \"%s\": %g s, and %g s for a sixteenth", most, unit, longer, shorter);
}

#endif
