/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends one signed request to a service of AWS and classifies the answer. Safe on any thread.
 */
#ifndef PLUGINS_AWS_API_SIGNED_REQUEST_H
#define PLUGINS_AWS_API_SIGNED_REQUEST_H

#include <pthread.h>

#include <iotify/host.h>

#include "plugins/shared/aws/credentials.h"
#include "plugins/shared/aws/http.h"

/* Region, credentials and clock for signing. Strings outlive it. */
struct signed_request_signer {
    const char *region;
    struct http *http;
    struct credentials_chain *credentials;
    pthread_mutex_t mutex;
    int64_t skew;  /* seconds to add to the local clock for the date of signatures */
    int64_t ahead; /* seconds by which the service's clock was ahead in its last answer */
};

/* One request to any service. */
struct signed_request {
    const char *operation; /* for messages */
    const char *method, *endpoint, *path, *query;
    const char *service;
    const char *content_type; /* NULL: no body */
    const char *body;
    size_t body_size;
    const char *principal; /* header x-amzn-principal; NULL: none */
    const char *target;    /* header x-amz-target; NULL: none */
    bool once;             /* not idempotent: see http.h */
    bool uncertain;        /* set when the request may have taken effect without an answer */
};

/* The service's time, seconds since 1970; the local time before the first answer. */
int64_t signed_request_now(struct signed_request_signer *signer);

/*
 * Sign and send a request, and block for the answer. Repeats it once after correcting the clock and
 * once after refreshing expired credentials. An error is set with host->fail() and returned as a
 * result that follows from the error code of AWS, or from the HTTP status where there is none. Free
 * the response with http_response_clear() in any case.
 */
enum iotify_result signed_request_send(struct signed_request_signer *signer,
    struct iotify_call *call, struct signed_request *outgoing, struct http_response *response);

#endif
