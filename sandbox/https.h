/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing over HTTPS: `POST /topics/TOPIC?qos=1` with the client certificate. The endpoint does
 * TLS; a plain HTTP server takes over the bytes.
 */
#ifndef SANDBOX_HTTPS_H
#define SANDBOX_HTTPS_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "sandbox/authorization.h"
#include "sandbox/publisher.h"

struct https;
struct https_client;

/* NULL after a message on stderr. */
struct https *https_open(struct authorization *authorization, struct publisher *publisher);
void https_close(struct https *https);

/*
 * A client with this certificate begins to talk: the descriptor of the connection's other end, a
 * socket. -1 when there is none to be had. Free the client when both ends are closed.
 */
int https_accept(struct https *https, const X509 *certificate, const char *id,
    const char *source_ip, struct https_client **client);
/* No request of the client is answered any more. */
void https_leave(struct https *https, struct https_client *client);

#endif
