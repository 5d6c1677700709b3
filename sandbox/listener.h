/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listeners of the data plane: TLS with client certificates, for MQTT and for publishing over
 * HTTPS. A client must send the server name (SNI) and a certificate; the session decides what it
 * may do. Runs on the caller's libuv loop. listener_wake() and listener_sessions() may be called
 * on any thread, the other functions on that of the loop.
 */
#ifndef SANDBOX_LISTENER_H
#define SANDBOX_LISTENER_H

#include <stdint.h>
#include <uv.h>

#include "sandbox/ca.h"
#include "sandbox/https.h"
#include "sandbox/session.h"

struct listeners;

struct listener_options {
    const char *address;            /* to listen on, such as "127.0.0.1" */
    uint16_t mqtt_port, https_port; /* 0: any free port */
    const char *broker;             /* path of its socket */
};

/* NULL after a message on stderr. `loop`, `world` and `https` must outlive the listeners. */
struct listeners *listener_open(uv_loop_t *loop, const struct listener_options *options,
    const struct session_world *world, const struct ca *ca, struct https *https);
uint16_t listener_mqtt_port(const struct listeners *listeners);
uint16_t listener_https_port(const struct listeners *listeners);
/* Number of clients connected over MQTT. */
size_t listener_sessions(const struct listeners *listeners);
/* Certificates have changed: have the loop check their sessions again. */
void listener_wake(struct listeners *listeners);
/* Stop accepting and close all connections; run the loop again before listener_free(). */
void listener_close(struct listeners *listeners);
void listener_free(struct listeners *listeners);

#endif
