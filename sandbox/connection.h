/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of a client to the data plane, from its TLS handshake to its end: bytes between
 * the client and what stands behind the endpoint, the broker or the HTTP server. Runs on one libuv
 * loop; all functions belong to its thread.
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

/* What all connections share. */
struct connections {
    uv_loop_t *loop;
    SSL_CTX *context;
    const struct session_world *world;
    struct https *https;
    char broker[108]; /* path of its socket */
    struct connection *first;
    atomic_size_t sessions; /* that the broker has */
    uint8_t chunk[CONNECTION_CHUNK];
};

/* A client has come; the descriptor is taken over, whatever becomes of it. */
void connections_take(
    struct connections *connections, int descriptor, enum connection_protocol protocol);
/* A certificate was changed: may its sessions go on? */
void connections_look_again(struct connections *connections, const char *certificate);
/* Close all; the loop has to run once more before they are gone. */
void connections_close(struct connections *connections);

#endif
