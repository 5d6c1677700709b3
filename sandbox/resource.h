/* What several kinds of resources have in common: descriptions, attributes, tags, parameters. */
#ifndef SANDBOX_RESOURCE_H
#define SANDBOX_RESOURCE_H

#include "sandbox/operation.h"

/* Each false after an answer. */
bool check_description(struct response *response, const char *name, const json_t *description);
/* `attributes` may be NULL; `most` of them are allowed. */
bool check_attributes(struct response *response, const json_t *attributes, size_t most);
bool check_policy(const struct request *request, struct response *response);
bool check_thing(const struct request *request, struct response *response, const char *name);
bool check_group(const struct request *request, struct response *response, const char *name);
/* That of the row is the expected one, where one is expected; it counts from 1 with each change. */
bool check_version(
    const struct request *request, struct response *response, const char *kind, const json_t *row);
/* The certificate of an ARN. */
bool check_certificate(const struct request *request, struct response *response, const char *arn);

/*
 * The attributes of a payload on top of those that are there: all of them anew, or merged where
 * the payload says so; an empty value takes an attribute out. A new object.
 */
json_t *apply_attributes(const json_t *present, const json_t *payload);

/*
 * What is kept of a structure: those of its members that the service model has. An empty object
 * where there is none; a new one.
 */
json_t *known_members(const json_t *object, const char *const *names);

/* The tags of a new resource, from the input. False after an answer. */
bool set_tags(const struct request *request, struct response *response, const char *arn);
void clear_tags(const struct request *request, const char *arn);

/* Creates a thing, or finds the same one; the row of it, NULL after an answer. */
json_t *create_thing_row(const struct request *request, struct response *response, const char *name,
    const char *type, const json_t *attributes);
/* Stores a certificate; its row, NULL after an answer. */
json_t *create_certificate_row(const struct request *request, struct response *response,
    const char *pem, const char *status, const char *mode);
/* Each false after an answer. */
bool set_certificate_status(
    const struct request *request, struct response *response, const char *id, const char *status);
bool create_policy_row(const struct request *request, struct response *response, const char *name,
    const char *document);
bool attach_policy_to(
    const struct request *request, struct response *response, const char *policy, const char *arn);
bool attach_principal_to(const struct request *request, struct response *response,
    const char *thing, const char *arn, const char *type);
bool join_group(
    const struct request *request, struct response *response, const char *group, const char *thing);

/* Parameters that many operations take. */
#define NAME_IN_PATH(name)                                                                         \
    {                                                                                              \
        name, IN_PATH, TEXT, true, 1, 128, NAME, NULL, NULL                                        \
    }
#define NAME_IN_QUERY(name)                                                                        \
    {                                                                                              \
        name, IN_QUERY, TEXT, false, 1, 128, NAME, NULL, NULL                                      \
    }
#define NAME_IN_BODY(name)                                                                         \
    {                                                                                              \
        name, IN_BODY, TEXT, false, 1, 128, NAME, NULL, NULL                                       \
    }
#define TEXT_IN_BODY(name)                                                                         \
    {                                                                                              \
        name, IN_BODY, TEXT, false, 0, 0, ANYTHING, NULL, NULL                                     \
    }
#define FLAG_IN_QUERY(name)                                                                        \
    {                                                                                              \
        name, IN_QUERY, FLAG, false, 0, 0, ANYTHING, NULL, NULL                                    \
    }
#define POLICY_IN_PATH                                                                             \
    {                                                                                              \
        "policyName", IN_PATH, TEXT, true, 1, 128, POLICY_NAME, NULL, NULL                         \
    }
#define TAGS_IN_BODY                                                                               \
    {                                                                                              \
        "tags", IN_BODY, LIST, false, 0, 50, ANYTHING, NULL, NULL                                  \
    }
#define EXPECTED_VERSION(place)                                                                    \
    {                                                                                              \
        "expectedVersion", place, NUMBER, false, 0, 0, ANYTHING, NULL, NULL                        \
    }
#define ASCENDING                                                                                  \
    {                                                                                              \
        "ascendingOrder", IN_QUERY, FLAG, false, 0, 0, ANYTHING, NULL, "isAscendingOrder"          \
    }

#endif
