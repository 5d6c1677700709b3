/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the operations of the API as a Markdown table, from the tables in operation.h. One
 * thread.
 */
#ifndef SANDBOX_REFERENCE_H
#define SANDBOX_REFERENCE_H

#include <stdio.h>

void reference_print(FILE *stream);

#endif
