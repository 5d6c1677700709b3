/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP with libcurl: a pool of handles, each with its own connections and one request at a time.
 * All functions may be called on any thread.
 */
#ifndef PLUGINS_SHARED_AWS_HTTP_H
#define PLUGINS_SHARED_AWS_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include <iotify/buffer.h>
#include <iotify/host.h>

struct http;

struct http_header {
    const char *name, *value;
};

struct http_request {
    struct iotify_call *call; /* asked whether the request has to be given up */
    const char *method;
    const char *url;
    const struct http_header *headers;
    size_t header_count;
    const char *body; /* NULL: none */
    size_t body_size;
    int64_t timeout_ms; /* 0: 60 s, of which 10 s to connect */
    /*
     * Use a new connection, so that the request is sent at most once: on a reused connection that
     * closes without an answer, libcurl sends the request again.
     */
    bool once;
    bool no_proxy; /* for endpoints on this host */
};

struct http_response {
    long status; /* 0: no answer */
    struct iotify_buffer body;
    char error_type[128];   /* header x-amzn-errortype */
    int64_t date;           /* header Date, seconds since 1970; 0: none */
    int64_t retry_after_ms; /* header Retry-After, at most 60 s; 0: none */
    bool sent;              /* status 0: the request may have reached the server */
    bool permanent;         /* status 0: a retry would fail in the same way */
    char error[256];        /* status 0: the cause */
};

/* `ca` is a file of root certificates; NULL: the system's. Returns NULL without memory. */
struct http *http_new(const char *ca);
void http_free(struct http *http);

/* Send a request and block for the answer. Free the response with http_response_clear(). */
void http_send(
    struct http *http, const struct http_request *request, struct http_response *response);
/* Overwrite and free the body, which may contain keys. */
void http_response_clear(struct http_response *response);

#endif
