/* SPDX-License-Identifier: Apache-2.0 */
/* Checking a call against what its operation takes. */
#ifndef SANDBOX_VALIDATE_H
#define SANDBOX_VALIDATE_H

#include "sandbox/operation.h"

/* Where a call's parameters come from besides its path. */
struct validate_source {
    const char *(*query)(void *context, const char *name); /* NULL when absent */
    const char *(*header)(void *context, const char *name);
    void *context;
    const json_t *body; /* an object */
};

/*
 * Gather every parameter of the operation into `input`, in its own type, and check it. False
 * after an answer as AWS gives it: InvalidRequestException with all violations.
 */
bool validate(const struct operation *operation, const struct validate_source *arrival,
    json_t *input, struct response *response);

/* The pattern of a character set, as the service model writes it. */
const char *validate_charset_pattern(enum parameter_charset charset);
/* Does a text consist of the set? */
bool validate_charset_holds(enum parameter_charset charset, const char *text);

#endif
