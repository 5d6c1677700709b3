/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One signed exchange with a service of AWS, and what its answer means. Safe on any thread.
 */
#ifndef PLUGINS_AWS_API_SIGNED_REQUEST_H
#define PLUGINS_AWS_API_SIGNED_REQUEST_H

#include <pthread.h>

#include <iotify/host.h>

#include "plugins/shared/aws/credentials.h"
#include "plugins/shared/aws/http.h"

/* Who signs, and where things go. Strings outlive it. */
struct signed_request_signer {
    const char *region;
    struct http *http;
    struct credential_chain *credentials;
    pthread_mutex_t mutex;
    int64_t skew;  /* seconds that signatures are dated ahead of our clock */
    int64_t ahead; /* seconds that the service's clock was ahead of ours last */
};

/* What goes over the wire, whatever the service. */
struct signed_request {
    const char *operation; /* for messages */
    const char *method, *endpoint, *path, *query;
    const char *service;
    const char *content_type; /* NULL: no body */
    const char *body;
    size_t body_size;
    const char *principal; /* header x-amzn-principal; NULL: none */
    const char *target;    /* header x-amz-target; NULL: none */
    bool once;             /* sent again it would make something more */
    bool uncertain;        /* set: nobody knows whether the service did it */
};

/* The service's time, seconds since 1970: ours until anything was answered. */
int64_t signed_request_now(struct signed_request_signer *signer);

/*
 * Sign, send and wait; once more each for a clock that was off and for credentials that expired.
 * A failure is told by host->fail() and comes back as what it means; the code decides, not the
 * status. The response is always filled in; free it with http_response_clear().
 */
enum iotify_result signed_request_send(struct signed_request_signer *signer,
    struct iotify_call *call, struct signed_request *outgoing, struct http_response *response);

#endif
