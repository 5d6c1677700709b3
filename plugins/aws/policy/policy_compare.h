/* SPDX-License-Identifier: Apache-2.0 */
/* Compares policy documents by what they allow and deny, not by how they are written. */
#ifndef PLUGINS_AWS_POLICY_POLICY_COMPARE_H
#define PLUGINS_AWS_POLICY_POLICY_COMPARE_H

#include <stdbool.h>

/*
 * True when two documents (JSON) state the same. The order of members, statements, actions,
 * resources and values does not matter, neither do repetitions; a single value is a list of one; a
 * number or boolean is its text. False when one of them is NULL or not valid JSON, or without
 * memory. Pure, any thread.
 */
bool policy_same(const char *one, const char *other);

#endif
