/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often an operation may be called: a token bucket for each that has a quota. Without one it
 * is let through always. Safe on any thread.
 */
#ifndef SANDBOX_QUOTA_H
#define SANDBOX_QUOTA_H

#include <stdbool.h>
#include <stddef.h>

struct quotas;

/* Two quotas that are no operations: of all connects together, and of each client id. */
#define QUOTA_CONNECT "Connect"
#define QUOTA_CONNECT_CLIENT "ConnectPerClientId"

struct quotas *quotas_new(void);
void quotas_free(struct quotas *quotas);

/*
 * Take a list of "NAME=RATE" in: calls a second of an operation, of all (`*`), or `aws` for AWS's
 * default of every operation; a rate of 0 takes the quota away. False: `why` says what is wrong,
 * and nothing is changed.
 */
bool quotas_set(struct quotas *quotas, const char *text, char *why, size_t size);
/* The calls a second of an operation; 0: any number. */
double quotas_rate(struct quotas *quotas, const char *operation);
/* One call more: false when it is one too many. */
bool quotas_take(struct quotas *quotas, const char *operation);
/* The same where each `who` has a bucket of its own. */
bool quotas_take_for(struct quotas *quotas, const char *operation, const char *who);

#endif
