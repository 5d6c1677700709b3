/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of the API. One table says of each what it is called, where it is found on the
 * wire, what it takes, how often AWS lets it be called, and who runs it: from it come routing,
 * validation, quotas and the reference.
 */
#ifndef SANDBOX_OPERATION_H
#define SANDBOX_OPERATION_H

#include <jansson.h>
#include <stdbool.h>

#include "sandbox/request.h"
#include "sandbox/response.h"

enum parameter_location { IN_PATH, IN_QUERY, IN_HEADER, IN_BODY };
enum parameter_type { TEXT, NUMBER, FLAG, OBJECT, LIST };

/* What a text may consist of: the patterns of the service model. */
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
    const char *name; /* of the service model; NULL ends a list */
    enum parameter_location place;
    enum parameter_type form;
    bool required;
    long min, max; /* bytes of a text, value of a number, items of a list; max 0: no limit */
    enum parameter_charset charset;
    const char *const *choices; /* ends with NULL; NULL: any */
    const char *wire;           /* name on the wire where it is another; NULL: the same */
};

struct operation {
    const char *name, *method;
    const char *path; /* {name} stands for a parameter, {name+} for one with slashes */
    double rate;      /* calls a second that AWS allows by default */
    bool opens;       /* may change what live sessions are allowed to do */
    void (*run)(const struct request *request, struct response *response);
    const struct parameter *parameters;
};

/* Tables by kind of resource; each ends with an entry without name. */
extern const struct operation type_operations[];
extern const struct operation thing_operations[];
extern const struct operation principal_operations[];
extern const struct operation group_operations[];
extern const struct operation policy_operations[];
extern const struct operation target_operations[];
extern const struct operation certificate_operations[];
extern const struct operation tag_operations[];
extern const struct operation endpoint_operations[];
extern const struct operation registration_operations[];
extern const struct operation data_operations[];
extern const struct operation sts_operations[];
extern const struct operation quota_operations[];

/* Call `found` for every operation. */
void operation_each(
    void (*found)(void *argument, const struct operation *operation), void *argument);
const struct operation *operation_by_name(const char *name);
/*
 * The operation of a method and a path as it came over the wire. Its path parameters are put into
 * `input`, decoded. NULL when there is none.
 */
const struct operation *operation_route(const char *method, const char *path, json_t *input);

#define END_OF_PARAMETERS                                                                          \
    {                                                                                              \
        .place = IN_BODY, .form = TEXT                                                             \
    }

#endif
