/* SPDX-License-Identifier: Apache-2.0 */
/* TLS of the MQTT transport: one SSL_CTX for all sessions with the same root certificates. */
#ifndef PLUGINS_TRANSPORT_MQTT_TLS_H
#define PLUGINS_TRANSPORT_MQTT_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include <iotify/host.h>

#include "plugins/transport/mqtt/identity.h"

struct mqtt_tls;

/* Before the first context, on one thread. May be called again. */
void mqtt_tls_init(void);

/*
 * A context for sessions that trust `ca` (PEM text or a file; NULL: the system's store and what
 * AWS_CA_BUNDLE names), offering `alpn` (NULL: none). NULL after a failure in `call`.
 */
struct mqtt_tls *mqtt_tls_new(
    struct iotify_call *call, const char *ca, bool verify, const char *alpn);
void mqtt_tls_free(struct mqtt_tls *tls);
SSL_CTX *mqtt_tls_context(struct mqtt_tls *tls);

/*
 * Whose handshake the next SSL object begins. The library that makes the object starts it at
 * once, so this is set before and cleared after.
 */
void mqtt_tls_begin(struct mqtt_tls *tls, struct mqtt_identity *identity);

/* After the handshake, and again when the session is ready: give back what only it needed. */
void mqtt_tls_settle(SSL *ssl, struct mqtt_identity *identity);

#endif
