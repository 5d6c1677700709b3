/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/request.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

const char *request_text(const struct request *request, const char *name)
{
    const char *text = json_string_value(json_object_get(request->input, name));

    return text ? text : "";
}

json_int_t request_number(const struct request *request, const char *name)
{
    return json_integer_value(json_object_get(request->input, name));
}

bool request_flag(const struct request *request, const char *name)
{
    return json_is_true(json_object_get(request->input, name));
}

bool request_given(const struct request *request, const char *name)
{
    return json_object_get(request->input, name) != NULL;
}
