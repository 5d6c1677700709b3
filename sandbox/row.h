/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the state, as statements return them. */
#ifndef SANDBOX_ROW_H
#define SANDBOX_ROW_H

#include "sandbox/request.h"

/* The first row, with a reference of its own; NULL when there is none. Frees `rows`. */
json_t *row_first(json_t *rows);
/* Does the statement find a row? */
bool row_exists(const struct request *request, const char *sql, const char *const *arguments);
const char *row_text(const json_t *row, const char *column);
json_int_t row_integer(const json_t *row, const char *column);
/* JSON text of a column as a value; an empty object when it is none. */
json_t *row_json(const json_t *row, const char *column);

#endif
