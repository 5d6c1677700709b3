/* SPDX-License-Identifier: Apache-2.0 */
/* ARNs, identifiers and moments as AWS writes them. */
#ifndef SANDBOX_IDENTITY_H
#define SANDBOX_IDENTITY_H

#include "sandbox/request.h"

/* `arn:aws:iot:region:account:kind/name`, to be freed. */
char *identity_arn(const struct request *request, const char *kind, const char *name);
/* A random identifier such as a thing's, to be freed. */
char *identity_random(void);
/* Milliseconds since 1970, and the same as a string, to be freed. */
int64_t identity_now_ms(void);
char *identity_now_text(void);
char *identity_number_text(int64_t number);
/* A time of a row as AWS writes it in JSON: seconds with a fraction. */
json_t *identity_time_json(const json_t *row, const char *column);

#endif
