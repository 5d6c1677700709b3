/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by several kinds of resources: descriptions, attributes, parameters. On the thread of the
 * request.
 */
#ifndef SANDBOX_RESOURCE_H
#define SANDBOX_RESOURCE_H

#include "sandbox/operation.h"

/* Checks. Each returns false after it has put an error into `response`. */
bool resource_check_description(
    struct response *response, const char *name, const json_t *description);
/* `attributes` may be NULL; at most `most` are allowed. */
bool resource_check_attributes(struct response *response, const json_t *attributes, size_t most);
/* Does the policy named in the request, the thing, the group exist? */
bool resource_check_policy(const struct request *request, struct response *response);
bool resource_check_thing(
    const struct request *request, struct response *response, const char *name);
bool resource_check_group(
    const struct request *request, struct response *response, const char *name);
/* Does the row have the expectedVersion, if the request has one? Each change adds 1 to it. */
bool resource_check_version(
    const struct request *request, struct response *response, const char *kind, const json_t *row);
/* Is there a certificate with this ARN? */
bool resource_check_certificate(
    const struct request *request, struct response *response, const char *arn);

/*
 * Apply an attribute payload to the current attributes: it replaces them, or is merged if it says
 * so; an empty value removes an attribute; without attributes it changes nothing. A new object.
 */
json_t *resource_apply_attributes(const json_t *current, const json_t *payload);

/*
 * A new object with the members of `object` (may be NULL) whose names are in `names`, which ends
 * with NULL.
 */
json_t *resource_known_members(const json_t *object, const char *const *names);

/* Parameters that many operations have. */
#define NAME_IN_PATH(parameter_name)                                                               \
    {                                                                                              \
        .name = (parameter_name), .location = IN_PATH, .type = TEXT, .required = true, .min = 1,   \
        .max = 128, .charset = NAME                                                                \
    }
#define NAME_IN_QUERY(parameter_name)                                                              \
    {                                                                                              \
        .name = (parameter_name), .location = IN_QUERY, .type = TEXT, .min = 1, .max = 128,        \
        .charset = NAME                                                                            \
    }
#define NAME_IN_BODY(parameter_name)                                                               \
    {                                                                                              \
        .name = (parameter_name), .location = IN_BODY, .type = TEXT, .min = 1, .max = 128,         \
        .charset = NAME                                                                            \
    }
#define TEXT_IN_BODY(parameter_name)                                                               \
    {                                                                                              \
        .name = (parameter_name), .location = IN_BODY, .type = TEXT                                \
    }
#define FLAG_IN_QUERY(parameter_name)                                                              \
    {                                                                                              \
        .name = (parameter_name), .location = IN_QUERY, .type = FLAG                               \
    }
#define POLICY_IN_PATH                                                                             \
    {                                                                                              \
        .name = "policyName", .location = IN_PATH, .type = TEXT, .required = true, .min = 1,       \
        .max = 128, .charset = POLICY_NAME                                                         \
    }
#define TAGS_IN_BODY                                                                               \
    {                                                                                              \
        .name = "tags", .location = IN_BODY, .type = LIST, .max = 50                               \
    }
#define EXPECTED_VERSION(where)                                                                    \
    {                                                                                              \
        .name = "expectedVersion", .location = (where), .type = NUMBER                             \
    }
#define ASCENDING                                                                                  \
    {                                                                                              \
        .name = "ascendingOrder", .location = IN_QUERY, .type = FLAG, .wire = "isAscendingOrder"   \
    }

#endif
