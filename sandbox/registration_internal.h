/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by registration.c and registration_values.c. On the thread of the request. */
#ifndef SANDBOX_REGISTRATION_INTERNAL_H
#define SANDBOX_REGISTRATION_INTERNAL_H

#include "sandbox/operation.h"

#define DEPTH_MAX 16
#define TEXT_BYTES_MAX (64 * 1024)
#define NAME_MAX_BYTES 128

struct registration_template {
    const struct request *request;
    struct response *response;
    const json_t *declared; /* Parameters of the template */
    const json_t *given;    /* parameters of the request */
};

/*
 * Set ResourceRegistrationFailureException, unless the response holds an error already. Always
 * false.
 */
bool registration_fail(
    struct registration_template *template, const char *text, const char *detail);
/* The value of a parameter, not owned; NULL after an error. */
const char *registration_parameter(struct registration_template *template, const char *name);
/*
 * Append the value of a text, {"Ref": parameter}, {"Fn::Join": …} or {"Fn::Sub": …}. `depth` is
 * the nesting so far. False after an error, or when `out` is full.
 */
bool registration_append(struct registration_template *template, const json_t *value,
    struct iotify_buffer *out, int depth);
/* The value of a member, freed by the caller; NULL when it is absent or after an error. */
char *registration_member(
    struct registration_template *template, const json_t *object, const char *name);

#endif
