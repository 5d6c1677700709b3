/* SPDX-License-Identifier: Apache-2.0 */
/* Checks a request against the parameters of its operation. Pure, any thread. */
#ifndef SANDBOX_VALIDATE_H
#define SANDBOX_VALIDATE_H

#include "sandbox/operation.h"

/* Where the parameters of a request come from, besides its path. */
struct validate_source {
    const char *(*query)(void *context, const char *name); /* NULL when absent */
    const char *(*header)(void *context, const char *name);
    void *context;
    const json_t *body; /* an object */
};

/*
 * Put every parameter of the operation into `input`, converted to its type, and check it. False
 * with an error as from AWS: SerializationException for a wrong type, else InvalidRequestException
 * with all violations.
 */
bool validate(const struct operation *operation, const struct validate_source *arrival,
    json_t *input, struct response *response);

/* The regular expression of a character set in the service model. */
const char *validate_charset_pattern(enum parameter_charset charset);
/* Does a text match the character set? */
bool validate_charset_holds(enum parameter_charset charset, const char *text);

#endif
