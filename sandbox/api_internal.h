/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the API's server share: api.c, api_delay.c and api_reply.c. */
#ifndef SANDBOX_API_INTERNAL_H
#define SANDBOX_API_INTERNAL_H

#include <jansson.h>
#include <microhttpd.h>
#include <pthread.h>

#include <iotify/buffer.h>

#include "sandbox/api.h"
#include "sandbox/signature.h"

/* A request that waits for its latency to pass. */
struct api_delayed {
    struct MHD_Connection *connection;
    int64_t due; /* nanoseconds of the monotonic clock */
    struct api_delayed *next;
};

struct api {
    const struct api_options *options;
    struct MHD_Daemon *daemon;
    uint16_t port;
    /* Requests that wait; the lock guards all of it. */
    pthread_t waker;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct api_delayed *delayed; /* by due */
    bool closing, waking;
};

/* One request while it arrives. */
struct api_request {
    char *uri;          /* as it came */
    bool begun, waited; /* the headers were announced; its latency has passed */
    struct iotify_buffer body;
    struct fault_plan fault;
    bool drawn;
};

/* Everything about one request while it is answered. */
struct api_call {
    struct api *api;
    struct MHD_Connection *connection;
    const struct api_request *arrived;
    const char *method, *path, *query;
    const struct operation *operation; /* NULL: unknown */
    json_t *input;
    struct signature_verdict verdict;
    struct response response;
};

/* ------------------------------------------------------------------ api_delay.c */

/* The thread that resumes delayed requests. False when there is none to be had. */
bool api_start_waker(struct api *api);
/* Answer after `latency` nanoseconds. False when the server is closing. */
bool api_delay(struct api *api, struct MHD_Connection *connection, int64_t latency);
/* The faults before anything is done. True when the call goes no further; `how` says why. */
bool api_meet_fault(struct api_call *call, const char **how);
/* Close without an answer; with a reset where that is the fault. */
enum MHD_Result api_hang_up(struct MHD_Connection *connection, bool reset);
/* ------------------------------------------------------------------ api_reply.c */

/* An argument of the query, a header; NULL when it is absent. `connection` is MHD's. */
const char *api_query(void *connection, const char *name);
const char *api_header(void *connection, const char *name);
/* Is it a call of STS, which is answered in XML? */
bool api_is_sts(const struct api_call *call);
/* Answer with `text`, which is freed; `type` is its content type, `error` the code or NULL. */
enum MHD_Result api_send_text(struct MHD_Connection *connection, unsigned status, char *text,
    const char *type, const char *error);
/* Answer with the response of the call. */
enum MHD_Result api_send_response(struct api_call *call);

#endif
