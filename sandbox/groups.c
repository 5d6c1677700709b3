/* SPDX-License-Identifier: Apache-2.0 */
/* Thing groups. */
#include "sandbox/groups.h"

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

#define DEPTH_MAX 7
#define ATTRIBUTES_MAX 50

static json_t *groups_find(const struct request *request, const char *name)
{
    return row_first(state_select(
        request->state, "SELECT * FROM thing_groups WHERE name = ?1", STATE_WITH(name)));
}

/* The group's ancestors, beginning with the root. */
static json_t *groups_ancestors(const struct request *request, const json_t *row)
{
    json_t *list = json_array(), *parent = json_incref((json_t *)row);

    while (parent && *row_text(parent, "parent")) {
        json_t *next = groups_find(request, row_text(parent, "parent"));

        json_decref(parent);
        parent = next;
        if (parent)
            json_array_insert_new(list, 0,
                json_pack("{s:s, s:s}", "groupName", row_text(parent, "name"), "groupArn",
                    row_text(parent, "arn")));
    }
    json_decref(parent);
    return list;
}

/* False after an error. */
static bool groups_check_parent(const struct request *request, struct response *response)
{
    const char *parent = request_text(request, "parentGroupName");
    json_t *row, *above;

    if (!*parent)
        return true;
    row = groups_find(request, parent);
    above = row ? groups_ancestors(request, row) : NULL;
    if (!row)
        response_not_found(response, "Thing group", parent);
    else if (json_array_size(above) + 2 > DEPTH_MAX)
        response_invalid(response, "The maximum depth of a group hierarchy is %d", DEPTH_MAX);
    json_decref(above);
    json_decref(row);
    return response->error == NULL;
}

static bool groups_check_properties(const struct request *request, struct response *response)
{
    const json_t *properties = json_object_get(request->input, "thingGroupProperties");
    const json_t *payload = json_object_get(properties, "attributePayload");

    if (payload && !json_is_object(payload)) {
        response_error(
            response, 400, "SerializationException", "attributePayload is not an object");
        return false;
    }
    return resource_check_description(response, "thingGroupDescription",
               json_object_get(properties, "thingGroupDescription")) &&
           resource_check_attributes(response,
               json_object_get(json_object_get(properties, "attributePayload"), "attributes"),
               ATTRIBUTES_MAX);
}

/* Applies the properties in the request to those before; a new object. */
static json_t *groups_next_properties(const struct request *request, const json_t *before)
{
    static const char *const names[] = {"thingGroupDescription", NULL};
    const json_t *wants = json_object_get(request->input, "thingGroupProperties");
    const json_t *payload = json_object_get(wants, "attributePayload");
    const json_t *has = json_object_get(json_object_get(before, "attributePayload"), "attributes");
    json_t *nothing = json_object(), *next = resource_known_members(before, names);
    json_t *given = resource_known_members(wants, names);
    json_t *attributes = resource_apply_attributes(has ? has : nothing, payload);

    json_object_update(next, given);
    if (json_object_size(attributes) > 0)
        json_object_set_new(next, "attributePayload", json_pack("{s:O}", "attributes", attributes));
    json_decref(attributes);
    json_decref(given);
    json_decref(nothing);
    return next;
}

/* Creating a group again with the same properties and parent is not an error. */
static void groups_create_again(
    const struct request *request, struct response *response, const json_t *current)
{
    json_t *has = row_json(current, "properties"), *wants = groups_next_properties(request, NULL);

    if (json_equal(has, wants) &&
        strcmp(row_text(current, "parent"), request_text(request, "parentGroupName")) == 0)
        response->body = json_pack("{s:s, s:s, s:s}", "thingGroupName", row_text(current, "name"),
            "thingGroupArn", row_text(current, "arn"), "thingGroupId", row_text(current, "id"));
    else
        response_exists(response, row_text(current, "id"), row_text(current, "arn"),
            "Thing Group %s already exists in your account with different properties",
            row_text(current, "name"));
    json_decref(wants);
    json_decref(has);
}

static void groups_create(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "thingGroupName");
    json_t *current = groups_find(request, name);
    char *arn, *id, *properties, *now;
    json_t *wants;

    if (current) {
        groups_create_again(request, response, current);
        json_decref(current);
        return;
    }
    arn = identity_arn(request, "thinggroup", name);
    if (groups_check_parent(request, response) && groups_check_properties(request, response) &&
        tags_set(request, response, arn)) {
        id = identity_random();
        now = identity_now_text();
        wants = groups_next_properties(request, NULL);
        properties = json_dumps(wants, JSON_COMPACT);
        json_decref(wants);
        state_change(request->state,
            "INSERT INTO thing_groups (name, arn, id, properties, parent, created)"
            " VALUES (?1, ?2, ?3, ?4, ?5, CAST(?6 AS INTEGER))",
            STATE_WITH(name, arn, id, properties ? properties : "{}",
                request_text(request, "parentGroupName"), now));
        response->body = json_pack(
            "{s:s, s:s, s:s}", "thingGroupName", name, "thingGroupArn", arn, "thingGroupId", id);
        free(id);
        free(now);
        free(properties);
    }
    free(arn);
}

static void groups_describe(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "thingGroupName");
    json_t *row = groups_find(request, name), *metadata;

    if (!row) {
        response_not_found(response, "Thing group", name);
        return;
    }
    metadata = json_pack("{s:o}", "creationDate", identity_time_json(row, "created"));
    if (*row_text(row, "parent")) {
        json_object_set_new(metadata, "parentGroupName", json_string(row_text(row, "parent")));
        json_object_set_new(metadata, "rootToParentThingGroups", groups_ancestors(request, row));
    }
    response->body = json_pack("{s:s, s:s, s:s, s:I, s:o, s:o}", "thingGroupName",
        row_text(row, "name"), "thingGroupArn", row_text(row, "arn"), "thingGroupId",
        row_text(row, "id"), "version", row_integer(row, "version"), "thingGroupProperties",
        row_json(row, "properties"), "thingGroupMetadata", metadata);
    json_decref(row);
}

static void groups_update(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "thingGroupName");
    json_t *row = groups_find(request, name);
    json_t *before, *next;
    char *properties;

    if (!row)
        response_not_found(response, "Thing group", name);
    else if (resource_check_version(request, response, "thing group", row) &&
             groups_check_properties(request, response)) {
        before = row_json(row, "properties");
        next = groups_next_properties(request, before);
        properties = json_dumps(next, JSON_COMPACT);
        json_decref(before);
        json_decref(next);
        state_change(request->state,
            "UPDATE thing_groups SET properties = ?2, version = version + 1 WHERE name = ?1",
            STATE_WITH(name, properties ? properties : "{}"));
        response->body = json_pack("{s:I}", "version", row_integer(row, "version") + 1);
        free(properties);
    }
    json_decref(row);
}

json_t *groups_json(const json_t *row)
{
    return json_pack(
        "{s:s, s:s}", "groupName", row_text(row, "name"), "groupArn", row_text(row, "arn"));
}

static void groups_list(const struct request *request, struct response *response)
{
    static const struct listing_page page = {"thingGroups", false,
        "WITH RECURSIVE below (name) AS (SELECT name FROM thing_groups WHERE parent = ?3"
        " UNION SELECT g.name FROM thing_groups g JOIN below b ON g.parent = b.name WHERE ?5 <> '')"
        " SELECT * FROM thing_groups WHERE name > ?1 AND (?3 = '' OR name IN below)"
        " AND substr(name, 1, length(?4)) = ?4 ORDER BY name LIMIT CAST(?2 AS INTEGER)",
        NULL, "name", groups_json};
    const char *parent = request_text(request, "parentGroup");
    /* By default the whole hierarchy is listed. */
    bool recursive = !request_given(request, "recursive") || request_flag(request, "recursive");

    if (!*parent || resource_check_group(request, response, parent))
        page_respond(request, response, &page,
            STATE_WITH(parent, request_text(request, "namePrefixFilter"), recursive ? "yes" : ""));
}

static void groups_delete(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "thingGroupName");
    json_t *row = groups_find(request, name);

    /* As at AWS, deleting an unknown group succeeds. The members themselves are not deleted. */
    if (row && resource_check_version(request, response, "thing group", row)) {
        if (row_exists(
                request, "SELECT 1 FROM thing_groups WHERE parent = ?1 LIMIT 1", STATE_WITH(name)))
            response_invalid(response, "Cannot delete thing group %s, it has child groups", name);
        else {
            tags_clear(request, row_text(row, "arn"));
            state_change(request->state, "DELETE FROM policy_targets WHERE target = ?1",
                STATE_WITH(row_text(row, "arn")));
            state_change(request->state, "DELETE FROM group_things WHERE thing_group = ?1",
                STATE_WITH(name));
            state_change(
                request->state, "DELETE FROM thing_groups WHERE name = ?1", STATE_WITH(name));
        }
    }
    json_decref(row);
}

static const struct parameter create_parameters[] = {
    NAME_IN_PATH("thingGroupName"),
    NAME_IN_BODY("parentGroupName"),
    {.name = "thingGroupProperties", .location = IN_BODY, .type = OBJECT},
    TAGS_IN_BODY,
    END_OF_PARAMETERS,
};
static const struct parameter name_parameters[] = {
    NAME_IN_PATH("thingGroupName"),
    END_OF_PARAMETERS,
};
static const struct parameter update_parameters[] = {
    NAME_IN_PATH("thingGroupName"),
    {.name = "thingGroupProperties", .location = IN_BODY, .type = OBJECT, .required = true},
    EXPECTED_VERSION(IN_BODY),
    END_OF_PARAMETERS,
};
static const struct parameter delete_parameters[] = {
    NAME_IN_PATH("thingGroupName"),
    EXPECTED_VERSION(IN_QUERY),
    END_OF_PARAMETERS,
};
static const struct parameter list_parameters[] = {
    PAGE_PARAMETERS,
    NAME_IN_QUERY("parentGroup"),
    NAME_IN_QUERY("namePrefixFilter"),
    FLAG_IN_QUERY("recursive"),
    END_OF_PARAMETERS,
};

const struct operation group_operations[] = {
    {.name = "CreateThingGroup",
        .method = "POST",
        .path = "/thing-groups/{thingGroupName}",
        .rate = 25,
        .run = groups_create,
        .parameters = create_parameters},
    {.name = "DescribeThingGroup",
        .method = "GET",
        .path = "/thing-groups/{thingGroupName}",
        .rate = 100,
        .run = groups_describe,
        .parameters = name_parameters},
    {.name = "UpdateThingGroup",
        .method = "PATCH",
        .path = "/thing-groups/{thingGroupName}",
        .rate = 15,
        .run = groups_update,
        .parameters = update_parameters},
    {.name = "ListThingGroups",
        .method = "GET",
        .path = "/thing-groups",
        .rate = 10,
        .run = groups_list,
        .parameters = list_parameters},
    {.name = "DeleteThingGroup",
        .method = "DELETE",
        .path = "/thing-groups/{thingGroupName}",
        .rate = 15,
        .opens = true,
        .run = groups_delete,
        .parameters = delete_parameters},
    {},
};
