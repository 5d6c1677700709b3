/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rate limits: a token bucket for each operation that has a quota; the others are not limited.
 * Safe on any thread.
 */
#ifndef SANDBOX_QUOTA_H
#define SANDBOX_QUOTA_H

#include <stdbool.h>
#include <stddef.h>

struct quota_set;

/* Two quotas without an operation: of all MQTT connects together, and of each client id. */
#define QUOTA_CONNECT "Connect"
#define QUOTA_CONNECT_CLIENT "ConnectPerClientId"

struct quota_set *quotas_new(void);
void quotas_free(struct quota_set *quotas);

/*
 * Apply a list of "NAME=RATE", in calls per second. `*` is every operation with a default at AWS;
 * the item `aws` sets these defaults; a rate of 0 removes the quota. On an error returns false,
 * with the reason in `why` (of `size` bytes), and changes nothing.
 */
bool quotas_set(struct quota_set *quotas, const char *text, char *why, size_t size);
/* The quota of an operation in calls per second; 0: no limit. */
double quotas_rate(struct quota_set *quotas, const char *operation);
/* Count one call; false when it exceeds the quota. */
bool quotas_take(struct quota_set *quotas, const char *operation);
/* The same with a bucket for each `who`. */
bool quotas_take_for(struct quota_set *quotas, const char *operation, const char *who);

#endif
