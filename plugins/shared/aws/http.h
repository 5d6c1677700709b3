/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP by libcurl: a pool of handles that keep their connections, one request at a time each.
 * All functions are safe on any thread.
 */
#ifndef PLUGINS_SHARED_AWS_HTTP_H
#define PLUGINS_SHARED_AWS_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include <iotify/buffer.h>

struct http;

struct http_header {
    const char *name, *value;
};

struct http_request {
    const char *method;
    const char *url;
    const struct http_header *headers;
    size_t header_count;
    const char *body; /* NULL: none */
    size_t body_size;
    int64_t timeout_ms; /* 0: a minute */
    /*
     * Never send it twice: on a connection that was used before, libcurl sends a request anew by
     * itself when the connection ends without an answer.
     */
    bool once;
    bool no_proxy; /* for endpoints of the machine itself */
};

struct http_response {
    long status; /* 0: no answer */
    struct iotify_buffer body;
    char error_type[128]; /* x-amzn-errortype */
    int64_t date;         /* the server's clock, seconds since 1970; 0 when it sent none */
    int64_t retry_after_ms;
    bool sent;       /* status 0: the request may have reached the server */
    bool permanent;  /* status 0: repeating will not help */
    char error[256]; /* status 0: why */
};

/* `ca` names a file of root certificates, NULL for the system's. NULL when memory is out. */
struct http *http_new(const char *ca);
void http_free(struct http *http);

/* Send and wait. The response is always filled in; free it with http_response_clear(). */
void http_send(
    struct http *http, const struct http_request *request, struct http_response *response);
/* Overwrites the body: answers may hold keys. */
void http_response_clear(struct http_response *response);

#endif
