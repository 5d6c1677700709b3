/* SPDX-License-Identifier: Apache-2.0 */
/* One call of the API: what the client sent, and what handlers know of the sandbox. */
#ifndef SANDBOX_REQUEST_H
#define SANDBOX_REQUEST_H

#include <jansson.h>
#include <stdbool.h>

#include "sandbox/ca.h"
#include "sandbox/state.h"

/* The account that the sandbox plays. */
#define ACCOUNT "123456789012"

struct operation;
struct request_service;

struct request {
    const struct operation *operation;
    const char *region;
    const char *payload; /* the body as it came */
    size_t payload_size;
    json_t *input; /* every parameter by its name, wherever it came from; valid by the table */
    struct state *state; /* inside a transaction; kept when the answer is no error */
    struct ca *ca;
    const struct request_service *service;
};

/* What the handlers need to know of the sandbox. */
struct request_service {
    uint16_t mqtt_port, https_port;
    int64_t deprecation_wait_ms, detach_wait_ms;
    /* The calls a second of an operation that are let through; 0: any number. */
    double (*quota)(void *argument, const char *operation);
    /* Publish on behalf of a caller that signed; false when the broker does not take it. */
    bool (*publish)(
        void *argument, const char *topic, const char *payload, size_t size, int qos, bool retain);
    void *argument;
};

/* Parameters by name: "" , 0 or false when absent. */
const char *request_text(const struct request *request, const char *name);
json_int_t request_number(const struct request *request, const char *name);
bool request_flag(const struct request *request, const char *name);
bool request_given(const struct request *request, const char *name);

#endif
