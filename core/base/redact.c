/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/redact.h"

#include <string.h>

void redact_keys(char *text)
{
    static const char word[] = "[redacted]";
    char *at = text;

    while ((at = strstr(at, "-----BEGIN "))) {
        char *label = strstr(at, "PRIVATE KEY-----"), *line = strpbrk(at, "\r\n");
        char *end = label && (!line || label < line) ? strstr(label, "-----END ") : NULL;

        if (!end) {
            if (label && (!line || label < line))
                memcpy(at, word, sizeof(word));
            at += 1;
            continue;
        }
        end = strstr(end + strlen("-----END "), "-----");
        end = end ? end + strlen("-----") : at + strlen(at);
        memmove(at + strlen(word), end, strlen(end) + 1);
        memcpy(at, word, strlen(word));
        at += strlen(word);
    }
}
