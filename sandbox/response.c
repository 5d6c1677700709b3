/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/response.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 4, 0))) static void respond_message(struct response *response,
    unsigned status, const char *code, const char *format, va_list arguments)
{
    char text[1024];

    vsnprintf(text, sizeof(text), format, arguments);
    json_decref(response->body);
    response->status = status;
    response->error = code;
    response->body = json_object();
    /* vsnprintf() may have cut inside a character: shorten the text until it is valid UTF-8. */
    for (size_t size = strlen(text);
         json_object_set_new(response->body, "message", json_stringn(text, size)) != 0 && size > 0;
         size--)
        continue;
}

void response_error(
    struct response *response, unsigned status, const char *code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    respond_message(response, status, code, format, arguments);
    va_end(arguments);
}

void response_invalid(struct response *response, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    respond_message(response, 400, "InvalidRequestException", format, arguments);
    va_end(arguments);
}

void response_not_found(struct response *response, const char *kind, const char *name)
{
    response_error(response, 404, "ResourceNotFoundException", "%s %s not found", kind, name);
}

void response_exists(
    struct response *response, const char *id, const char *arn, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    respond_message(response, 409, "ResourceAlreadyExistsException", format, arguments);
    va_end(arguments);
    json_object_set_new(response->body, "resourceId", json_string(id));
    json_object_set_new(response->body, "resourceArn", json_string(arn));
}
