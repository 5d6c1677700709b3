/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/row.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "sandbox/request.h"

json_t *row_first(json_t *rows)
{
    json_t *row = json_incref(json_array_get(rows, 0));

    json_decref(rows);
    return row;
}

bool row_exists(const struct request *request, const char *sql, const char *const *arguments)
{
    json_t *rows = state_select(request->state, sql, arguments);
    bool found = json_array_size(rows) > 0;

    json_decref(rows);
    return found;
}

const char *row_text(const json_t *row, const char *column)
{
    const char *text = json_string_value(json_object_get(row, column));

    return text ? text : "";
}

json_int_t row_integer(const json_t *row, const char *column)
{
    return json_integer_value(json_object_get(row, column));
}

json_t *row_json(const json_t *row, const char *column)
{
    json_t *value = json_loads(row_text(row, column), 0, NULL);

    return value ? value : json_object();
}
