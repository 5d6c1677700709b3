/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control plane: the APIs of AWS IoT, STS and Service Quotas over HTTP. Requests are routed by
 * the tables in operation.h and must be signed with SigV4. The server has its own threads.
 */
#ifndef SANDBOX_API_H
#define SANDBOX_API_H

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/admin.h"
#include "sandbox/authorization.h"
#include "sandbox/ca.h"
#include "sandbox/operation.h"
#include "sandbox/state.h"

struct api;

struct api_options {
    const char *address; /* IPv4 address to listen on */
    uint16_t port;       /* 0: any free port */
    const char *access_key, *secret_key;
    const char *token; /* session token that requests must carry; NULL: not checked */
    struct request_service service;
    struct admin admin;
    struct state *state;
    struct ca *ca;
    struct authorization *authorization;
    struct fault_set *faults;
    struct quota_set *quotas;
    struct counts *counts;
};

/* Start the server. NULL after a message on stderr. `options` must outlive the API. */
struct api *api_open(const struct api_options *options);
void api_close(struct api *api);
uint16_t api_port(const struct api *api);

#endif
