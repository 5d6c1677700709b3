/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of operations, which operation.c searches. Each is in the file of its kind of resource
 * and ends with an entry without a name. Constant data.
 */
#ifndef SANDBOX_OPERATION_TABLES_H
#define SANDBOX_OPERATION_TABLES_H

#include "sandbox/operation.h"

extern const struct operation type_operations[];
extern const struct operation thing_operations[];
extern const struct operation principal_operations[];
extern const struct operation member_operations[]; /* fixed paths: before those of groups */
extern const struct operation group_operations[];
extern const struct operation policy_operations[];
extern const struct operation target_operations[];
extern const struct operation certificate_operations[];
extern const struct operation tag_operations[];
extern const struct operation endpoint_operations[];
extern const struct operation registration_operations[];
extern const struct operation data_operations[];
extern const struct operation sts_operations[];
extern const struct operation quota_operations[];

#endif
