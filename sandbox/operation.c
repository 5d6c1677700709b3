#include "sandbox/operation.h"

#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE_MAX 250
#define ACCOUNT "123456789012"

__attribute__((format(printf, 4, 0))) static void respond_message(struct response *response,
    unsigned status, const char *code, const char *format, va_list arguments)
{
    char text[512];

    vsnprintf(text, sizeof(text), format, arguments);
    json_decref(response->body);
    response->status = status;
    response->error = code;
    response->body = json_pack("{s:s}", "message", text);
}

void respond_error(
    struct response *response, unsigned status, const char *code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    respond_message(response, status, code, format, arguments);
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

const char *body_text(const struct request *request, const char *member)
{
    const char *text = json_string_value(json_object_get(request->body, member));

    return text ? text : "";
}

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

char *now_text(void)
{
    return format_new("%lld", (long long)time(NULL));
}

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

const char *page_after(const struct request *request, const struct page_names *names)
{
    const char *token = request->query(request, names->token);

    return token ? token : "";
}

void respond_page(const struct request *request, struct response *response, json_t *rows,
    const char *key, const struct page_names *names, json_t *(*convert)(const json_t *row))
{
    const char *asked = request->query(request, names->size);
    size_t size = asked ? (size_t)strtoul(asked, NULL, 10) : PAGE_MAX;
    size_t count = json_array_size(rows);
    json_t *list = json_array();

    if (asked && (size < 1 || size > PAGE_MAX)) {
        respond_error(response, 400, "InvalidRequestException", "%s must be between 1 and %d",
            names->size, PAGE_MAX);
        json_decref(list);
        json_decref(rows);
        return;
    }
    if (size > count)
        size = count;
    for (size_t i = 0; i < size; i++)
        json_array_append_new(list, convert(json_array_get(rows, i)));
    response->body = json_pack("{s:o}", names->member, list);
    if (size < count)
        json_object_set_new(response->body, names->next,
            json_string(row_text(json_array_get(rows, size - 1), key)));
    json_decref(rows);
}
