/* Thing groups. */
#include <stdlib.h>
#include <string.h>

#include "sandbox/operation.h"

static json_t *find_group(const struct request *request, const char *name)
{
    return first_row(state_select(
        request->state, "SELECT * FROM thing_groups WHERE name = ?1", STATE_WITH(name)));
}

static void create_group(const struct request *request, struct response *response)
{
    const char *name = request->parameters[0];
    json_t *present = find_group(request, name);
    char *arn, *id, *properties, *now;

    if (present) {
        respond_exists(response, row_text(present, "id"), row_text(present, "arn"),
            "Thing Group %s already exists in your account", name);
        json_decref(present);
        return;
    }
    arn = make_arn(request, "thinggroup", name);
    id = make_id();
    now = now_text();
    properties = json_dumps(json_object_get(request->body, "thingGroupProperties"), JSON_COMPACT);
    state_change(request->state,
        "INSERT INTO thing_groups (name, arn, id, properties, parent, created)"
        " VALUES (?1, ?2, ?3, ?4, ?5, CAST(?6 AS INTEGER))",
        STATE_WITH(name, arn, id, properties ? properties : "{}",
            body_text(request, "parentGroupName"), now));
    response->body = json_pack(
        "{s:s, s:s, s:s}", "thingGroupName", name, "thingGroupArn", arn, "thingGroupId", id);
    free(arn);
    free(id);
    free(now);
    free(properties);
}

static void describe_group(const struct request *request, struct response *response)
{
    json_t *row = find_group(request, request->parameters[0]), *properties;

    if (!row) {
        respond_not_found(response, "Thing group", request->parameters[0]);
        return;
    }
    properties = json_loads(row_text(row, "properties"), 0, NULL);
    response->body = json_pack("{s:s, s:s, s:s, s:I, s:o, s:{s:I}}", "thingGroupName",
        row_text(row, "name"), "thingGroupArn", row_text(row, "arn"), "thingGroupId",
        row_text(row, "id"), "version", row_integer(row, "version"), "thingGroupProperties",
        properties ? properties : json_object(), "thingGroupMetadata", "creationDate",
        row_integer(row, "created"));
    json_decref(row);
}

static json_t *group_json(const json_t *row)
{
    return json_pack(
        "{s:s, s:s}", "groupName", row_text(row, "name"), "groupArn", row_text(row, "arn"));
}

static void list_groups(const struct request *request, struct response *response)
{
    static const struct page_names names = PAGE_NAMES("thingGroups");

    respond_page(request, response,
        state_select(request->state, "SELECT * FROM thing_groups WHERE name > ?1 ORDER BY name",
            STATE_WITH(page_after(request, &names))),
        "name", &names, group_json);
}

static void list_groups_of_thing(const struct request *request, struct response *response)
{
    static const struct page_names names = PAGE_NAMES("thingGroups");

    respond_page(request, response,
        state_select(request->state,
            "SELECT g.* FROM thing_groups g JOIN group_things t ON t.thing_group = g.name"
            " WHERE t.thing = ?1 AND g.name > ?2 ORDER BY g.name",
            STATE_WITH(request->parameters[0], page_after(request, &names))),
        "name", &names, group_json);
}

static json_t *thing_json(const json_t *row)
{
    return json_string(row_text(row, "thing"));
}

static void list_things(const struct request *request, struct response *response)
{
    static const struct page_names names = PAGE_NAMES("things");
    json_t *group = find_group(request, request->parameters[0]);

    if (!group) {
        respond_not_found(response, "Thing group", request->parameters[0]);
        return;
    }
    json_decref(group);
    respond_page(request, response,
        state_select(request->state,
            "SELECT thing FROM group_things WHERE thing_group = ?1 AND thing > ?2 ORDER BY thing"
            " LIMIT 251",
            STATE_WITH(request->parameters[0], page_after(request, &names))),
        "thing", &names, thing_json);
}

static void delete_group(const struct request *request, struct response *response)
{
    /* AWS answers the same whether or not there was one; its members stay things. */
    state_change(request->state, "DELETE FROM group_things WHERE thing_group = ?1",
        STATE_WITH(request->parameters[0]));
    state_change(request->state, "DELETE FROM thing_groups WHERE name = ?1",
        STATE_WITH(request->parameters[0]));
    response->body = json_object();
}

/* The name in the body, or the one at the end of the ARN. */
static const char *name_or_arn(
    const struct request *request, const char *name_member, const char *arn_member)
{
    const char *name = body_text(request, name_member);
    const char *slash = strrchr(body_text(request, arn_member), '/');

    return *name || !slash ? name : slash + 1;
}

static bool find_members(const struct request *request, struct response *response,
    const char **group, const char **thing)
{
    *group = name_or_arn(request, "thingGroupName", "thingGroupArn");
    *thing = name_or_arn(request, "thingName", "thingArn");
    if (!has_row(request, "SELECT 1 FROM thing_groups WHERE name = ?1", STATE_WITH(*group)))
        respond_not_found(response, "Thing group", *group);
    else if (!has_row(request, "SELECT 1 FROM things WHERE name = ?1", STATE_WITH(*thing)))
        respond_not_found(response, "Thing", *thing);
    else
        return true;
    return false;
}

static void add_thing(const struct request *request, struct response *response)
{
    const char *group, *thing;

    if (!find_members(request, response, &group, &thing))
        return;
    state_change(request->state,
        "INSERT OR IGNORE INTO group_things (thing_group, thing) VALUES (?1, ?2)",
        STATE_WITH(group, thing));
    response->body = json_object();
}

static void remove_thing(const struct request *request, struct response *response)
{
    const char *group, *thing;

    if (!find_members(request, response, &group, &thing))
        return;
    state_change(request->state, "DELETE FROM group_things WHERE thing_group = ?1 AND thing = ?2",
        STATE_WITH(group, thing));
    response->body = json_object();
}

/* The fixed paths stand before the ones with a parameter. */
const struct operation group_operations[] = {
    {"AddThingToThingGroup", "PUT", "/thing-groups/addThingToThingGroup", add_thing},
    {"RemoveThingFromThingGroup", "PUT", "/thing-groups/removeThingFromThingGroup", remove_thing},
    {"CreateThingGroup", "POST", "/thing-groups/{}", create_group},
    {"DescribeThingGroup", "GET", "/thing-groups/{}", describe_group},
    {"ListThingGroups", "GET", "/thing-groups", list_groups},
    {"ListThingGroupsForThing", "GET", "/things/{}/thing-groups", list_groups_of_thing},
    {"ListThingsInThingGroup", "GET", "/thing-groups/{}/things", list_things},
    {"DeleteThingGroup", "DELETE", "/thing-groups/{}", delete_group},
    {NULL, NULL, NULL, NULL},
};
