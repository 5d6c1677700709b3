#include "sandbox/operation.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <iotify/text.h>

/* An ARN or a name, each byte of it percent-encoded. */
#define SEGMENT_MAX 2048

static const struct operation *const tables[] = {type_operations, thing_operations,
    principal_operations, group_operations, policy_operations, target_operations,
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

/* Percent-decode; NULL when the result is no UTF-8 text. */
static json_t *decode(const char *from, size_t length)
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

/* One parameter of the path, from `{` on; moves both behind it. */
static bool match_parameter(const char **pattern, const char **path, json_t *input)
{
    const char *close = strchr(*pattern, '}');
    bool greedy = close[-1] == '+';
    size_t length = greedy ? strlen(*path) : strcspn(*path, "/");
    char name[64];
    json_t *value = length ? decode(*path, length) : NULL;

    if (!value)
        return false;
    snprintf(name, sizeof(name), "%.*s", (int)(close - *pattern) - 1 - greedy, *pattern + 1);
    json_object_set_new(input, name, value);
    *path += length;
    *pattern = close + 1;
    return true;
}

static bool match(const char *pattern, const char *path, json_t *input)
{
    while (*pattern) {
        if (*pattern == '{') {
            if (!match_parameter(&pattern, &path, input))
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
            if (match(operation->path, path, input))
                return operation;
        }
    }
    json_object_clear(input);
    return NULL;
}

/* ------------------------------------------------------------------ answers */

__attribute__((format(printf, 4, 0))) static void respond_message(struct response *response,
    unsigned status, const char *code, const char *format, va_list arguments)
{
    char text[1024];

    vsnprintf(text, sizeof(text), format, arguments);
    json_decref(response->body);
    response->status = status;
    response->error = code;
    response->body = json_object();
    /* A text that was cut inside a character is shortened until it is one again. */
    for (size_t size = strlen(text);
         json_object_set_new(response->body, "message", json_stringn(text, size)) != 0 && size > 0;
         size--)
        continue;
}

void respond_error(
    struct response *response, unsigned status, const char *code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    respond_message(response, status, code, format, arguments);
    va_end(arguments);
}

void respond_invalid(struct response *response, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    respond_message(response, 400, "InvalidRequestException", format, arguments);
    va_end(arguments);
}

void respond_not_found(struct response *response, const char *kind, const char *name)
{
    respond_error(response, 404, "ResourceNotFoundException", "%s %s not found", kind, name);
}

void respond_exists(
    struct response *response, const char *id, const char *arn, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    respond_message(response, 409, "ResourceAlreadyExistsException", format, arguments);
    va_end(arguments);
    json_object_set_new(response->body, "resourceId", json_string(id));
    json_object_set_new(response->body, "resourceArn", json_string(arn));
}

/* ------------------------------------------------------------------ input */

const char *input_text(const struct request *request, const char *name)
{
    const char *text = json_string_value(json_object_get(request->input, name));

    return text ? text : "";
}

json_int_t input_number(const struct request *request, const char *name)
{
    return json_integer_value(json_object_get(request->input, name));
}

bool input_flag(const struct request *request, const char *name)
{
    return json_is_true(json_object_get(request->input, name));
}

bool input_given(const struct request *request, const char *name)
{
    return json_object_get(request->input, name) != NULL;
}

/* ------------------------------------------------------------------ texts */

static char *format_new(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *format_new(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    va_end(arguments);
    return text;
}

char *make_arn(const struct request *request, const char *kind, const char *name)
{
    return format_new("arn:aws:iot:%s:" ACCOUNT ":%s/%s", request->region, kind, name);
}

char *make_id(void)
{
    unsigned char b[16];

    RAND_bytes(b, sizeof(b));
    return format_new("%02x%02x%02x%02x-%02x%02x-4%x%02x-a%x%02x-%02x%02x%02x%02x%02x%02x", b[0],
        b[1], b[2], b[3], b[4], b[5], b[6] & 15, b[7], b[8] & 15, b[9], b[10], b[11], b[12], b[13],
        b[14], b[15]);
}

int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

char *number_text(int64_t number)
{
    return format_new("%lld", (long long)number);
}

char *now_text(void)
{
    return number_text(now_ms());
}

json_t *time_json(const json_t *row, const char *column)
{
    return json_real((double)row_integer(row, column) / 1000);
}

/* ------------------------------------------------------------------ rows */

json_t *first_row(json_t *rows)
{
    json_t *row = json_incref(json_array_get(rows, 0));

    json_decref(rows);
    return row;
}

bool has_row(const struct request *request, const char *sql, const char *const *arguments)
{
    json_t *rows = state_select(request->state, sql, arguments);
    bool found = json_array_size(rows) > 0;

    json_decref(rows);
    return found;
}

const char *row_text(const json_t *row, const char *column)
{
    const char *text = json_string_value(json_object_get(row, column));

    return text ? text : "";
}

json_int_t row_integer(const json_t *row, const char *column)
{
    return json_integer_value(json_object_get(row, column));
}

json_t *row_json(const json_t *row, const char *column)
{
    json_t *value = json_loads(row_text(row, column), 0, NULL);

    return value ? value : json_object();
}

/* ------------------------------------------------------------------ pages */

/* Tokens look as opaque as AWS's, so that nobody takes them for names. */
static json_t *make_token(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    char text[256];
    unsigned char encoded[400];

    if (json_is_integer(value))
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
    else
        snprintf(text, sizeof(text), "%s", row_text(row, key));
    EVP_EncodeBlock(encoded, (unsigned char *)text, (int)strlen(text));
    return json_string((char *)encoded);
}

/* The key behind which the page begins. False when it is no token of ours. */
static bool read_token(const char *token, char *key, size_t size)
{
    size_t length = strlen(token), padding = 0;
    int decoded;

    key[0] = '\0';
    if (length == 0)
        return true;
    if (length % 4 || length / 4 * 3 >= size)
        return false;
    while (padding < 2 && token[length - 1 - padding] == '=')
        padding++;
    decoded = EVP_DecodeBlock((unsigned char *)key, (const unsigned char *)token, (int)length);
    if (decoded < (int)padding)
        return false;
    key[decoded - (int)padding] = '\0';
    return true;
}

void respond_page(const struct request *request, struct response *response, const struct page *page,
    const char *const *arguments)
{
    const char *token = input_text(request, page->older ? "marker" : "nextToken");
    size_t size = (size_t)input_number(request, page->older ? "pageSize" : "maxResults");
    bool down = page->descending && !input_flag(request, "ascendingOrder");
    const char *all[STATE_ARGUMENTS_MAX + 1] = {0};
    char key[768], limit[24];
    size_t count = 2;
    json_t *rows, *list;

    if (!read_token(token, key, sizeof(key))) {
        respond_invalid(response, "Invalid token");
        return;
    }
    if (size == 0)
        size = PAGE_MAX;
    snprintf(limit, sizeof(limit), "%zu", size + 1);
    all[0] = *key || !down ? key : "9223372036854775807";
    all[1] = limit;
    for (; arguments && *arguments && count < STATE_ARGUMENTS_MAX; arguments++)
        all[count++] = *arguments;
    rows = state_select(request->state, down ? page->descending : page->sql, all);
    list = json_array();
    for (size_t i = 0; i < size && i < json_array_size(rows); i++)
        json_array_append_new(list, page->convert(json_array_get(rows, i)));
    response->body = json_pack("{s:o}", page->member, list);
    if (json_array_size(rows) > size)
        json_object_set_new(response->body, page->older ? "nextMarker" : "nextToken",
            make_token(json_array_get(rows, size - 1), page->key));
    json_decref(rows);
}
