/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of the MQTT transport: one SSL_CTX per channel for all sessions with the same root
 * certificates. Used on the thread of the channel's loop.
 */
#ifndef PLUGINS_TRANSPORT_MQTT_TLS_H
#define PLUGINS_TRANSPORT_MQTT_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include <iotify/host.h>

#include "plugins/transport/mqtt/identity.h"

struct mqtt_tls;

/* Required before the first mqtt_tls_new(); not thread-safe. Idempotent. */
void mqtt_tls_init(void);

/*
 * Create a context that trusts `ca` (PEM text or the name of a file; NULL: the system's store and
 * the file in AWS_CA_BUNDLE) and offers the protocol `alpn` (NULL: none). `verify` false: accept
 * any server certificate. NULL on an error, which is set in `call`.
 */
struct mqtt_tls *mqtt_tls_new(
    struct iotify_call *call, const char *ca, bool verify, const char *alpn);
void mqtt_tls_free(struct mqtt_tls *tls);
SSL_CTX *mqtt_tls_context(struct mqtt_tls *tls);

/*
 * Set the identity of the next SSL object. libmosquitto creates the object and starts the handshake
 * in one call: set the identity before that call, and NULL after it.
 */
void mqtt_tls_begin(struct mqtt_tls *tls, struct mqtt_identity *identity);

/* Free what only the handshake needs: call after it, and again when the session is ready. */
void mqtt_tls_settle(SSL *ssl, struct mqtt_identity *identity);

#endif
