/* SPDX-License-Identifier: Apache-2.0 */
/* Things. */
#include "sandbox/things.h"
#include "sandbox/operation_tables.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/identity.h"
#include "sandbox/page.h"
#include "sandbox/request.h"
#include "sandbox/resource.h"
#include "sandbox/response.h"
#include "sandbox/row.h"

/* The limit is lower for a thing without a type. */
#define ATTRIBUTES_MAX 50
#define ATTRIBUTES_UNTYPED_MAX 3

static json_t *things_find(const struct request *request, const char *name)
{
    return row_first(
        state_select(request->state, "SELECT * FROM things WHERE name = ?1", STATE_WITH(name)));
}

static bool things_type_usable(
    const struct request *request, struct response *response, const char *name)
{
    json_t *type;

    if (!*name)
        return true;
    type = row_first(state_select(
        request->state, "SELECT deprecated FROM thing_types WHERE name = ?1", STATE_WITH(name)));
    if (!type)
        response_not_found(response, "Thing type", name);
    else if (row_integer(type, "deprecated"))
        response_invalid(response, "Can not create new thing with deprecated thing type: %s", name);
    json_decref(type);
    return response->error == NULL;
}

/* Creating a thing again is an error only if its type or attributes differ. */
static bool things_is_same(
    struct response *response, const json_t *current, const char *type, const json_t *attributes)
{
    json_t *has = row_json(current, "attributes");
    bool same =
        json_equal(has, (json_t *)attributes) && strcmp(row_text(current, "type"), type) == 0;

    if (!same)
        response_exists(response, row_text(current, "id"), row_text(current, "arn"),
            "Thing %s already exists in account with different attributes",
            row_text(current, "name"));
    json_decref(has);
    return same;
}

json_t *things_create_row(const struct request *request, struct response *response,
    const char *name, const char *type, const json_t *attributes)
{
    json_t *current = things_find(request, name);
    char *arn, *id, *text;

    if (current && !things_is_same(response, current, type, attributes)) {
        json_decref(current);
        return NULL;
    }
    if (current)
        return current;
    if (!things_type_usable(request, response, type) ||
        !resource_check_attributes(
            response, attributes, *type ? ATTRIBUTES_MAX : ATTRIBUTES_UNTYPED_MAX))
        return NULL;
    text = json_dumps(attributes, JSON_COMPACT);
    arn = identity_arn(request, "thing", name);
    id = identity_random();
    state_change(request->state,
        "INSERT INTO things (name, arn, id, type, attributes) VALUES (?1, ?2, ?3, ?4, ?5)",
        STATE_WITH(name, arn, id, type, text ? text : "{}"));
    free(text);
    free(arn);
    free(id);
    return things_find(request, name);
}

static void things_create(const struct request *request, struct response *response)
{
    json_t *nothing = json_object(), *attributes, *row;

    if (*request_text(request, "billingGroupName")) {
        response_not_found(response, "Billing group", request_text(request, "billingGroupName"));
        json_decref(nothing);
        return;
    }
    attributes =
        resource_apply_attributes(nothing, json_object_get(request->input, "attributePayload"));
    row = things_create_row(request, response, request_text(request, "thingName"),
        request_text(request, "thingTypeName"), attributes);
    if (row)
        response->body = json_pack("{s:s, s:s, s:s}", "thingName", row_text(row, "name"),
            "thingArn", row_text(row, "arn"), "thingId", row_text(row, "id"));
    json_decref(row);
    json_decref(attributes);
    json_decref(nothing);
}

static json_t *things_thing_json(const json_t *row)
{
    json_t *thing = json_pack("{s:s, s:s, s:o, s:I}", "thingName", row_text(row, "name"),
        "thingArn", row_text(row, "arn"), "attributes", row_json(row, "attributes"), "version",
        row_integer(row, "version"));

    if (*row_text(row, "type"))
        json_object_set_new(thing, "thingTypeName", json_string(row_text(row, "type")));
    return thing;
}

static void things_describe(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "thingName");
    json_t *row = things_find(request, name);

    if (!row) {
        response_not_found(response, "Thing", name);
        return;
    }
    response->body = things_thing_json(row);
    json_object_set_new(response->body, "thingId", json_string(row_text(row, "id")));
    json_object_set_new(response->body, "defaultClientId", json_string(row_text(row, "name")));
    json_decref(row);
}

static void things_change(
    const struct request *request, struct response *response, const json_t *row)
{
    const char *name = row_text(row, "name");
    const char *type = request_given(request, "thingTypeName")
                           ? request_text(request, "thingTypeName")
                           : row_text(row, "type");
    json_t *current = row_json(row, "attributes");
    json_t *attributes =
        resource_apply_attributes(current, json_object_get(request->input, "attributePayload"));
    char *text;

    if (request_flag(request, "removeThingType"))
        type = "";
    if ((strcmp(type, row_text(row, "type")) == 0 || things_type_usable(request, response, type)) &&
        resource_check_attributes(
            response, attributes, *type ? ATTRIBUTES_MAX : ATTRIBUTES_UNTYPED_MAX)) {
        text = json_dumps(attributes, JSON_COMPACT);
        state_change(request->state,
            "UPDATE things SET attributes = ?2, type = ?3, version = version + 1 WHERE name = ?1",
            STATE_WITH(name, text ? text : "{}", type));
        free(text);
    }
    json_decref(attributes);
    json_decref(current);
}

static void things_update(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "thingName");
    json_t *row = things_find(request, name);

    if (!row)
        response_not_found(response, "Thing", name);
    else if (request_flag(request, "removeThingType") && request_given(request, "thingTypeName"))
        response_invalid(response, "Cannot set and remove the thing type at once");
    else if (resource_check_version(request, response, "thing", row))
        things_change(request, response, row);
    json_decref(row);
}

static void things_list(const struct request *request, struct response *response)
{
    static const struct listing_page page = {"things", false,
        "SELECT * FROM things WHERE name > ?1 AND (?3 = '' OR type = ?3) AND (?4 = '' OR"
        " CASE ?6 WHEN '' THEN json_extract(attributes, '$.\"' || ?4 || '\"') = ?5 ELSE"
        " substr(json_extract(attributes, '$.\"' || ?4 || '\"'), 1, length(?5)) = ?5 END)"
        " ORDER BY name LIMIT CAST(?2 AS INTEGER)",
        NULL, "name", things_thing_json};

    if (request_given(request, "attributeValue") && !request_given(request, "attributeName")) {
        response_invalid(response, "attributeValue needs attributeName");
        return;
    }
    page_respond(request, response, &page,
        STATE_WITH(request_text(request, "thingTypeName"), request_text(request, "attributeName"),
            request_text(request, "attributeValue"),
            request_flag(request, "usePrefixAttributeValue") ? "yes" : ""));
}

static void things_delete(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "thingName");
    json_t *row = things_find(request, name);

    /* Deleting a thing that does not exist succeeds. */
    if (!row || !resource_check_version(request, response, "thing", row)) {
        json_decref(row);
        return;
    }
    json_decref(row);
    if (row_exists(
            request, "SELECT 1 FROM thing_principals WHERE thing = ?1 LIMIT 1", STATE_WITH(name))) {
        response_invalid(
            response, "Cannot delete. Thing %s is still attached to one or more principals", name);
        return;
    }
    state_change(request->state, "DELETE FROM group_things WHERE thing = ?1", STATE_WITH(name));
    state_change(request->state, "DELETE FROM things WHERE name = ?1", STATE_WITH(name));
}

static const struct parameter create_parameters[] = {
    NAME_IN_PATH("thingName"),
    NAME_IN_BODY("thingTypeName"),
    {.name = "attributePayload", .location = IN_BODY, .type = OBJECT},
    NAME_IN_BODY("billingGroupName"),
    END_OF_PARAMETERS,
};
static const struct parameter name_parameters[] = {
    NAME_IN_PATH("thingName"),
    END_OF_PARAMETERS,
};
static const struct parameter update_parameters[] = {
    NAME_IN_PATH("thingName"),
    NAME_IN_BODY("thingTypeName"),
    {.name = "attributePayload", .location = IN_BODY, .type = OBJECT},
    EXPECTED_VERSION(IN_BODY),
    {.name = "removeThingType", .location = IN_BODY, .type = FLAG},
    END_OF_PARAMETERS,
};
static const struct parameter delete_parameters[] = {
    NAME_IN_PATH("thingName"),
    EXPECTED_VERSION(IN_QUERY),
    END_OF_PARAMETERS,
};
static const struct parameter list_parameters[] = {
    PAGE_PARAMETERS,
    {.name = "attributeName",
        .location = IN_QUERY,
        .type = TEXT,
        .max = 128,
        .charset = ATTRIBUTE_NAME},
    {.name = "attributeValue",
        .location = IN_QUERY,
        .type = TEXT,
        .max = 800,
        .charset = ATTRIBUTE_VALUE},
    NAME_IN_QUERY("thingTypeName"),
    FLAG_IN_QUERY("usePrefixAttributeValue"),
    END_OF_PARAMETERS,
};

const struct operation thing_operations[] = {
    {.name = "CreateThing",
        .method = "POST",
        .path = "/things/{thingName}",
        .rate = 15,
        .run = things_create,
        .parameters = create_parameters},
    {.name = "DescribeThing",
        .method = "GET",
        .path = "/things/{thingName}",
        .rate = 350,
        .run = things_describe,
        .parameters = name_parameters},
    {.name = "UpdateThing",
        .method = "PATCH",
        .path = "/things/{thingName}",
        .rate = 10,
        .opens = true,
        .run = things_update,
        .parameters = update_parameters},
    {.name = "ListThings",
        .method = "GET",
        .path = "/things",
        .rate = 10,
        .run = things_list,
        .parameters = list_parameters},
    {.name = "DeleteThing",
        .method = "DELETE",
        .path = "/things/{thingName}",
        .rate = 15,
        .opens = true,
        .run = things_delete,
        .parameters = delete_parameters},
    {},
};
