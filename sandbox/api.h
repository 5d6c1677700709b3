/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control plane: AWS IoT's REST API, STS and Service Quotas over HTTP. One table of operations
 * routes; requests are signed with SigV4 and verified. Runs on a thread of its own.
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
    const char *address; /* to listen on */
    uint16_t port;       /* 0: choose one */
    const char *access_key, *secret_key;
    const char *token; /* that has to come with the key; NULL: any or none */
    struct request_service service;
    struct admin admin;
    struct state *state;
    struct ca *ca;
    struct authorization *authorization;
    struct faults *faults;
    struct quotas *quotas;
    struct counts *counts;
};

/* NULL after a message on stderr. `options` must outlive the API. */
struct api *api_open(const struct api_options *options);
void api_close(struct api *api);
uint16_t api_port(const struct api *api);

#endif
