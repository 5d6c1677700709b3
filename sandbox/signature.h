/* Is a request signed with the sandbox's key pair? */
#ifndef SANDBOX_SIGNATURE_H
#define SANDBOX_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>

/* What the verification needs of a request. */
struct signed_request {
    const char *method, *path, *query; /* as they came over the wire */
    const void *body;
    size_t body_size;
    /* A header's value, NULL when absent. */
    const char *(*header)(void *context, const char *name);
    void *context;
};

struct signature_verdict {
    const char *error;   /* AWS's code; NULL: the signature is good */
    const char *message; /* a constant */
    char region[64];     /* of the credential scope */
    char service[32];
};

void signature_verify(const struct signed_request *request, const char *access_key,
    const char *secret_key, struct signature_verdict *verdict);

#endif
