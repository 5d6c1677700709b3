/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates of devices, with OpenSSL. Any thread. False when OpenSSL fails. */
#ifndef PLUGINS_AWS_DEVICE_CERTIFICATE_H
#define PLUGINS_AWS_DEVICE_CERTIFICATE_H

#include <stdbool.h>

#include <iotify/buffer.h>

/* Append a new P-256 key, PEM (PKCS #8). */
bool certificate_make_key(struct iotify_buffer *key);
/*
 * Append a new P-256 key and a self-signed certificate for it, both PEM. The subject is the first
 * 64 bytes of `common_name`; it is valid from one day before now until `years` * 365 days after.
 * `id` is the identifier that AWS gives the certificate, the SHA-256 of its DER form.
 */
bool certificate_make(const char *common_name, int years, struct iotify_buffer *key,
    struct iotify_buffer *certificate, char id[65]);
/* Append a certificate signing request for the key, PEM. */
bool certificate_make_request(
    const char *key, const char *common_name, struct iotify_buffer *request);
/* SHA-256 of the DER form of the public key, from a certificate or from a private key (PEM). */
bool certificate_key_id(const char *certificate, char id[65]);
bool certificate_public_id(const char *key, char id[65]);
/* True for a certificate that certificate_make() has made: it is signed by its own key. */
bool certificate_is_own(const char *certificate);
/* True when the private key belongs to the certificate. */
bool certificate_matches(const char *certificate, const char *key);

#endif
