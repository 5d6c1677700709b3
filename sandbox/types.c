/* SPDX-License-Identifier: Apache-2.0 */
/* Thing types. */
#include <stdlib.h>
#include <string.h>

#include "sandbox/identity.h"
#include "sandbox/operation_tables.h"
#include "sandbox/page.h"
#include "sandbox/request.h"
#include "sandbox/resource.h"
#include "sandbox/response.h"
#include "sandbox/row.h"
#include "sandbox/tags.h"
#include "sandbox/validate.h"

#define DESCRIPTION_MAX 2028
#define SEARCHABLE_MAX 3

static json_t *types_find(const struct request *request, const char *name)
{
    return row_first(state_select(
        request->state, "SELECT * FROM thing_types WHERE name = ?1", STATE_WITH(name)));
}

/* Checks the properties of a type; false after an error. */
static bool types_check_properties(const struct request *request, struct response *response)
{
    const json_t *properties = json_object_get(request->input, "thingTypeProperties");
    const json_t *list = json_object_get(properties, "searchableAttributes");
    const json_t *description = json_object_get(properties, "thingTypeDescription");

    if (!resource_check_description(response, "thingTypeDescription", description))
        return false;
    if (list && !json_is_array(list)) {
        response_error(
            response, 400, "SerializationException", "searchableAttributes is not a list");
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));

        if (name && *name && strlen(name) <= 128 && validate_charset_holds(ATTRIBUTE_NAME, name))
            continue;
        response_invalid(response, "A searchable attribute must satisfy the pattern %s",
            validate_charset_pattern(ATTRIBUTE_NAME));
        return false;
    }
    if (json_array_size(list) > SEARCHABLE_MAX) {
        response_invalid(response, "At most %d searchable attributes are allowed", SEARCHABLE_MAX);
        return false;
    }
    return true;
}

/* The properties as JSON text, freed by the caller. */
static char *types_properties_text(const struct request *request)
{
    static const char *const names[] = {"thingTypeDescription", "searchableAttributes", NULL};
    json_t *kept =
        resource_known_members(json_object_get(request->input, "thingTypeProperties"), names);
    char *text = json_dumps(kept, JSON_COMPACT);

    json_decref(kept);
    return text;
}

static void types_create(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "thingTypeName");
    json_t *current;
    char *arn, *id, *properties, *now;

    if (!types_check_properties(request, response))
        return;
    current = types_find(request, name);
    if (current) {
        response_exists(response, row_text(current, "id"), row_text(current, "arn"),
            "Thing Type %s already exists in your account", name);
        json_decref(current);
        return;
    }
    arn = identity_arn(request, "thingtype", name);
    if (!tags_set(request, response, arn)) {
        free(arn);
        return;
    }
    id = identity_random();
    now = identity_now_text();
    properties = types_properties_text(request);
    state_change(request->state,
        "INSERT INTO thing_types (name, arn, id, properties, created) VALUES (?1, ?2, ?3, ?4,"
        " CAST(?5 AS INTEGER))",
        STATE_WITH(name, arn, id, properties ? properties : "{}", now));
    response->body =
        json_pack("{s:s, s:s, s:s}", "thingTypeName", name, "thingTypeArn", arn, "thingTypeId", id);
    free(arn);
    free(id);
    free(now);
    free(properties);
}

static json_t *types_type_json(const json_t *row)
{
    json_t *metadata = json_pack("{s:b, s:o}", "deprecated", row_integer(row, "deprecated") != 0,
        "creationDate", identity_time_json(row, "created"));

    if (row_integer(row, "deprecated"))
        json_object_set_new(metadata, "deprecationDate", identity_time_json(row, "deprecated"));
    return json_pack("{s:s, s:s, s:o, s:o}", "thingTypeName", row_text(row, "name"), "thingTypeArn",
        row_text(row, "arn"), "thingTypeProperties", row_json(row, "properties"),
        "thingTypeMetadata", metadata);
}

static void types_describe(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "thingTypeName");
    json_t *row = types_find(request, name);

    if (!row) {
        response_not_found(response, "Thing type", name);
        return;
    }
    response->body = types_type_json(row);
    json_object_set_new(response->body, "thingTypeId", json_string(row_text(row, "id")));
    json_decref(row);
}

static void types_update(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "thingTypeName");
    json_t *row = types_find(request, name);
    json_t *properties = row ? row_json(row, "properties") : NULL;
    char *text;

    if (!row)
        response_not_found(response, "Thing type", name);
    if (row && types_check_properties(request, response)) {
        json_object_update(properties, json_object_get(request->input, "thingTypeProperties"));
        text = json_dumps(properties, JSON_COMPACT);
        state_change(request->state, "UPDATE thing_types SET properties = ?2 WHERE name = ?1",
            STATE_WITH(name, text ? text : "{}"));
        free(text);
    }
    json_decref(properties);
    json_decref(row);
}

static void types_list(const struct request *request, struct response *response)
{
    static const struct listing_page page = {"thingTypes", false,
        "SELECT * FROM thing_types WHERE name > ?1 AND (?3 = '' OR name = ?3) ORDER BY name"
        " LIMIT CAST(?2 AS INTEGER)",
        NULL, "name", types_type_json};

    page_respond(request, response, &page, STATE_WITH(request_text(request, "thingTypeName")));
}

static void types_deprecate(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "thingTypeName");
    char *now =
        request_flag(request, "undoDeprecate") ? identity_number_text(0) : identity_now_text();

    /* A type that is already deprecated keeps its time of deprecation. */
    if (state_change(request->state,
            "UPDATE thing_types SET deprecated = CASE WHEN ?2 <> '0' AND deprecated > 0"
            " THEN deprecated ELSE CAST(?2 AS INTEGER) END WHERE name = ?1",
            STATE_WITH(name, now)) < 1)
        response_not_found(response, "Thing type", name);
    free(now);
}

static void types_delete(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "thingTypeName");
    json_t *row = types_find(request, name);
    json_int_t deprecated = row_integer(row, "deprecated");

    if (!row)
        response_not_found(response, "Thing type", name);
    else if (!deprecated)
        response_invalid(response,
            "Cannot delete thing type : %s because it is not deprecated. Please deprecate it first "
            "before deleting.",
            name);
    else if (identity_now_ms() - deprecated < request->service->deprecation_wait_ms)
        response_invalid(response,
            "Cannot delete thing type : %s. Please wait for 5 minutes after deprecation and then "
            "retry",
            name);
    else if (row_exists(request, "SELECT 1 FROM things WHERE type = ?1 LIMIT 1", STATE_WITH(name)))
        response_invalid(response,
            "Cannot delete thing type : %s because there are still things associated with it",
            name);
    else {
        tags_clear(request, row_text(row, "arn"));
        state_change(request->state, "DELETE FROM thing_types WHERE name = ?1", STATE_WITH(name));
    }
    json_decref(row);
}

static const struct parameter create_parameters[] = {
    NAME_IN_PATH("thingTypeName"),
    {.name = "thingTypeProperties", .location = IN_BODY, .type = OBJECT},
    TAGS_IN_BODY,
    END_OF_PARAMETERS,
};
static const struct parameter name_parameters[] = {
    NAME_IN_PATH("thingTypeName"),
    END_OF_PARAMETERS,
};
static const struct parameter update_parameters[] = {
    NAME_IN_PATH("thingTypeName"),
    {.name = "thingTypeProperties", .location = IN_BODY, .type = OBJECT},
    END_OF_PARAMETERS,
};
static const struct parameter list_parameters[] = {
    PAGE_PARAMETERS,
    NAME_IN_QUERY("thingTypeName"),
    END_OF_PARAMETERS,
};
static const struct parameter deprecate_parameters[] = {
    NAME_IN_PATH("thingTypeName"),
    {.name = "undoDeprecate", .location = IN_BODY, .type = FLAG},
    END_OF_PARAMETERS,
};

const struct operation type_operations[] = {
    {.name = "CreateThingType",
        .method = "POST",
        .path = "/thing-types/{thingTypeName}",
        .rate = 15,
        .run = types_create,
        .parameters = create_parameters},
    {.name = "DescribeThingType",
        .method = "GET",
        .path = "/thing-types/{thingTypeName}",
        .rate = 10,
        .run = types_describe,
        .parameters = name_parameters},
    {.name = "UpdateThingType",
        .method = "PATCH",
        .path = "/thing-types/{thingTypeName}",
        .rate = 15,
        .run = types_update,
        .parameters = update_parameters},
    {.name = "ListThingTypes",
        .method = "GET",
        .path = "/thing-types",
        .rate = 10,
        .run = types_list,
        .parameters = list_parameters},
    {.name = "DeprecateThingType",
        .method = "POST",
        .path = "/thing-types/{thingTypeName}/deprecate",
        .rate = 15,
        .run = types_deprecate,
        .parameters = deprecate_parameters},
    {.name = "DeleteThingType",
        .method = "DELETE",
        .path = "/thing-types/{thingTypeName}",
        .rate = 15,
        .run = types_delete,
        .parameters = name_parameters},
    {},
};
