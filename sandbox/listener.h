/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane's endpoint: TLS with client certificates, MQTT before the broker and HTTPS before
 * the publisher. A connection is taken when it names a server (SNI) and shows a certificate;
 * what it may do is the session's to decide. Runs on the caller's libuv loop; front_wake() is
 * safe on any thread.
 */
#ifndef SANDBOX_LISTENER_H
#define SANDBOX_LISTENER_H

#include <stdint.h>
#include <uv.h>

#include "sandbox/ca.h"
#include "sandbox/https.h"
#include "sandbox/session.h"

struct front;

struct front_options {
    const char *address;            /* to listen on: "127.0.0.1" */
    uint16_t mqtt_port, https_port; /* 0: choose one */
    const char *broker;             /* path of its socket */
};

/* NULL after a message on stderr. What is given must outlive the front. */
struct front *front_open(uv_loop_t *loop, const struct front_options *options,
    const struct session_world *world, const struct authority *authority, struct https *https);
uint16_t front_mqtt_port(const struct front *front);
uint16_t front_https_port(const struct front *front);
/* How many clients are connected by MQTT. */
size_t front_sessions(const struct front *front);
/* Certificates were changed: look again at the sessions that use them. Any thread. */
void front_wake(struct front *front);
/* Close listeners and connections; the loop has to run once more before it is freed. */
void front_close(struct front *front);
void front_free(struct front *front);

#endif
