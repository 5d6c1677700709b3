/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of the step `device`. Read-only after they are bound: any thread. */
#ifndef PLUGINS_AWS_DEVICE_DEVICE_OPTIONS_H
#define PLUGINS_AWS_DEVICE_DEVICE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Who creates the key and the certificate. CSR: a local key, and a certificate from AWS. */
enum issuer { ISSUER_LOCAL, ISSUER_AWS, ISSUER_CSR };

/* thing, key and cert may contain expressions. */
struct device_options {
    const char *thing, *key, *cert, *type, *group, *policy;
    int issuer; /* enum issuer */
    int64_t valid_years;
    bool adopt, register_thing, exclusive;
};

#endif
