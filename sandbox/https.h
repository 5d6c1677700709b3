/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing over HTTPS: `POST /topics/TOPIC?qos=1` with a client certificate. The listeners
 * terminate TLS and relay the bytes to a plain HTTP server, which has its own thread.
 */
#ifndef SANDBOX_HTTPS_H
#define SANDBOX_HTTPS_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "sandbox/authorization.h"
#include "sandbox/publisher.h"

struct https;
struct https_client;

/* Start the server; both arguments must outlive it. NULL after a message on stderr. */
struct https *https_open(struct authorization *authorization, struct publisher *publisher);
void https_close(struct https *https);

/*
 * Connect the holder of a certificate to the server. Returns a non-blocking socket, which the
 * caller closes, or -1. `*client` must be freed with https_leave() when the connection ends.
 */
int https_accept(struct https *https, const X509 *certificate, const char *id,
    const char *source_ip, struct https_client **client);
/* Remove and free the client; its pending requests are answered with 403. */
void https_leave(struct https *https, struct https_client *client);

#endif
