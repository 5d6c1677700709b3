/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A relay between the sessions of a test and their server, on a thread of its own, which makes the
 * faults of networks: it knows no protocol. Its functions are called on the test's thread.
 */
#ifndef CONFORMANCE_RELAY_H
#define CONFORMANCE_RELAY_H

#include <stdbool.h>
#include <stdint.h>

/* What becomes of connections. */
enum relay_mode {
    RELAY_PASS,    /* bytes are passed on, both ways */
    RELAY_SILENT,  /* connections are accepted, and nothing is read or written */
    RELAY_CLOSE,   /* connections are closed as soon as they are accepted */
    RELAY_RESET,   /* the same, with a reset */
    RELAY_GARBAGE, /* bytes come that are no protocol */
    RELAY_STALL    /* nothing more is read from the sessions; what the server sends is passed on */
};

struct relay;

/* Start a relay to a server by its host and port; NULL without a free port or thread. */
struct relay *relay_start(const char *host, uint16_t port);
void relay_stop(struct relay *relay);
/* The port of 127.0.0.1 that sessions connect to. */
uint16_t relay_port(const struct relay *relay);
/* From now on, also for the connections that there are. */
void relay_set_mode(struct relay *relay, enum relay_mode mode);
/* End all connections: in good order, or with a reset; the server sees the same. */
void relay_cut(struct relay *relay, bool reset);
/* End the direction to the sessions only: they read the end of the stream. */
void relay_half_close(struct relay *relay);

#endif
