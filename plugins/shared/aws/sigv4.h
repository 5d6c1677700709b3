/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4, from the published algorithm. One computation serves both ends: the
 * connector signs with it, the sandbox verifies with it. Pure functions, any thread.
 */
#ifndef PLUGINS_SHARED_AWS_SIGV4_H
#define PLUGINS_SHARED_AWS_SIGV4_H

#include <stdbool.h>
#include <stddef.h>

#include <iotify/buffer.h>

struct sigv4_header {
    const char *name; /* any case */
    const char *value;
};

/* A request as it goes over the wire. */
struct sigv4_request {
    const char *method;
    const char *path;  /* percent-encoded, without the query; it is encoded once more to sign */
    const char *query; /* percent-encoded, in any order; "" for none */
    const struct sigv4_header *headers; /* those to sign */
    size_t header_count;
    const void *body;
    size_t body_size;
    const char *timestamp; /* 20260102T030405Z, as in x-amz-date */
    const char *region, *service;
};

#define SIGV4_SIGNATURE_SIZE 65

/*
 * The signature in hexadecimal digits and the list of signed headers joined by `;`.
 * False when memory or OpenSSL fail.
 */
bool sigv4_sign(const struct sigv4_request *request, const char *secret_key,
    char signature[SIGV4_SIGNATURE_SIZE], struct iotify_buffer *signed_headers);

/* The canonical request, for tests against the published examples. */
bool sigv4_canonical(const struct sigv4_request *request, struct iotify_buffer *out);

/* Append bytes percent-encoded, all but letters, digits and -_.~ (and `/` where it is kept). */
void sigv4_encode(const char *text, bool keep_slash, struct iotify_buffer *out);

/* SHA-256 in hexadecimal digits. */
bool sigv4_sha256(const void *data, size_t size, char digest[65]);

#endif
