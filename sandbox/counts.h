/* SPDX-License-Identifier: Apache-2.0 */
/* Counts the calls of each operation by their result. Safe on any thread. */
#ifndef SANDBOX_COUNTS_H
#define SANDBOX_COUNTS_H

#include <jansson.h>

struct counts;

struct counts *counts_new(void);
void counts_free(struct counts *counts);
/* `result`: "OK", the code of an error, or the name of a fault. */
void counts_add(struct counts *counts, const char *operation, const char *result);
/* {"CreateThing": {"OK": 3, "ThrottlingException": 1}, …}; owned by the caller. */
json_t *counts_json(struct counts *counts);
void counts_reset(struct counts *counts);

#endif
