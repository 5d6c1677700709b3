/*
 * The MQTT endpoint: TLS with client certificates in front of the broker. A connection is let
 * through when it names a server (SNI) and shows a certificate that is registered and ACTIVE.
 * Runs on the caller's libuv loop.
 */
#ifndef SANDBOX_FRONT_H
#define SANDBOX_FRONT_H

#include <stdint.h>
#include <uv.h>

#include "sandbox/authority.h"
#include "sandbox/state.h"

struct front;

/* NULL after a message on stderr. `port` 0 chooses one. `broker` is the socket's path. */
struct front *front_open(uv_loop_t *loop, uint16_t port, struct state *state,
    const struct authority *authority, const char *broker);
uint16_t front_port(const struct front *front);
/* Close the listener and all connections; the loop has to run once more before it is closed. */
void front_close(struct front *front);
void front_free(struct front *front);

#endif
