/* SPDX-License-Identifier: Apache-2.0 */
/* Thing groups and their members. */
#include <stdlib.h>
#include <string.h>

#include "sandbox/identity.h"
#include "sandbox/page.h"
#include "sandbox/request.h"
#include "sandbox/resource.h"
#include "sandbox/response.h"
#include "sandbox/row.h"

#define GROUPS_OF_THING_MAX 10
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
    const struct request *request, struct response *response, const json_t *present)
{
    json_t *has = row_json(present, "properties"), *wants = groups_next_properties(request, NULL);

    if (json_equal(has, wants) &&
        strcmp(row_text(present, "parent"), request_text(request, "parentGroupName")) == 0)
        response->body = json_pack("{s:s, s:s, s:s}", "thingGroupName", row_text(present, "name"),
            "thingGroupArn", row_text(present, "arn"), "thingGroupId", row_text(present, "id"));
    else
        response_exists(response, row_text(present, "id"), row_text(present, "arn"),
            "Thing Group %s already exists in your account with different properties",
            row_text(present, "name"));
    json_decref(wants);
    json_decref(has);
}

static void groups_create(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "thingGroupName");
    json_t *present = groups_find(request, name);
    char *arn, *id, *properties, *now;
    json_t *wants;

    if (present) {
        groups_create_again(request, response, present);
        json_decref(present);
        return;
    }
    arn = identity_arn(request, "thinggroup", name);
    if (groups_check_parent(request, response) && groups_check_properties(request, response) &&
        resource_set_tags(request, response, arn)) {
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

static json_t *groups_group_json(const json_t *row)
{
    return json_pack(
        "{s:s, s:s}", "groupName", row_text(row, "name"), "groupArn", row_text(row, "arn"));
}

static void groups_list(const struct request *request, struct response *response)
{
    static const struct page page = {"thingGroups", false,
        "WITH RECURSIVE below (name) AS (SELECT name FROM thing_groups WHERE parent = ?3"
        " UNION SELECT g.name FROM thing_groups g JOIN below b ON g.parent = b.name WHERE ?5 <> '')"
        " SELECT * FROM thing_groups WHERE name > ?1 AND (?3 = '' OR name IN below)"
        " AND substr(name, 1, length(?4)) = ?4 ORDER BY name LIMIT CAST(?2 AS INTEGER)",
        NULL, "name", groups_group_json};
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
            resource_clear_tags(request, row_text(row, "arn"));
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

/* ------------------------------------------------------------------ members */

static void groups_list_groups_of_thing(const struct request *request, struct response *response)
{
    static const struct page page = {"thingGroups", false,
        "SELECT g.* FROM thing_groups g JOIN group_things t ON t.thing_group = g.name"
        " WHERE g.name > ?1 AND t.thing = ?3 ORDER BY g.name LIMIT CAST(?2 AS INTEGER)",
        NULL, "name", groups_group_json};
    const char *thing = request_text(request, "thingName");

    if (resource_check_thing(request, response, thing))
        page_respond(request, response, &page, STATE_WITH(thing));
}

static json_t *groups_member_json(const json_t *row)
{
    return json_string(row_text(row, "thing"));
}

static void groups_list_members(const struct request *request, struct response *response)
{
    static const struct page page = {"things", false,
        "WITH RECURSIVE below (name) AS (SELECT ?3 UNION SELECT g.name FROM thing_groups g"
        " JOIN below b ON g.parent = b.name WHERE ?4 <> '')"
        " SELECT DISTINCT thing FROM group_things WHERE thing > ?1 AND thing_group IN below"
        " ORDER BY thing LIMIT CAST(?2 AS INTEGER)",
        NULL, "thing", groups_member_json};
    const char *group = request_text(request, "thingGroupName");

    if (resource_check_group(request, response, group))
        page_respond(request, response, &page,
            STATE_WITH(group, request_flag(request, "recursive") ? "yes" : ""));
}

bool resource_join_group(
    const struct request *request, struct response *response, const char *group, const char *thing)
{
    if (!resource_check_group(request, response, group) ||
        !resource_check_thing(request, response, thing))
        return false;
    if (row_exists(request,
            "SELECT count(*) AS n FROM group_things WHERE thing = ?1 AND thing_group <> ?2"
            " HAVING n >= 10",
            STATE_WITH(thing, group))) {
        response_invalid(
            response, "Thing %s is in %d groups, the maximum", thing, GROUPS_OF_THING_MAX);
        return false;
    }
    state_change(request->state,
        "INSERT OR IGNORE INTO group_things (thing_group, thing) VALUES (?1, ?2)",
        STATE_WITH(group, thing));
    return true;
}

static bool groups_leave(
    const struct request *request, struct response *response, const char *group, const char *thing)
{
    if (!resource_check_group(request, response, group) ||
        !resource_check_thing(request, response, thing))
        return false;
    state_change(request->state, "DELETE FROM group_things WHERE thing_group = ?1 AND thing = ?2",
        STATE_WITH(group, thing));
    return true;
}

/* The name, or the name in the ARN; "" after an error. */
static const char *groups_name_or_arn(const struct request *request, struct response *response,
    const char *kind, const char *name_member, const char *arn_member)
{
    const char *name = request_text(request, name_member), *arn = request_text(request, arn_member);
    const char *slash = strrchr(arn, '/');
    char *expected;
    bool fits;

    if (!*name && slash)
        name = slash + 1;
    if (!*name)
        response_invalid(response, "%s or %s is needed", name_member, arn_member);
    if (!*name || !*arn)
        return name;
    expected = identity_arn(request, kind, name);
    fits = strcmp(expected, arn) == 0;
    free(expected);
    if (fits)
        return name;
    response_invalid(response, "%s is not an ARN of %s", arn_member, name);
    return "";
}

static void groups_add_thing(const struct request *request, struct response *response)
{
    const char *group =
        groups_name_or_arn(request, response, "thinggroup", "thingGroupName", "thingGroupArn");
    const char *thing = groups_name_or_arn(request, response, "thing", "thingName", "thingArn");

    if (*group && *thing)
        resource_join_group(request, response, group, thing);
}

static void groups_remove_thing(const struct request *request, struct response *response)
{
    const char *group =
        groups_name_or_arn(request, response, "thinggroup", "thingGroupName", "thingGroupArn");
    const char *thing = groups_name_or_arn(request, response, "thing", "thingName", "thingArn");

    if (*group && *thing)
        groups_leave(request, response, group, thing);
}

static void groups_update_groups_of_thing(const struct request *request, struct response *response)
{
    const char *thing = request_text(request, "thingName");
    const json_t *add = json_object_get(request->input, "thingGroupsToAdd");
    const json_t *leave = json_object_get(request->input, "thingGroupsToRemove");

    for (size_t i = 0; i < json_array_size(leave) && !response->error; i++) {
        const char *group = json_string_value(json_array_get(leave, i));

        groups_leave(request, response, group ? group : "", thing);
    }
    for (size_t i = 0; i < json_array_size(add) && !response->error; i++) {
        const char *group = json_string_value(json_array_get(add, i));

        resource_join_group(request, response, group ? group : "", thing);
    }
}

static const struct parameter create_parameters[] = {
    NAME_IN_PATH("thingGroupName"),
    NAME_IN_BODY("parentGroupName"),
    {.name = "thingGroupProperties", .place = IN_BODY, .form = OBJECT},
    TAGS_IN_BODY,
    END_OF_PARAMETERS,
};
static const struct parameter name_parameters[] = {
    NAME_IN_PATH("thingGroupName"),
    END_OF_PARAMETERS,
};
static const struct parameter update_parameters[] = {
    NAME_IN_PATH("thingGroupName"),
    {.name = "thingGroupProperties", .place = IN_BODY, .form = OBJECT, .required = true},
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
static const struct parameter of_thing_parameters[] = {
    NAME_IN_PATH("thingName"),
    PAGE_PARAMETERS,
    END_OF_PARAMETERS,
};
static const struct parameter members_parameters[] = {
    NAME_IN_PATH("thingGroupName"),
    FLAG_IN_QUERY("recursive"),
    PAGE_PARAMETERS,
    END_OF_PARAMETERS,
};
static const struct parameter member_parameters[] = {
    NAME_IN_BODY("thingGroupName"),
    TEXT_IN_BODY("thingGroupArn"),
    NAME_IN_BODY("thingName"),
    TEXT_IN_BODY("thingArn"),
    END_OF_PARAMETERS,
};
/* overrideDynamicGroups has no effect: the sandbox has no dynamic groups. */
static const struct parameter addition_parameters[] = {
    NAME_IN_BODY("thingGroupName"),
    TEXT_IN_BODY("thingGroupArn"),
    NAME_IN_BODY("thingName"),
    TEXT_IN_BODY("thingArn"),
    {.name = "overrideDynamicGroups", .place = IN_BODY, .form = FLAG},
    END_OF_PARAMETERS,
};
static const struct parameter update_of_thing_parameters[] = {
    NAME_IN_BODY("thingName"),
    {.name = "thingGroupsToAdd", .place = IN_BODY, .form = LIST},
    {.name = "thingGroupsToRemove", .place = IN_BODY, .form = LIST},
    {.name = "overrideDynamicGroups", .place = IN_BODY, .form = FLAG},
    END_OF_PARAMETERS,
};

/* Fixed paths must precede those with a parameter. */
const struct operation group_operations[] = {
    {.name = "AddThingToThingGroup",
        .method = "PUT",
        .path = "/thing-groups/addThingToThingGroup",
        .rate = 60,
        .opens = true,
        .run = groups_add_thing,
        .parameters = addition_parameters},
    {.name = "RemoveThingFromThingGroup",
        .method = "PUT",
        .path = "/thing-groups/removeThingFromThingGroup",
        .rate = 15,
        .opens = true,
        .run = groups_remove_thing,
        .parameters = member_parameters},
    {.name = "UpdateThingGroupsForThing",
        .method = "PUT",
        .path = "/thing-groups/updateThingGroupsForThing",
        .rate = 10,
        .opens = true,
        .run = groups_update_groups_of_thing,
        .parameters = update_of_thing_parameters},
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
    {.name = "ListThingGroupsForThing",
        .method = "GET",
        .path = "/things/{thingName}/thing-groups",
        .rate = 10,
        .run = groups_list_groups_of_thing,
        .parameters = of_thing_parameters},
    {.name = "ListThingsInThingGroup",
        .method = "GET",
        .path = "/thing-groups/{thingGroupName}/things",
        .rate = 25,
        .run = groups_list_members,
        .parameters = members_parameters},
    {.name = "DeleteThingGroup",
        .method = "DELETE",
        .path = "/thing-groups/{thingGroupName}",
        .rate = 15,
        .opens = true,
        .run = groups_delete,
        .parameters = delete_parameters},
    {},
};
