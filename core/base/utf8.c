/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/utf8.h"

#include <string.h>

size_t utf8_size(const unsigned char *at, size_t left)
{
    size_t size = *at < 0x80                  ? 1
                  : *at >= 0xc2 && *at < 0xe0 ? 2
                  : *at >= 0xe0 && *at < 0xf0 ? 3
                  : *at >= 0xf0 && *at < 0xf5 ? 4
                                              : 0;

    if (size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) ||
        (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f))
        return 0;
    return size;
}

/* Would a terminal obey it, or does it reorder what is read? `at` is a valid character. */
static bool utf8_is_active(const unsigned char *at, size_t size)
{
    if (size == 1)
        return *at == 0x7f;
    if (size == 2)
        return at[0] == 0xc2 && at[1] < 0xa0;
    /* U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069 */
    return size == 3 && at[0] == 0xe2 &&
           ((at[1] == 0x80 &&
                (at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xa8 && at[2] <= 0xae))) ||
               (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9));
}

char *utf8_clean(char *text)
{
    unsigned char *at = (unsigned char *)text, *end = at + strlen(text), *to = at;

    while (at < end) {
        size_t size = utf8_size(at, (size_t)(end - at));

        if (size == 0 || utf8_is_active(at, size)) {
            *to++ = '?';
        } else {
            memmove(to, at, size);
            to += size;
        }
        at += size ? size : 1;
    }
    *to = '\0';
    return text;
}

bool utf8_is_plain(const char *text)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + strlen(text);
    size_t size;

    for (; at < end; at += size) {
        size = utf8_size(at, (size_t)(end - at));
        if (size == 0 || *at < ' ' || utf8_is_active(at, size))
            return false;
    }
    return true;
}

bool utf8_is_name(const char *text)
{
    return *text && strlen(text) <= UTF8_NAME_MAX && utf8_is_plain(text);
}
