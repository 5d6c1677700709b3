/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates of devices, by OpenSSL. Pure functions, any thread. */
#ifndef PLUGINS_AWS_DEVICE_CERTIFICATE_H
#define PLUGINS_AWS_DEVICE_CERTIFICATE_H

#include <stdbool.h>

#include <iotify/buffer.h>

/* A new P-256 key, PEM (PKCS #8). False when OpenSSL fails; the same for all below. */
bool certificate_make_key(struct iotify_buffer *key);
/*
 * A new P-256 key and a certificate for it, signed by itself, both PEM: subject CN, valid from
 * yesterday for years; and AWS's
 * identifier of the certificate, the SHA-256 of its DER form.
 */
bool certificate_make(const char *common_name, int years, struct iotify_buffer *key,
    struct iotify_buffer *certificate, char id[65]);
/* A signing request for the key, PEM. */
bool certificate_make_request(
    const char *key, const char *common_name, struct iotify_buffer *request);
/* SHA-256 of the public key's DER form, of a certificate and of a private key. */
bool certificate_key_id(const char *certificate, char id[65]);
bool certificate_public_id(const char *key, char id[65]);
/* Does the private key belong to the certificate? */
bool certificate_matches(const char *certificate, const char *key);

#endif
