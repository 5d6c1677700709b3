/* SPDX-License-Identifier: Apache-2.0 */
/* The response to one request of the API. On the thread of the request. */
#ifndef SANDBOX_RESPONSE_H
#define SANDBOX_RESPONSE_H

#include <jansson.h>
#include <stdbool.h>

struct response {
    unsigned status;
    json_t *body;         /* owned; NULL: an empty object */
    char *text;           /* XML, sent instead of body; owned, freed with free() */
    const char *error;    /* AWS error code; NULL: success */
    char certificate[65]; /* whose live sessions must be checked again; "": none */
};

/* Set an AWS error: HTTP status, code (not copied), message. Replaces the body. */
void response_error(struct response *response, unsigned status, const char *code,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
void response_invalid(struct response *response, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* 400 InvalidRequestException */
void response_not_found(struct response *response, const char *kind, const char *name);
/* 409 ResourceAlreadyExistsException with the resource's id and ARN. */
void response_exists(struct response *response, const char *id, const char *arn, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

#endif
