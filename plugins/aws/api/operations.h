/* SPDX-License-Identifier: Apache-2.0 */
/* The table of AWS IoT operations that the connector calls. Pure functions; any thread. */
#ifndef PLUGINS_AWS_API_OPERATIONS_H
#define PLUGINS_AWS_API_OPERATIONS_H

#include <jansson.h>
#include <stdbool.h>

enum aws_operation {
    AWS_ADD_THING_TO_THING_GROUP,
    AWS_ATTACH_POLICY,
    AWS_ATTACH_THING_PRINCIPAL,
    AWS_CREATE_CERTIFICATE_FROM_CSR,
    AWS_CREATE_KEYS_AND_CERTIFICATE,
    AWS_CREATE_POLICY,
    AWS_CREATE_THING,
    AWS_CREATE_THING_GROUP,
    AWS_CREATE_THING_TYPE,
    AWS_DELETE_CERTIFICATE,
    AWS_DELETE_POLICY,
    AWS_DELETE_POLICY_VERSION,
    AWS_DELETE_THING,
    AWS_DELETE_THING_GROUP,
    AWS_DELETE_THING_TYPE,
    AWS_DEPRECATE_THING_TYPE,
    AWS_DESCRIBE_CERTIFICATE,
    AWS_DESCRIBE_ENDPOINT,
    AWS_DESCRIBE_THING,
    AWS_DESCRIBE_THING_GROUP,
    AWS_DESCRIBE_THING_TYPE,
    AWS_DETACH_POLICY,
    AWS_DETACH_THING_PRINCIPAL,
    AWS_GET_POLICY,
    AWS_LIST_ATTACHED_POLICIES,
    AWS_LIST_CERTIFICATES,
    AWS_LIST_POLICY_VERSIONS,
    AWS_LIST_PRINCIPAL_THINGS,
    AWS_LIST_TARGETS_FOR_POLICY,
    AWS_LIST_THINGS,
    AWS_LIST_THINGS_IN_THING_GROUP,
    AWS_LIST_THING_GROUPS_FOR_THING,
    AWS_LIST_THING_PRINCIPALS,
    AWS_REGISTER_CERTIFICATE_WITHOUT_CA,
    AWS_REGISTER_THING,
    AWS_REMOVE_THING_FROM_THING_GROUP,
    AWS_UPDATE_CERTIFICATE,
    AWS_UPDATE_THING,
    AWS_OPERATIONS
};

/* How an operation is called. {} in the path is replaced by a parameter. */
struct aws_form {
    const char *name, *method, *path;
    double rate; /* default quota, calls per second */
    /* Name and type of a member that every successful answer has; NULL: none. */
    const char *member;
    json_type type;
    bool once; /* not idempotent: libcurl must not repeat the request; see http.h */
};
const struct aws_form *aws_operation_form(enum aws_operation operation);
const char *aws_operation_name(enum aws_operation operation);
/* The operation of this name; AWS_OPERATIONS when there is none. */
enum aws_operation aws_operation_by_name(const char *name);
/* The default quota of an operation, calls per second; 0: unknown operation. */
double aws_default_rate(const char *operation);

#endif
