/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the API server: api.c, api_delay.c and api_reply.c. */
#ifndef SANDBOX_API_INTERNAL_H
#define SANDBOX_API_INTERNAL_H

#include <jansson.h>
#include <microhttpd.h>
#include <pthread.h>

#include <iotify/buffer.h>

#include "sandbox/api.h"
#include "sandbox/signature.h"

/* A suspended request: its latency has not passed yet. */
struct api_delayed {
    struct MHD_Connection *connection;
    int64_t due; /* nanoseconds on the monotonic clock */
    struct api_delayed *next;
};

struct api {
    const struct api_options *options;
    struct MHD_Daemon *daemon;
    uint16_t port;
    /* The thread that resumes suspended requests; the mutex guards `delayed` and `closing`. */
    pthread_t waker;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct api_delayed *delayed; /* ordered by due */
    bool closing, waking;        /* waking: the thread was started */
};

/* One request while it arrives, until it is answered. */
struct api_request {
    char *uri;          /* as received */
    bool begun, waited; /* its headers have arrived; it was delayed already */
    struct iotify_buffer body;
    struct fault_outcome fault;
    bool drawn; /* `fault` is set */
};

/* One request while the server answers it. */
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

/* Start the thread that resumes suspended requests. False when it cannot be created. */
bool api_start_waker(struct api *api);
/*
 * Suspend the request for `latency` nanoseconds; then the server calls the handler again. False,
 * with nothing suspended, when the server is closing or out of memory.
 */
bool api_delay(struct api *api, struct MHD_Connection *connection, int64_t latency);
/*
 * Apply the quota and the faults that precede execution. True when the request must not be
 * executed: `*how` is the fault to hang up with, or stays as it is and the response is an error.
 */
bool api_meet_fault(struct api_call *call, const char **how);
/* Close the connection without an answer, or with a TCP reset. Returns MHD_NO. */
enum MHD_Result api_hang_up(struct MHD_Connection *connection, bool reset);
/* ------------------------------------------------------------------ api_reply.c */

/* A query argument or a header; NULL when absent. `connection` is a struct MHD_Connection. */
const char *api_query(void *connection, const char *name);
const char *api_header(void *connection, const char *name);
/* Is the request signed for STS, which answers in XML? */
bool api_is_sts(const struct api_call *call);
/* Send and free `text`. `type` is its content type, `error` the AWS error code or NULL. */
enum MHD_Result api_send_text(struct MHD_Connection *connection, unsigned status, char *text,
    const char *type, const char *error);
/* Send the response of the call as JSON or XML. */
enum MHD_Result api_send_response(struct api_call *call);

#endif
