/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"

#include <stdbool.h>
#include <string.h>

static bool text_continues(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* A character takes two UTF-16 units when its UTF-8 form takes four bytes. */
static int text_units(char first)
{
    return (unsigned char)first >= 0xf0 ? 2 : 1;
}

const char *text_line(const char *text, int line)
{
    for (; line > 1 && *text; line--) {
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return text;
}

int text_column(const char *line, const char *at)
{
    int column = 1;

    for (; line < at; line++)
        column += text_continues(*line) ? 0 : text_units(*line);
    return column;
}

size_t text_byte(const char *line, size_t length, int column)
{
    size_t at = 0;

    for (int units = 1; at < length && units < column;) {
        units += text_units(line[at++]);
        while (at < length && text_continues(line[at]))
            at++;
    }
    return at;
}
