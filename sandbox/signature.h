/* SPDX-License-Identifier: Apache-2.0 */
/* Is a request signed with the sandbox's key pair? */
#ifndef SANDBOX_SIGNATURE_H
#define SANDBOX_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>

/* What the verification needs of a request. */
struct signature_request {
    const char *method, *path, *query; /* as they came over the wire */
    const void *body;
    size_t body_size;
    /* A header's value, NULL when absent. */
    const char *(*header)(void *context, const char *name);
    void *context;
};

/* Whose signatures are good. */
struct signature_keys {
    const char *access_key, *secret_key;
    const char *token; /* that has to come with them; NULL: any, and none for long-lived keys */
};

struct signature_verdict {
    const char *error; /* AWS's code; NULL: the signature is good */
    char message[320];
    char region[64]; /* of the credential scope */
    char service[32];
};

void signature_verify(const struct signature_request *request, const struct signature_keys *keys,
    struct signature_verdict *verdict);

#endif
