/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS credentials by the SDKs' usual chain: environment, shared files, container endpoint,
 * instance endpoint. Kept until five minutes before they expire. Safe on any thread; one
 * refresh at a time.
 */
#ifndef PLUGINS_SHARED_AWS_CREDENTIALS_H
#define PLUGINS_SHARED_AWS_CREDENTIALS_H

#include <iotify/host.h>

#include "plugins/shared/aws/http.h"

struct credentials {
    char access_key[160];
    char secret_key[256];
    char token[16384];  /* "" when there is none */
    int64_t expires;    /* seconds since 1970; 0: never */
    const char *source; /* "the environment", "the profile x", … */
};

struct credential_chain;

/* `profile` as in the job file, NULL when not set. NULL when memory is out. */
struct credential_chain *credentials_new(const char *profile, struct http *http);
void credentials_free(struct credential_chain *chain);

/*
 * The present credentials. IOTIFY_DENIED after a failure that says where was looked and what to
 * do. `stale`: those of this access key were refused as expired, get others.
 */
enum iotify_result credentials_get(struct credential_chain *chain, struct iotify_call *call,
    const char *stale, struct credentials *out);

#endif
