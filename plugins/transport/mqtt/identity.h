/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS identity of a session: its certificate and key. They are parsed once and kept as DER,
 * which takes far less memory than OpenSSL's objects; those exist only during a handshake. Used on
 * the thread of the session's loop.
 */
#ifndef PLUGINS_TRANSPORT_MQTT_IDENTITY_H
#define PLUGINS_TRANSPORT_MQTT_IDENTITY_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include <iotify/host.h>

struct mqtt_tls;

/* The input of a session's handshakes, and the result of the last one. */
struct mqtt_identity {
    struct mqtt_tls *tls;
    const char *server_name; /* sent as SNI and compared with the server's certificate */
    unsigned char *der;      /* certificate, chain and key, concatenated; NULL: none */
    uint32_t certificates_size, key_size;
    bool key_is_ec; /* the key is an ECPrivateKey; otherwise in the encoding of its PEM block */
    bool handshaken, resumed;
    X509 *certificate; /* this and the next two: decoded; NULL between handshakes */
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    SSL_SESSION *session;   /* of the last connection, for an abbreviated handshake */
    int64_t started, ended; /* of the handshake, CLOCK_MONOTONIC in nanoseconds; 0: not yet */
    char *failure;          /* cause of a failed handshake; NULL: unknown */
};

/*
 * Create an identity from PEM texts, both of them or none, and check that the key belongs to the
 * certificate. `server_name` must outlive it. NULL on an error, which is set in `call`.
 */
struct mqtt_identity *mqtt_identity_new(
    struct iotify_call *call, const char *certificate, const char *key, const char *server_name);
void mqtt_identity_free(struct mqtt_identity *identity);

bool mqtt_identity_has_certificate(const struct mqtt_identity *identity);
/* Decode certificate, chain and key, unless they are decoded. False when decoding fails. */
bool mqtt_identity_decode(struct mqtt_identity *identity);
/* Free the decoded objects. */
void mqtt_identity_rest(struct mqtt_identity *identity);
/* Before a new connection: reset the result of the last handshake. */
void mqtt_identity_begin(struct mqtt_identity *identity);
/* Set `failure` to `text` followed by `detail`, unless it is set. */
void mqtt_identity_blame(struct mqtt_identity *identity, const char *text, const char *detail);
/* Free the TLS session: the next handshake is a full one. */
void mqtt_identity_forget_session(struct mqtt_identity *identity);

#endif
