/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/resource.h"

#include <string.h>

#include "sandbox/request.h"
#include "sandbox/response.h"
#include "sandbox/row.h"
#include "sandbox/validate.h"

#define DESCRIPTION_MAX 2028
#define ATTRIBUTE_NAME_MAX 128
#define ATTRIBUTE_VALUE_MAX 800

bool resource_check_description(
    struct response *response, const char *name, const json_t *description)
{
    const char *text = json_string_value(description);

    if (!description || json_is_null(description))
        return true;
    if (text && strlen(text) <= DESCRIPTION_MAX && validate_charset_holds(PRINTABLE, text))
        return true;
    response_invalid(response,
        "1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have "
        "length less than or equal to %d and satisfy regular expression pattern: %s",
        name, DESCRIPTION_MAX, validate_charset_pattern(PRINTABLE));
    return false;
}

bool resource_check_attributes(struct response *response, const json_t *attributes, size_t most)
{
    const char *name;
    json_t *value;

    if (attributes && !json_is_object(attributes)) {
        response_error(response, 400, "SerializationException", "attributes is not an object");
        return false;
    }
    json_object_foreach((json_t *)attributes, name, value)
    {
        const char *text = json_string_value(value);

        if (!text || strlen(name) > ATTRIBUTE_NAME_MAX || strlen(text) > ATTRIBUTE_VALUE_MAX ||
            !validate_charset_holds(ATTRIBUTE_NAME, name) ||
            !validate_charset_holds(ATTRIBUTE_VALUE, text)) {
            response_invalid(response,
                "1 validation error detected: Value at 'attributePayload.attributes' failed to "
                "satisfy constraint: names must satisfy %s with at most %d characters, values %s "
                "with at most %d",
                validate_charset_pattern(ATTRIBUTE_NAME), ATTRIBUTE_NAME_MAX,
                validate_charset_pattern(ATTRIBUTE_VALUE), ATTRIBUTE_VALUE_MAX);
            return false;
        }
    }
    if (json_object_size(attributes) <= most)
        return true;
    response_invalid(response, "The maximum number of attributes is %zu", most);
    return false;
}

json_t *resource_apply_attributes(const json_t *current, const json_t *payload)
{
    const json_t *wanted = json_object_get(payload, "attributes");
    json_t *result = json_is_true(json_object_get(payload, "merge")) || !wanted
                         ? json_deep_copy(current)
                         : json_object();
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)wanted, name, value)
    {
        const char *text = json_string_value(value);

        if (text && !*text)
            json_object_del(result, name);
        else
            json_object_set(result, name, value);
    }
    return result ? result : json_object();
}

json_t *resource_known_members(const json_t *object, const char *const *names)
{
    json_t *kept = json_object();

    for (; *names; names++) {
        json_t *value = json_object_get(object, *names);

        if (value && !json_is_null(value))
            json_object_set(kept, *names, value);
    }
    return kept;
}

bool resource_check_policy(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "policyName");

    if (row_exists(request, "SELECT 1 FROM policies WHERE name = ?1", STATE_WITH(name)))
        return true;
    response_not_found(response, "Policy", name);
    return false;
}

bool resource_check_thing(
    const struct request *request, struct response *response, const char *name)
{
    if (row_exists(request, "SELECT 1 FROM things WHERE name = ?1", STATE_WITH(name)))
        return true;
    response_not_found(response, "Thing", name);
    return false;
}

bool resource_check_group(
    const struct request *request, struct response *response, const char *name)
{
    if (row_exists(request, "SELECT 1 FROM thing_groups WHERE name = ?1", STATE_WITH(name)))
        return true;
    response_not_found(response, "Thing group", name);
    return false;
}

bool resource_check_version(
    const struct request *request, struct response *response, const char *kind, const json_t *row)
{
    if (!request_given(request, "expectedVersion") ||
        request_number(request, "expectedVersion") == row_integer(row, "version"))
        return true;
    response_error(response, 409, "VersionConflictException",
        "The version for %s %s does not match the expected version", kind, row_text(row, "name"));
    return false;
}

bool resource_check_certificate(
    const struct request *request, struct response *response, const char *arn)
{
    if (row_exists(request, "SELECT 1 FROM certificates WHERE arn = ?1", STATE_WITH(arn)))
        return true;
    response_not_found(response, "Certificate", arn);
    return false;
}
