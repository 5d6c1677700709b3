/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a session is in TLS: its certificate and key. The texts are read once and kept as DER, a
 * tenth of what OpenSSL makes of them; the objects exist only while a handshake may need them.
 */
#ifndef PLUGINS_TRANSPORT_MQTT_IDENTITY_H
#define PLUGINS_TRANSPORT_MQTT_IDENTITY_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include <iotify/host.h>

struct mqtt_tls;

/* What one session brings to a handshake, and what it learned from it. */
struct mqtt_identity {
    struct mqtt_tls *tls;
    const char *server_name; /* sent as SNI and compared with the server's certificate */
    unsigned char *der;      /* certificate, chain, key, one behind the other; NULL: it has none */
    uint32_t certificates_size, key_size;
    bool key_is_ec; /* an ECPrivateKey; otherwise whatever form it had */
    bool handshaken, resumed;
    X509 *certificate; /* the decoded forms; NULL between handshakes */
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    SSL_SESSION *session;   /* of the last connection, for an abbreviated handshake */
    int64_t started, ended; /* of the handshake, CLOCK_MONOTONIC in nanoseconds; 0: not yet */
    char *failure;          /* why the handshake failed; NULL when unknown */
};

/*
 * Read PEM texts (both or none) into a new identity. NULL after a failure in `call`.
 * `server_name` must outlive it.
 */
struct mqtt_identity *mqtt_identity_new(
    struct iotify_call *call, const char *certificate, const char *key, const char *server_name);
void mqtt_identity_free(struct mqtt_identity *identity);

bool mqtt_identity_has_certificate(const struct mqtt_identity *identity);
/* Make the decoded forms, unless they are there. False when that is impossible. */
bool mqtt_identity_decode(struct mqtt_identity *identity);
/* Give the decoded forms back. */
void mqtt_identity_rest(struct mqtt_identity *identity);
/* Before a new connection: forget what the last handshake was like. */
void mqtt_identity_begin(struct mqtt_identity *identity);
/* The first reason of a failure is kept. */
void mqtt_identity_blame(struct mqtt_identity *identity, const char *text, const char *detail);
/* The next handshake is a full one. */
void mqtt_identity_forget_session(struct mqtt_identity *identity);

#endif
