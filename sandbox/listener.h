/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane's endpoint: TLS with client certificates, MQTT before the broker and HTTPS before
 * the publisher. A connection is taken when it names a server (SNI) and shows a certificate;
 * what it may do is the session's to decide. Runs on the caller's libuv loop; listener_wake() is
 * safe on any thread.
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
    const char *address;            /* to listen on: "127.0.0.1" */
    uint16_t mqtt_port, https_port; /* 0: choose one */
    const char *broker;             /* path of its socket */
};

/* NULL after a message on stderr. What is given must outlive the front. */
struct listeners *listener_open(uv_loop_t *loop, const struct listener_options *options,
    const struct session_world *world, const struct ca *ca, struct https *https);
uint16_t listener_mqtt_port(const struct listeners *listeners);
uint16_t listener_https_port(const struct listeners *listeners);
/* How many clients are connected by MQTT. */
size_t listener_sessions(const struct listeners *listeners);
/* Certificates were changed: look again at the sessions that use them. Any thread. */
void listener_wake(struct listeners *listeners);
/* Close listeners and connections; the loop has to run once more before it is freed. */
void listener_close(struct listeners *listeners);
void listener_free(struct listeners *listeners);

#endif
