/* SPDX-License-Identifier: Apache-2.0 */
/* Verifies the Signature Version 4 of a request against the sandbox's key pair. Any thread. */
#ifndef SANDBOX_SIGNATURE_H
#define SANDBOX_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>

/* The parts of a request that are signed. */
struct signature_request {
    const char *method, *path, *query; /* as received */
    const void *body;
    size_t body_size;
    /* A header's value, NULL when absent. */
    const char *(*header)(void *context, const char *name);
    void *context;
};

/* The credentials that requests must be signed with. */
struct signature_keys {
    const char *access_key, *secret_key;
    const char *token; /* session token; NULL: any is accepted, and only an ASIA key needs one */
};

struct signature_verdict {
    const char *error; /* AWS error code; NULL: the signature is valid */
    char message[320];
    char region[64]; /* of the credential scope; "" if it cannot be parsed */
    char service[32];
};

/* Sets `verdict` in any case. The time of the request may differ from the clock by 5 minutes. */
void signature_verify(const struct signature_request *request, const struct signature_keys *keys,
    struct signature_verdict *verdict);

#endif
