/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client connections of the data plane, from the TLS handshake to the end. Each relays bytes
 * between a client and its peer: the MQTT broker or the HTTP server. All functions must be called
 * on the thread of the libuv loop.
 */
#ifndef SANDBOX_CONNECTION_H
#define SANDBOX_CONNECTION_H

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <uv.h>

#include "sandbox/https.h"
#include "sandbox/session.h"

#define CONNECTION_CHUNK (64 * 1024)

enum connection_protocol { MQTT, HTTPS };

struct connection;

/* Shared by all connections. */
struct connections {
    uv_loop_t *loop;
    SSL_CTX *context;
    const struct session_world *world;
    struct https *https;
    char broker[108]; /* path of its socket */
    struct connection *first;
    atomic_size_t sessions; /* accepted CONNECTs of open connections */
    uint8_t chunk[CONNECTION_CHUNK];
};

/* Start a connection on an accepted socket. Takes ownership of `descriptor`, also on an error. */
void connections_take(
    struct connections *connections, int descriptor, enum connection_protocol protocol);
/* A certificate has changed: end its sessions unless it is still active. */
void connections_recheck(struct connections *connections, const char *certificate);
/* Close all connections; they are freed when the loop runs again. */
void connections_close(struct connections *connections);

#endif
