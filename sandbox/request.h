/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to the API: what the client sent, and what the handlers use of the sandbox. Read-
 * only for handlers, on the thread of the request.
 */
#ifndef SANDBOX_REQUEST_H
#define SANDBOX_REQUEST_H

#include <jansson.h>
#include <stdbool.h>

#include "sandbox/ca.h"
#include "sandbox/state.h"

/* The id of the emulated AWS account. */
#define ACCOUNT "123456789012"

struct operation;
struct request_service;

struct request {
    const struct operation *operation;
    const char *region;
    const char *payload; /* the body as received */
    size_t payload_size;
    json_t *input;       /* all parameters by name, validated */
    struct state *state; /* in a transaction, which an error response rolls back */
    struct ca *ca;
    const struct request_service *service;
};

/* What the handlers use of the sandbox. */
struct request_service {
    uint16_t mqtt_port, https_port;
    int64_t deprecation_wait_ms, detach_wait_ms;
    /* The quota of an operation in calls per second; 0: no limit. */
    double (*quota)(void *argument, const char *operation);
    /* Publish a message; see publisher_publish(). */
    bool (*publish)(
        void *argument, const char *topic, const char *payload, size_t size, int qos, bool retain);
    void *argument;
};

/* Parameters by name; "", 0 or false when absent. The text belongs to the request. */
const char *request_text(const struct request *request, const char *name);
json_int_t request_number(const struct request *request, const char *name);
bool request_flag(const struct request *request, const char *name);
bool request_given(const struct request *request, const char *name);

#endif
