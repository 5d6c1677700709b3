/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by connection.c, connection_io.c and connection_tls.c. On the listener's thread. */
#ifndef SANDBOX_CONNECTION_INTERNAL_H
#define SANDBOX_CONNECTION_INTERNAL_H

#include "sandbox/connection.h"

#define CHUNK CONNECTION_CHUNK
/* Unwritten bytes for one side at which the other side is no longer read. */
#define WAITING_MAX (256 * 1024)
/* Unwritten bytes at which the connection is closed. */
#define WAITING_CEILING (4 * 1024 * 1024)
/* Time for the TLS handshake and, with MQTT, until the broker is connected. */
#define DEADLINE_MS 30000
/* Pause before the next try when the broker's backlog of 100 connections is full. */
#define RETRY_MS 3
/* How long a connection that ends may still deliver bytes. */
#define LINGER_MS 2000
/* How long a stalled connection is kept. */
#define STALL_MS 300000
/* Reads of one connection before the loop serves the others. */
#define READS_PER_TURN 4

/* One direction: bytes read from one side and not yet written to the other. */
struct connection_flow {
    struct iotify_buffer waiting;
    size_t written;               /* of `waiting` */
    struct iotify_buffer partial; /* the start of an incomplete packet */
};

struct connection {
    struct connections *common;
    enum connection_protocol protocol;
    SSL *ssl;
    int client, peer; /* descriptors; peer is the broker or HTTP server, -1 until it is needed */
    uv_poll_t client_poll, peer_poll;
    uv_timer_t deadline, again; /* closes the connection; starts the next try or turn */
    int open_handles;
    bool secured, closing, stalled, client_wants_write, peer_watched;
    bool ending;       /* nothing more is read; waiting bytes are still written */
    bool client_ended; /* HTTPS: the client sends no more requests and waits for the answer */
    /* parted: the end was sent to that side; gone: that side ended; deaf: it takes no bytes. */
    bool client_gone, client_parted, peer_deaf, peer_parted, peer_gone, lingers;
    char id[65]; /* of the certificate */
    struct session *session;
    struct https_client *https;
    struct connection_flow up, down; /* to the peer, to the client */
    struct connection *next, **link;
};

/* ------------------------------------------------------------------ connection.c */

/* Close the connection now; the loop frees it later. */
void connection_close(struct connection *connection);
/* Close it now with a TCP reset to the client. */
void connection_reset(struct connection *connection);
void connection_on_deadline(uv_timer_t *timer);
/* Read and write as far as possible without blocking, then set the events to poll for. */
void connection_work(struct connection *connection);

/* ------------------------------------------------------------------ connection_io.c */

/* Number of bytes not yet written. */
size_t connection_waiting(const struct connection_flow *flow);
/* The result of an SSL call: 1: success, 0: try again later, -1: the connection is over. */
int connection_tls_result(struct connection *connection, int result);
/* Write waiting bytes. False when the connection is over; for the peer always true. */
bool connection_write_client(struct connection *connection);
bool connection_write_peer(struct connection *connection);
/* Carry out what the session decided. False: close the connection now, if it is still open. */
bool connection_act_on(struct connection *connection, enum session_next next);
/* Process bytes from one side: complete packets now, the rest is kept. False as above. */
bool connection_take_bytes(
    struct connection *connection, const uint8_t *data, size_t size, bool from_client);

/* ------------------------------------------------------------------ connection_tls.c */

/* Continue the TLS handshake. */
void connection_handshake(struct connection *connection);
/* libuv callback: the client's descriptor is ready. */
void connection_on_client(uv_poll_t *poll, int status, int events);

#endif
