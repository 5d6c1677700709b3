/* SPDX-License-Identifier: Apache-2.0 */
/* The environment of a command that the sandbox runs. Main thread. */
#ifndef SANDBOX_ENVIRONMENT_H
#define SANDBOX_ENVIRONMENT_H

#include <stdbool.h>

struct environment {
    int api_port, mqtt_port, https_port;
    const char *folder; /* with ca.pem */
    const char *access_key, *secret_key;
    bool own_keys; /* the sandbox has generated the key pair */
};

/*
 * Change the environment of this process, which the command inherits: AWS SDKs and iotifyd then use
 * the sandbox with its key pair, region and root certificate, and nothing else.
 */
void environment_set(const struct environment *environment);

#endif
