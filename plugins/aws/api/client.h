/* SPDX-License-Identifier: Apache-2.0 */
/* The client of the AWS IoT API, for the operations of operations.h. Safe on any thread. */
#ifndef PLUGINS_AWS_API_CLIENT_H
#define PLUGINS_AWS_API_CLIENT_H

#include <jansson.h>

#include <iotify/host.h>

#include "plugins/aws/api/operations.h"

/* The service to call, from the settings and the environment. All strings outlive the client. */
struct aws_target {
    const char *region;
    const char *endpoint; /* https://iot.eu-central-1.amazonaws.com, without a slash at the end */
    const char *sts_endpoint;    /* NULL: STS is not called */
    const char *quotas_endpoint; /* NULL: Service Quotas is not called */
    const char *signing_name;    /* "iot" */
};

struct aws_client;

/*
 * `profile` (or NULL) must outlive the client; `ca` is a file of root certificates (NULL: the
 * system's). NULL without memory.
 */
struct aws_client *aws_client_new(
    const struct aws_target *target, const char *profile, const char *ca);
void aws_client_free(struct aws_client *client);

#define AWS_QUERY_MAX 4

/* One request. Names and values are not encoded; aws_send() encodes them. */
struct aws_request {
    enum aws_operation operation;
    const char *name;    /* replaces {} in the path */
    const char *version; /* replaces the second {} */
    struct {
        const char *name, *value;
    } query[AWS_QUERY_MAX];
    const char *principal; /* header x-amzn-principal; NULL: none */
    json_t *body;          /* owned by the caller; NULL: no body */
    json_t *answer;        /* set; the caller frees it; NULL when the answer has no body */
    bool uncertain;        /* set when a try had no clear answer and may have taken effect */
};

/*
 * Send a request with host->perform(), which limits the rate and retries. Blocks. Errors of the
 * service are returned as results; for IOTIFY_RESULT_NOT_FOUND, IOTIFY_RESULT_EXISTS and
 * IOTIFY_RESULT_CONFLICT the caller decides whether they are errors. `answer` is set for
 * IOTIFY_RESULT_EXISTS too.
 */
enum iotify_result aws_send(
    struct aws_client *client, struct iotify_call *call, struct aws_request *request);

/* The current time of AWS, seconds since 1970, from the date of its last answer. */
int64_t aws_now(struct aws_client *client);

#endif
