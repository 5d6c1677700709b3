/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of the API. Tables define for each operation its name, HTTP method and path,
 * parameters, AWS's default rate and the handler. Routing, validation, quotas and the reference
 * use them. The tables are constant; any thread.
 */
#ifndef SANDBOX_OPERATION_H
#define SANDBOX_OPERATION_H

#include <jansson.h>
#include <stdbool.h>

#include "sandbox/request.h"
#include "sandbox/response.h"

enum parameter_location { IN_PATH, IN_QUERY, IN_HEADER, IN_BODY };
enum parameter_type { TEXT, NUMBER, FLAG, OBJECT, LIST };

/* Character sets of texts: the patterns of the service model. */
enum parameter_charset {
    ANYTHING,
    NAME,            /* [a-zA-Z0-9:_-]+ */
    POLICY_NAME,     /* [\w+=,.@-]+ */
    DIGITS,          /* [0-9]+ */
    HEXADECIMAL,     /* (0x)?[a-fA-F0-9]+ */
    MARKER,          /* [A-Za-z0-9+/]+={0,2} */
    ATTRIBUTE_NAME,  /* [a-zA-Z0-9_.,@/:#-]+ */
    ATTRIBUTE_VALUE, /* [a-zA-Z0-9_.,@/:#=\[\]-]* */
    PRINTABLE        /* [\p{Graph}\x20]* */
};

struct parameter {
    const char *name; /* in the service model; NULL ends a list */
    enum parameter_location location;
    enum parameter_type type;
    bool required;
    long min, max; /* bytes of a text, value of a number, items of a list (max only); max 0: none */
    enum parameter_charset charset;
    const char *const *choices; /* allowed values, ends with NULL; NULL: any */
    const char *wire;           /* name on the wire if it is another; NULL: the same */
};

struct operation {
    const char *name, *method;
    const char *path; /* {name} is a parameter without slashes, {name+} the rest of the path */
    double rate;      /* AWS's default quota in calls per second; 0: no quota */
    bool opens;       /* may change what live sessions are allowed to do */
    void (*run)(const struct request *request, struct response *response);
    const struct parameter *parameters;
};

/* Call `found` for every operation. */
void operation_each(
    void (*found)(void *argument, const struct operation *operation), void *argument);
const struct operation *operation_by_name(const char *name);
/*
 * Find the operation of a method and a percent-encoded path. Replaces the contents of `input` by
 * the decoded path parameters. NULL when there is no such operation.
 */
const struct operation *operation_route(const char *method, const char *path, json_t *input);

#define END_OF_PARAMETERS                                                                          \
    {                                                                                              \
        .location = IN_BODY, .type = TEXT                                                          \
    }

#endif
