/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ARNs, identifiers and times in the formats of AWS. Returned texts are freed by the caller. Any
 * thread.
 */
#ifndef SANDBOX_IDENTITY_H
#define SANDBOX_IDENTITY_H

#include "sandbox/request.h"

/* `arn:aws:iot:region:account:kind/name` */
char *identity_arn(const struct request *request, const char *kind, const char *name);
/* A random UUID, such as the id of a thing. */
char *identity_random(void);
/* Milliseconds since 1970, as a number and as a text. */
int64_t identity_now_ms(void);
char *identity_now_text(void);
char *identity_number_text(int64_t number);
/* The time in a column as AWS writes it in JSON: seconds with a fraction. A new reference. */
json_t *identity_time_json(const json_t *row, const char *column);

#endif
