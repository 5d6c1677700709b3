/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4, as published by AWS. The connector signs with it and the sandbox
 * verifies with it. Pure functions; any thread. They return false when memory or OpenSSL fails.
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

/* A request as it is sent. */
struct sigv4_request {
    const char *method;
    const char *path;  /* percent-encoded, without the query; encoded again for the signature */
    const char *query; /* percent-encoded, in any order; "": none */
    const struct sigv4_header *headers; /* the headers to sign */
    size_t header_count;
    const void *body;
    size_t body_size;
    const char *timestamp; /* 20260102T030405Z, as in x-amz-date */
    const char *region, *service;
};

#define SIGV4_SIGNATURE_SIZE 65

/*
 * Compute the signature as hexadecimal digits, and append the names of the signed headers, joined
 * by `;`, to `signed_headers`.
 */
bool sigv4_sign(const struct sigv4_request *request, const char *secret_key,
    char signature[SIGV4_SIGNATURE_SIZE], struct iotify_buffer *signed_headers);

/* Append the canonical request, for tests against the published examples. */
bool sigv4_canonical(const struct sigv4_request *request, struct iotify_buffer *out);

/* Append the text with all bytes but letters, digits, -_.~ (and `/` if kept) percent-encoded. */
void sigv4_encode(const char *text, bool keep_slash, struct iotify_buffer *out);

/* SHA-256 as hexadecimal digits and a NUL. */
bool sigv4_sha256(const void *data, size_t size, char digest[65]);

#endif
