/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox's certificate authority: its root, the server's certificate, the devices'. */
#ifndef SANDBOX_CA_H
#define SANDBOX_CA_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include <iotify/buffer.h>

#include "sandbox/key_pool.h"

struct ca;

/*
 * The root in `folder` (ca.pem, ca.key with mode 0600), made when it is not there, and a server
 * certificate for this machine's loopback names. NULL after a message on stderr.
 */
struct ca *ca_open(const char *folder);
void ca_close(struct ca *ca);
/* Where RSA keys come from; without one each is made when it is asked for. Not owned. */
void ca_set_pool(struct ca *ca, struct key_pool *pool);
/* Use the server certificate in a context. */
bool ca_use(const struct ca *ca, SSL_CTX *context);

/* Sign what a PEM request asks for; the certificate, PEM. False when the request is not valid. */
bool ca_sign_request(struct ca *ca, const char *request, struct iotify_buffer *certificate);
/* A new RSA-2048 key pair and its certificate, all PEM. */
bool ca_make(struct ca *ca, struct iotify_buffer *private_key, struct iotify_buffer *public_key,
    struct iotify_buffer *certificate);

struct ca_certificate {
    char id[65];                   /* SHA-256 of the DER form */
    int64_t not_before, not_after; /* milliseconds since 1970 */
};

/* Is this PEM a certificate that a device may have: not expired, RSA, P-256, P-384 or P-521? */
bool ca_check(const char *certificate, struct ca_certificate *facts);
/* SHA-256 of a certificate's DER form, in hexadecimal digits. */
void ca_fingerprint(const X509 *certificate, char id[65]);

#endif
