/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS credentials from the usual chain of the SDKs: environment, shared files, container endpoint,
 * instance endpoint. They are cached until five minutes before they expire. All functions may be
 * called on any thread; only one thread refreshes at a time.
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
    const char *source; /* "the environment", "the shared credentials file", …; static text */
};

struct credentials_chain;

/*
 * `profile` is the one that the job names, or NULL; it and `http` must outlive the chain. A profile
 * of the job takes precedence over the environment. Returns NULL without memory.
 */
struct credentials_chain *credentials_new(const char *profile, struct http *http);
void credentials_free(struct credentials_chain *chain);

/*
 * Copy the current credentials to `out`. May block for the endpoints. IOTIFY_RESULT_DENIED with a
 * message that names the places searched and what to do. `stale` (or NULL): an access key that the
 * service refused as expired; credentials with this key are not returned.
 */
enum iotify_result credentials_get(struct credentials_chain *chain, struct iotify_call *call,
    const char *stale, struct credentials *out);

#endif
