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

char *utf8_clean(char *text)
{
    unsigned char *at = (unsigned char *)text, *end = at + strlen(text);

    while (at < end) {
        size_t size = utf8_size(at, (size_t)(end - at));

        if (size == 0) {
            *at = '?';
            size = 1;
        }
        at += size;
    }
    return text;
}
