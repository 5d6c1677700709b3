/* SPDX-License-Identifier: Apache-2.0 */
/* What several kinds of resources have in common: descriptions, attributes, tags, parameters. */
#ifndef SANDBOX_RESOURCE_H
#define SANDBOX_RESOURCE_H

#include "sandbox/operation.h"

/* Each false after an answer. */
bool resource_check_description(
    struct response *response, const char *name, const json_t *description);
/* `attributes` may be NULL; `most` of them are allowed. */
bool resource_check_attributes(struct response *response, const json_t *attributes, size_t most);
bool resource_check_policy(const struct request *request, struct response *response);
bool resource_check_thing(
    const struct request *request, struct response *response, const char *name);
bool resource_check_group(
    const struct request *request, struct response *response, const char *name);
/* That of the row is the expected one, where one is expected; it counts from 1 with each change. */
bool resource_check_version(
    const struct request *request, struct response *response, const char *kind, const json_t *row);
/* The certificate of an ARN. */
bool resource_check_certificate(
    const struct request *request, struct response *response, const char *arn);

/*
 * The attributes of a payload on top of those that are there: all of them anew, or merged where
 * the payload says so; an empty value takes an attribute out. A new object.
 */
json_t *resource_apply_attributes(const json_t *present, const json_t *payload);

/*
 * What is kept of a structure: those of its members that the service model has. An empty object
 * where there is none; a new one.
 */
json_t *resource_known_members(const json_t *object, const char *const *names);

/* The tags of a new resource, from the input. False after an answer. */
bool resource_set_tags(const struct request *request, struct response *response, const char *arn);
void resource_clear_tags(const struct request *request, const char *arn);

/* Creates a thing, or finds the same one; the row of it, NULL after an answer. */
json_t *resource_create_thing_row(const struct request *request, struct response *response,
    const char *name, const char *type, const json_t *attributes);
/* Stores a certificate; its row, NULL after an answer. */
json_t *resource_create_certificate_row(const struct request *request, struct response *response,
    const char *pem, const char *status, const char *mode);
/* Each false after an answer. */
bool resource_set_certificate_status(
    const struct request *request, struct response *response, const char *id, const char *status);
bool resource_create_policy_row(const struct request *request, struct response *response,
    const char *name, const char *document);
bool resource_attach_policy_to(
    const struct request *request, struct response *response, const char *policy, const char *arn);
bool resource_attach_principal_to(const struct request *request, struct response *response,
    const char *thing, const char *arn, const char *type);
bool resource_join_group(
    const struct request *request, struct response *response, const char *group, const char *thing);

/* Parameters that many operations take. */
#define NAME_IN_PATH(parameter_name)                                                               \
    {                                                                                              \
        .name = parameter_name, .place = IN_PATH, .form = TEXT, .required = true, .min = 1,        \
        .max = 128, .charset = NAME                                                                \
    }
#define NAME_IN_QUERY(parameter_name)                                                              \
    {                                                                                              \
        .name = parameter_name, .place = IN_QUERY, .form = TEXT, .min = 1, .max = 128,             \
        .charset = NAME                                                                            \
    }
#define NAME_IN_BODY(parameter_name)                                                               \
    {                                                                                              \
        .name = parameter_name, .place = IN_BODY, .form = TEXT, .min = 1, .max = 128,              \
        .charset = NAME                                                                            \
    }
#define TEXT_IN_BODY(parameter_name)                                                               \
    {                                                                                              \
        .name = parameter_name, .place = IN_BODY, .form = TEXT                                     \
    }
#define FLAG_IN_QUERY(parameter_name)                                                              \
    {                                                                                              \
        .name = parameter_name, .place = IN_QUERY, .form = FLAG                                    \
    }
#define POLICY_IN_PATH                                                                             \
    {                                                                                              \
        .name = "policyName", .place = IN_PATH, .form = TEXT, .required = true, .min = 1,          \
        .max = 128, .charset = POLICY_NAME                                                         \
    }
#define TAGS_IN_BODY                                                                               \
    {                                                                                              \
        .name = "tags", .place = IN_BODY, .form = LIST, .max = 50                                  \
    }
#define EXPECTED_VERSION(where)                                                                    \
    {                                                                                              \
        .name = "expectedVersion", .place = where, .form = NUMBER                                  \
    }
#define ASCENDING                                                                                  \
    {                                                                                              \
        .name = "ascendingOrder", .place = IN_QUERY, .form = FLAG, .wire = "isAscendingOrder"      \
    }

#endif
