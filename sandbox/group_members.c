/* SPDX-License-Identifier: Apache-2.0 */
/* The members of thing groups. */
#include "sandbox/group_members.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/groups.h"
#include "sandbox/identity.h"
#include "sandbox/operation_tables.h"
#include "sandbox/page.h"
#include "sandbox/resource.h"
#include "sandbox/row.h"

#define GROUPS_OF_THING_MAX 10

static void group_members_list_groups_of_thing(
    const struct request *request, struct response *response)
{
    static const struct listing_page page = {"thingGroups", false,
        "SELECT g.* FROM thing_groups g JOIN group_things t ON t.thing_group = g.name"
        " WHERE g.name > ?1 AND t.thing = ?3 ORDER BY g.name LIMIT CAST(?2 AS INTEGER)",
        NULL, "name", groups_json};
    const char *thing = request_text(request, "thingName");

    if (resource_check_thing(request, response, thing))
        page_respond(request, response, &page, STATE_WITH(thing));
}

static json_t *group_members_member_json(const json_t *row)
{
    return json_string(row_text(row, "thing"));
}

static void group_members_list_members(const struct request *request, struct response *response)
{
    static const struct listing_page page = {"things", false,
        "WITH RECURSIVE below (name) AS (SELECT ?3 UNION SELECT g.name FROM thing_groups g"
        " JOIN below b ON g.parent = b.name WHERE ?4 <> '')"
        " SELECT DISTINCT thing FROM group_things WHERE thing > ?1 AND thing_group IN below"
        " ORDER BY thing LIMIT CAST(?2 AS INTEGER)",
        NULL, "thing", group_members_member_json};
    const char *group = request_text(request, "thingGroupName");

    if (resource_check_group(request, response, group))
        page_respond(request, response, &page,
            STATE_WITH(group, request_flag(request, "recursive") ? "yes" : ""));
}

bool group_members_join(
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

static bool group_members_leave(
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
static const char *group_members_name_or_arn(const struct request *request,
    struct response *response, const char *kind, const char *name_member, const char *arn_member)
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

static void group_members_add_thing(const struct request *request, struct response *response)
{
    const char *group = group_members_name_or_arn(
        request, response, "thinggroup", "thingGroupName", "thingGroupArn");
    const char *thing =
        group_members_name_or_arn(request, response, "thing", "thingName", "thingArn");

    if (*group && *thing)
        group_members_join(request, response, group, thing);
}

static void group_members_remove_thing(const struct request *request, struct response *response)
{
    const char *group = group_members_name_or_arn(
        request, response, "thinggroup", "thingGroupName", "thingGroupArn");
    const char *thing =
        group_members_name_or_arn(request, response, "thing", "thingName", "thingArn");

    if (*group && *thing)
        group_members_leave(request, response, group, thing);
}

static void group_members_update_groups_of_thing(
    const struct request *request, struct response *response)
{
    const char *thing = request_text(request, "thingName");
    const json_t *add = json_object_get(request->input, "thingGroupsToAdd");
    const json_t *leave = json_object_get(request->input, "thingGroupsToRemove");

    for (size_t i = 0; i < json_array_size(leave) && !response->error; i++) {
        const char *group = json_string_value(json_array_get(leave, i));

        group_members_leave(request, response, group ? group : "", thing);
    }
    for (size_t i = 0; i < json_array_size(add) && !response->error; i++) {
        const char *group = json_string_value(json_array_get(add, i));

        group_members_join(request, response, group ? group : "", thing);
    }
}

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
    {.name = "overrideDynamicGroups", .location = IN_BODY, .type = FLAG},
    END_OF_PARAMETERS,
};

static const struct parameter update_of_thing_parameters[] = {
    NAME_IN_BODY("thingName"),
    {.name = "thingGroupsToAdd", .location = IN_BODY, .type = LIST},
    {.name = "thingGroupsToRemove", .location = IN_BODY, .type = LIST},
    {.name = "overrideDynamicGroups", .location = IN_BODY, .type = FLAG},
    END_OF_PARAMETERS,
};

const struct operation member_operations[] = {
    {.name = "AddThingToThingGroup",
        .method = "PUT",
        .path = "/thing-groups/addThingToThingGroup",
        .rate = 60,
        .opens = true,
        .run = group_members_add_thing,
        .parameters = addition_parameters},
    {.name = "RemoveThingFromThingGroup",
        .method = "PUT",
        .path = "/thing-groups/removeThingFromThingGroup",
        .rate = 15,
        .opens = true,
        .run = group_members_remove_thing,
        .parameters = member_parameters},
    {.name = "UpdateThingGroupsForThing",
        .method = "PUT",
        .path = "/thing-groups/updateThingGroupsForThing",
        .rate = 10,
        .opens = true,
        .run = group_members_update_groups_of_thing,
        .parameters = update_of_thing_parameters},
    {.name = "ListThingGroupsForThing",
        .method = "GET",
        .path = "/things/{thingName}/thing-groups",
        .rate = 10,
        .run = group_members_list_groups_of_thing,
        .parameters = of_thing_parameters},
    {.name = "ListThingsInThingGroup",
        .method = "GET",
        .path = "/thing-groups/{thingGroupName}/things",
        .rate = 25,
        .run = group_members_list_members,
        .parameters = members_parameters},
    {},
};
