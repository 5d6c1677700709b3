/*
 * The control plane: AWS IoT's REST API over HTTP on loopback. One table of operations routes;
 * requests are signed with SigV4 and verified. Runs on a thread of its own.
 */
#ifndef SANDBOX_API_H
#define SANDBOX_API_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/authority.h"
#include "sandbox/state.h"

struct api;

struct api_options {
    uint16_t port;      /* 0: choose one */
    uint16_t mqtt_port; /* what DescribeEndpoint answers */
    const char *access_key, *secret_key;
    int64_t deprecation_wait; /* seconds from DeprecateThingType to DeleteThingType */
};

/* NULL after a message on stderr. `options` must outlive the API. */
struct api *api_open(
    const struct api_options *options, struct state *state, struct authority *authority);
void api_close(struct api *api);
uint16_t api_port(const struct api *api);

#endif
