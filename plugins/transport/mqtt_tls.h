/* TLS of the MQTT transport: one SSL_CTX for all sessions with the same root certificates. */
#ifndef PLUGINS_TRANSPORT_MQTT_TLS_H
#define PLUGINS_TRANSPORT_MQTT_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include <iotify/host.h>

/* What one session brings to a handshake, and what it learned from it. */
struct mqtt_identity {
    X509 *certificate; /* NULL: the client shows none */
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    char *server_name; /* sent as SNI and compared with the server's certificate */
    bool handshaken;
    int64_t started, ended; /* of the handshake, CLOCK_MONOTONIC in nanoseconds; 0: not yet */
    char failure[200];      /* why the handshake failed; "" when unknown */
};

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

/* Parse PEM texts into the identity. IOTIFY_INVALID after a failure in `call`. */
enum iotify_result mqtt_identity_load(struct mqtt_identity *identity, struct iotify_call *call,
    const char *certificate, const char *key, const char *server_name);
void mqtt_identity_clear(struct mqtt_identity *identity);

#endif
