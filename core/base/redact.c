/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/redact.h"

#include <string.h>

#define BEGIN "-----BEGIN "
#define LABEL "PRIVATE KEY-----"
#define END "-----END "
#define DASHES "-----"

static const char redact_word[] = "[redacted]";

/* The first occurrence of a word before `end`; NULL: none. */
static char *redact_find(char *from, const char *end, const char *word)
{
    size_t size = strlen(word);

    for (; from < end; from++) {
        from = memchr(from, *word, (size_t)(end - from));
        if (!from || (size_t)(end - from) < size)
            return NULL;
        if (memcmp(from, word, size) == 0)
            return from;
    }
    return NULL;
}

/* The first BEGIN in the line that ends at `label`, not before `from`; NULL: none. */
static char *redact_begin(char *from, char *label)
{
    char *line = label;

    while (line > from && line[-1] != '\n' && line[-1] != '\r')
        line--;
    return redact_find(line, label, BEGIN);
}

/* Each byte is scanned and moved a fixed number of times, so foreign text cannot make this slow. */
void redact_keys(char *text)
{
    char *from = text, *to = text, *label, *last = text + strlen(text);

    while ((label = redact_find(from, last, LABEL))) {
        char *after = label + strlen(LABEL), *begin = redact_begin(from, label), *end;
        size_t kept = (size_t)((begin ? begin : after) - from);

        memmove(to, from, kept);
        to += kept;
        from = after;
        if (!begin)
            continue;
        memcpy(to, redact_word, sizeof(redact_word) - 1);
        to += sizeof(redact_word) - 1;
        end = redact_find(after, last, END);
        end = end ? redact_find(end + strlen(END), last, DASHES) : NULL;
        from = end ? end + strlen(DASHES) : last;
    }
    memmove(to, from, (size_t)(last - from) + 1);
}
