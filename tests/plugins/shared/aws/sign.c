/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signs requests for test_signing.py: one JSON object per line of standard input, with method,
 * path, query, headers (pairs), body, timestamp, region, service and secret; for each, prints a
 * line with the canonical request, the signed headers and the signature.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/shared/aws/sigv4.h"

enum { LINE_MAX_BYTES = 1 << 20, HEADERS_MAX = 32 };

static const char *text(const json_t *line, const char *name)
{
    const char *value = json_string_value(json_object_get(line, name));

    return value ? value : "";
}

static bool sign(const json_t *line)
{
    const json_t *pairs = json_object_get(line, "headers");
    struct sigv4_header headers[HEADERS_MAX];
    struct iotify_buffer canonical, names;
    struct sigv4_request request;
    char signature[SIGV4_SIGNATURE_SIZE];
    json_t *answer;
    bool good;

    for (size_t i = 0; i < json_array_size(pairs) && i < HEADERS_MAX; i++)
        headers[i] =
            (struct sigv4_header){json_string_value(json_array_get(json_array_get(pairs, i), 0)),
                json_string_value(json_array_get(json_array_get(pairs, i), 1))};
    request = (struct sigv4_request){text(line, "method"), text(line, "path"), text(line, "query"),
        headers, json_array_size(pairs), text(line, "body"), strlen(text(line, "body")),
        text(line, "timestamp"), text(line, "region"), text(line, "service")};
    iotify_buffer_init(&canonical, LINE_MAX_BYTES);
    iotify_buffer_init(&names, LINE_MAX_BYTES);
    good = sigv4_canonical(&request, &canonical) &&
           sigv4_sign(&request, text(line, "secret"), signature, &names);
    answer = json_pack("{s:s, s:s, s:s}", "canonical", iotify_buffer_text(&canonical), "headers",
        iotify_buffer_text(&names), "signature", good ? signature : "");
    good = good && json_dumpf(answer, stdout, JSON_COMPACT) == 0;
    putchar('\n');
    json_decref(answer);
    iotify_buffer_clear(&canonical);
    iotify_buffer_clear(&names);
    return good;
}

int main(void)
{
    char *line = malloc(LINE_MAX_BYTES);
    bool good = line != NULL;

    while (good && fgets(line, LINE_MAX_BYTES, stdin)) {
        json_t *json = json_loads(line, 0, NULL);

        good = json && sign(json);
        json_decref(json);
    }
    free(line);
    return good ? 0 : 1;
}
