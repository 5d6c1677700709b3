/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox's certificate authority: its root, the server's certificate, the devices'. */
#ifndef SANDBOX_CA_H
#define SANDBOX_CA_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include <iotify/buffer.h>

#include "sandbox/key_pool.h"

struct authority;

/*
 * The root in `folder` (ca.pem, ca.key with mode 0600), made when it is not there, and a server
 * certificate for this machine's loopback names. NULL after a message on stderr.
 */
struct authority *authority_open(const char *folder);
void authority_close(struct authority *authority);
/* Where RSA keys come from; without one each is made when it is asked for. Not owned. */
void authority_set_pool(struct authority *authority, struct key_pool *pool);
/* Use the server certificate in a context. */
bool authority_use(const struct authority *authority, SSL_CTX *context);

/* Sign what a PEM request asks for; the certificate, PEM. False when the request is not valid. */
bool authority_sign_request(
    struct authority *authority, const char *request, struct iotify_buffer *certificate);
/* A new RSA-2048 key pair and its certificate, all PEM. */
bool authority_make(struct authority *authority, struct iotify_buffer *private_key,
    struct iotify_buffer *public_key, struct iotify_buffer *certificate);

struct certificate_facts {
    char id[65];                   /* SHA-256 of the DER form */
    int64_t not_before, not_after; /* milliseconds since 1970 */
};

/* Is this PEM a certificate that a device may have: not expired, RSA, P-256, P-384 or P-521? */
bool authority_check(const char *certificate, struct certificate_facts *facts);
/* SHA-256 of a certificate's DER form, in hexadecimal digits. */
void authority_fingerprint(const X509 *certificate, char id[65]);

#endif
