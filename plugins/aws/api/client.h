/* SPDX-License-Identifier: Apache-2.0 */
/* The client of the AWS IoT API: one way to send the calls of the table. Safe on any thread. */
#ifndef PLUGINS_AWS_API_CLIENT_H
#define PLUGINS_AWS_API_CLIENT_H

#include <jansson.h>

#include <iotify/host.h>

#include "plugins/aws/api/operations.h"

/* What the settings of the plugin come to; all strings outlive the client. */
struct aws_target {
    const char *region;
    const char *endpoint; /* https://iot.eu-central-1.amazonaws.com, without a slash at the end */
    const char *sts_endpoint;    /* NULL: there is none to ask */
    const char *quotas_endpoint; /* of Service Quotas; NULL: there is none to ask */
    const char *signing_name;    /* "iot" */
};

struct aws_client;

/* NULL when memory is out. */
struct aws_client *aws_client_new(
    const struct aws_target *target, const char *profile, const char *ca);
void aws_client_free(struct aws_client *client);

#define AWS_QUERY_MAX 4

/* One call. Names and values are as the user knows them: encoding happens here. */
struct aws_request {
    enum aws_operation operation;
    const char *name;    /* in the place of {} in the path */
    const char *version; /* in the place of the second {} */
    struct {
        const char *name, *value;
    } query[AWS_QUERY_MAX];
    const char *principal; /* header x-amzn-principal; NULL: none */
    json_t *body;          /* owned by the caller; NULL: no body */
    json_t *answer;        /* the caller's to free; NULL when the answer has no body */
    bool uncertain;        /* set: a try has no answer, and nobody knows whether it was done */
};

/*
 * Send through the host, which paces and repeats. Errors of the service come back as results:
 * IOTIFY_NOT_FOUND, IOTIFY_EXISTS and IOTIFY_CONFLICT often are not the caller's error.
 */
enum iotify_result aws_send(
    struct aws_client *client, struct iotify_call *call, struct aws_request *request);

/* AWS's time, seconds since 1970, as its last answer told it. */
int64_t aws_now(struct aws_client *client);

#endif
