/* SPDX-License-Identifier: Apache-2.0 */
/* Access to rows, as state_select() returns them. On the thread of the request. */
#ifndef SANDBOX_ROW_H
#define SANDBOX_ROW_H

#include "sandbox/request.h"

/* The first row, a new reference; NULL when there is none. Releases `rows`. */
json_t *row_first(json_t *rows);
/* Does the statement return a row? */
bool row_exists(const struct request *request, const char *sql, const char *const *arguments);
/* A column; "" or 0 when it is NULL or absent. The text belongs to the row. */
const char *row_text(const json_t *row, const char *column);
json_int_t row_integer(const json_t *row, const char *column);
/* The JSON text of a column as a new value; an empty object when it is not valid JSON. */
json_t *row_json(const json_t *row, const char *column);

#endif
