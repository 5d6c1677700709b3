/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a connection share: connection.c, connection_io.c and connection_tls.c. */
#ifndef SANDBOX_CONNECTION_INTERNAL_H
#define SANDBOX_CONNECTION_INTERNAL_H

#include "sandbox/connection.h"

#define CHUNK CONNECTION_CHUNK
/* What waits to be written on one side before the other is not read any more. */
#define WAITING_MAX (256 * 1024)
#define WAITING_CEILING (4 * 1024 * 1024)
/* From the connection to a session that the broker has. */
#define DEADLINE_MS 30000
/* The broker takes a hundred connections at a time. */
#define RETRY_MS 3
#define LINGER_MS 2000
/* How long a stalled connection is kept. */
#define STALL_MS 300000
/* After so many reads of one connection the others have their turn. */
#define READS_A_TURN 4

/* What was read from one side and not written to the other yet. */
struct connection_flow {
    struct iotify_buffer waiting;
    size_t written;
    struct iotify_buffer partial; /* a packet that has not come whole */
};

struct connection {
    struct connections *common;
    enum connection_protocol protocol;
    SSL *ssl;
    int client, peer; /* descriptors; peer, the broker or HTTP server, is -1 until it is needed */
    uv_poll_t client_poll, peer_poll;
    uv_timer_t deadline, again; /* until its end; until the next try or turn */
    int open_handles;
    bool secured, closing, stalled, client_wants_write, peer_watched;
    bool ending;       /* nothing is read any more; what waits is still written */
    bool client_ended; /* HTTPS: it asks for nothing more, and waits for its answer */
    bool client_gone, client_parted, peer_deaf, peer_parted, peer_gone, lingers;
    char id[65]; /* of the certificate */
    struct session *session;
    struct https_client *https;
    struct connection_flow up, down; /* to the peer, to the client */
    struct connection *next, **link;
};

/* ------------------------------------------------------------------ connection.c */

/* It ends now. */
void connection_close(struct connection *connection);
/* It ends, and the client sees a reset. */
void connection_reset(struct connection *connection);
void connection_on_deadline(uv_timer_t *timer);
/* Do everything that can be done now. */
void connection_work(struct connection *connection);

/* ------------------------------------------------------------------ connection_io.c */

/* Bytes that wait to be written. */
size_t connection_waiting(const struct connection_flow *flow);
/* Of an SSL call: 1: something moved, 0: not now, -1: the connection is over. */
int connection_tls_result(struct connection *connection, int result);
/* Write what waits. False when the connection is over. */
bool connection_write_client(struct connection *connection);
bool connection_write_peer(struct connection *connection);
/* Do what the session decided about a packet. False when the connection ends. */
bool connection_act_on(struct connection *connection, enum session_next next);
/* Bytes of one side: whole packets are handled at once, the rest is kept. */
bool connection_take_bytes(
    struct connection *connection, const uint8_t *data, size_t size, bool from_client);

/* ------------------------------------------------------------------ connection_tls.c */

/* Continue the TLS handshake. */
void connection_handshake(struct connection *connection);
/* The client's descriptor is ready. */
void connection_on_client(uv_poll_t *poll, int status, int events);

#endif
