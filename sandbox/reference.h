/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of the API as a table of Markdown, from the table that runs them. */
#ifndef SANDBOX_REFERENCE_H
#define SANDBOX_REFERENCE_H

#include <stdio.h>

void reference_print(FILE *stream);

#endif
