/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/operation.h"
#include "sandbox/operation_tables.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include <iotify/text.h>

#include "sandbox/request.h"

/* Size of an encoded path parameter: an ARN or a name, with each byte percent-encoded. */
#define SEGMENT_MAX 2048

static const struct operation *const tables[] = {type_operations, thing_operations,
    principal_operations, member_operations, group_operations, policy_operations, target_operations,
    certificate_operations, tag_operations, endpoint_operations, registration_operations,
    data_operations, sts_operations, quota_operations};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

void operation_each(
    void (*found)(void *argument, const struct operation *operation), void *argument)
{
    for (size_t i = 0; i < TABLES; i++)
        for (const struct operation *operation = tables[i]; operation->name; operation++)
            found(argument, operation);
}

const struct operation *operation_by_name(const char *name)
{
    for (size_t i = 0; i < TABLES; i++)
        for (const struct operation *operation = tables[i]; operation->name; operation++)
            if (strcmp(operation->name, name) == 0)
                return operation;
    return NULL;
}

/* ------------------------------------------------------------------ routing */

/* Percent-decodes; NULL when the result is not UTF-8, contains NUL or is too long. */
static json_t *operation_decode(const char *from, size_t length)
{
    char text[SEGMENT_MAX];
    size_t used = 0;

    if (length >= sizeof(text))
        return NULL;
    for (size_t i = 0; i < length; i++) {
        if (from[i] == '%' && i + 2 < length && iotify_hex_digit(from[i + 1]) >= 0 &&
            iotify_hex_digit(from[i + 2]) >= 0) {
            text[used++] =
                (char)(iotify_hex_digit(from[i + 1]) * 16 + iotify_hex_digit(from[i + 2]));
            i += 2;
        } else {
            text[used++] = from[i];
        }
        if (text[used - 1] == '\0')
            return NULL;
    }
    return json_stringn(text, used);
}

/* Matches one path parameter, from `{` on; advances both pointers past it. */
static bool operation_match_parameter(const char **pattern, const char **path, json_t *input)
{
    const char *close = strchr(*pattern, '}');
    bool greedy = close[-1] == '+';
    size_t length = greedy ? strlen(*path) : strcspn(*path, "/");
    char name[64];
    json_t *value = length ? operation_decode(*path, length) : NULL;

    if (!value)
        return false;
    snprintf(name, sizeof(name), "%.*s", (int)(close - *pattern) - 1 - greedy, *pattern + 1);
    json_object_set_new(input, name, value);
    *path += length;
    *pattern = close + 1;
    return true;
}

static bool operation_match(const char *pattern, const char *path, json_t *input)
{
    while (*pattern) {
        if (*pattern == '{') {
            if (!operation_match_parameter(&pattern, &path, input))
                return false;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

const struct operation *operation_route(const char *method, const char *path, json_t *input)
{
    for (size_t i = 0; i < TABLES; i++) {
        for (const struct operation *operation = tables[i]; operation->name; operation++) {
            if (strcmp(operation->method, method) != 0)
                continue;
            json_object_clear(input);
            if (operation_match(operation->path, path, input))
                return operation;
        }
    }
    json_object_clear(input);
    return NULL;
}
