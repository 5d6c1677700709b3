/* SPDX-License-Identifier: Apache-2.0 */
/* What registration.c and registration_values.c share. */
#ifndef SANDBOX_REGISTRATION_INTERNAL_H
#define SANDBOX_REGISTRATION_INTERNAL_H

#include "sandbox/operation.h"

#define DEPTH_MAX 16
#define TEXT_BYTES_MAX (64 * 1024)
#define NAME_MAX_BYTES 128

struct template
{
    const struct request *request;
    struct response *response;
    const json_t *declared; /* Parameters of the template */
    const json_t *given;    /* parameters of the call */
};

/* Answer that the template is not valid. Always false. */
bool registration_fail(struct template *template, const char *text, const char *detail);
/* The value of a parameter; NULL after an answer. */
const char *registration_parameter(struct template *template, const char *name);
/* A text, {"Ref": parameter}, {"Fn::Join": …} or {"Fn::Sub": …}. False after an answer. */
bool registration_append(
    struct template *template, const json_t *value, struct iotify_buffer *out, int depth);
/* The value of a member, to be freed; NULL when it is absent or after an answer. */
char *registration_member(struct template *template, const json_t *object, const char *name);

#endif
