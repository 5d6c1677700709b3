/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's head as it is signed: "METHOD target", then "name:value" lines. So that inputs stay
 * valid over time, NOWNOWNOWNOWNOWN is replaced by the current time as in x-amz-date, TODAYDAY by
 * its date.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "sandbox/signature.h"
#include "tests/fuzz/world.h"

#define LINES 40

struct head {
    char *lines[LINES];
    size_t count;
};

static const char *header_of(void *context, const char *name)
{
    const struct head *head = context;
    size_t length = strlen(name);

    for (size_t i = 0; i < head->count; i++)
        if (strncasecmp(head->lines[i], name, length) == 0 && head->lines[i][length] == ':')
            return head->lines[i] + length + 1;
    return NULL;
}

/* Replace `word` by `instead`, a text of the same length. */
static void put(char *text, const char *word, const char *instead)
{
    while ((text = strstr(text, word)))
        memcpy(text, instead, strlen(word));
}

static void put_time(char *text)
{
    time_t now = time(NULL);
    struct tm parts;
    char moment[24], day[24];

    gmtime_r(&now, &parts);
    strftime(moment, sizeof(moment), "%Y%m%dT%H%M%SZ", &parts);
    strftime(day, sizeof(day), "%Y%m%d", &parts);
    put(text, "NOWNOWNOWNOWNOWN", moment);
    put(text, "TODAYDAY", day);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct signature_keys keys = {"AKIDTEST", "secret", "token"};
    struct signature_verdict verdict;
    struct signature_request request = {.header = header_of};
    struct head head = {.count = 0};
    char *text = strndup((const char *)data, size), *rest = NULL, *line;

    if (text)
        put_time(text);
    line = text ? strtok_r(text, "\n", &rest) : NULL;
    if (line && strchr(line, ' ')) {
        request.method = strtok_r(line, " ", &line);
        request.path = strtok_r(line, "?", &line);
        request.query = line ? line : "";
        while (head.count < LINES && (head.lines[head.count] = strtok_r(NULL, "\n", &rest)))
            head.count++;
        request.body = rest ? rest : "";
        request.body_size = strlen(request.body);
        request.context = &head;
        if (request.method && request.path) {
            signature_verify(&request, &keys, &verdict);
            /* No input has a valid signature: verification must fail with a message. */
            if (!verdict.error || !*verdict.message)
                abort();
        }
    }
    free(text);
    return 0;
}
