/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/wrap.h"

#include <string.h>

void wrap_print(FILE *stream, const char *text, int column, int indent)
{
    while (*text) {
        int length = (int)strcspn(text, " ");

        if (column > indent && column + 1 + length > WRAP_WIDTH) {
            fprintf(stream, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', stream);
            column++;
        }
        fprintf(stream, "%.*s", length, text);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', stream);
}
