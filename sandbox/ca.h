/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox's certificate authority: the root, the server certificate, device certificates. */
#ifndef SANDBOX_CA_H
#define SANDBOX_CA_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include <iotify/buffer.h>

#include "sandbox/key_pool.h"

struct ca;

/*
 * Load the root from `folder` (ca.pem, ca.key with mode 0600), or replace it by a new one if that
 * fails, and issue a server certificate for localhost. NULL after a message on stderr.
 */
struct ca *ca_open(const char *folder);
void ca_close(struct ca *ca);
/* Take RSA keys from `pool` (not owned); without one, ca_make() generates each key. */
void ca_set_pool(struct ca *ca, struct key_pool *pool);
/* Install the server certificate and its key in `context`. */
bool ca_use(const struct ca *ca, SSL_CTX *context);

/*
 * Issue a certificate for the key of a PEM certificate request, whose subject is ignored; appends
 * PEM to `certificate`. False when the request is not valid. This and all below: any thread.
 */
bool ca_sign_request(struct ca *ca, const char *request, struct iotify_buffer *certificate);
/* Issue a certificate for a new RSA-2048 key pair; appends PEM to each. False on an error. */
bool ca_make(struct ca *ca, struct iotify_buffer *private_key, struct iotify_buffer *public_key,
    struct iotify_buffer *certificate);

struct ca_certificate {
    char id[65];                   /* SHA-256 of the DER form, in hexadecimal */
    int64_t not_before, not_after; /* milliseconds since 1970 */
};

/*
 * Is it a PEM certificate that has not expired, with a key of RSA from 2048 bits on, P-256, P-384
 * or P-521? Then fills in `facts`.
 */
bool ca_check(const char *certificate, struct ca_certificate *facts);
/* SHA-256 of a certificate's DER form, in hexadecimal digits. */
void ca_fingerprint(const X509 *certificate, char id[65]);

#endif
