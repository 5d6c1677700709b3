/* Things and thing types. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sandbox/operation.h"

static bool valid_name(const char *name)
{
    return *name && strlen(name) <= 128 &&
           name[strspn(
               name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_-")] == '\0';
}

static bool check_name(struct response *response, const char *name)
{
    if (valid_name(name))
        return true;
    respond_error(response, 400, "InvalidRequestException",
        "1 validation error detected: Value '%s' failed to satisfy constraint: Member must satisfy "
        "regular expression pattern: [a-zA-Z0-9:_-]+",
        name);
    return false;
}

/* ------------------------------------------------------------------ thing types */

static json_t *find_type(const struct request *request, const char *name)
{
    return first_row(state_select(
        request->state, "SELECT * FROM thing_types WHERE name = ?1", STATE_WITH(name)));
}

static json_t *properties_of(const json_t *row)
{
    json_t *properties = json_loads(row_text(row, "properties"), 0, NULL);

    return properties ? properties : json_object();
}

static json_t *type_metadata(const json_t *row)
{
    json_t *metadata = json_pack("{s:b, s:I}", "deprecated", row_integer(row, "deprecated") != 0,
        "creationDate", row_integer(row, "created"));

    if (row_integer(row, "deprecated"))
        json_object_set_new(
            metadata, "deprecationDate", json_integer(row_integer(row, "deprecated")));
    return metadata;
}

static void create_type(const struct request *request, struct response *response)
{
    const char *name = request->parameters[0];
    json_t *present;
    char *arn, *id, *properties, *now;

    if (!check_name(response, name))
        return;
    present = find_type(request, name);
    if (present) {
        respond_exists(response, row_text(present, "id"), row_text(present, "arn"),
            "Thing Type %s already exists in your account", name);
        json_decref(present);
        return;
    }
    arn = make_arn(request, "thingtype", name);
    id = make_id();
    now = now_text();
    properties = json_dumps(json_object_get(request->body, "thingTypeProperties"), JSON_COMPACT);
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

static json_t *type_json(const json_t *row)
{
    return json_pack("{s:s, s:s, s:o, s:o}", "thingTypeName", row_text(row, "name"), "thingTypeArn",
        row_text(row, "arn"), "thingTypeProperties", properties_of(row), "thingTypeMetadata",
        type_metadata(row));
}

static void describe_type(const struct request *request, struct response *response)
{
    json_t *row = find_type(request, request->parameters[0]);

    if (!row) {
        respond_not_found(response, "Thing type", request->parameters[0]);
        return;
    }
    response->body = type_json(row);
    json_object_set_new(response->body, "thingTypeId", json_string(row_text(row, "id")));
    json_decref(row);
}

static void list_types(const struct request *request, struct response *response)
{
    static const struct page_names names = PAGE_NAMES("thingTypes");

    respond_page(request, response,
        state_select(request->state, "SELECT * FROM thing_types WHERE name > ?1 ORDER BY name",
            STATE_WITH(page_after(request, &names))),
        "name", &names, type_json);
}

static void deprecate_type(const struct request *request, struct response *response)
{
    bool undo = json_is_true(json_object_get(request->body, "undoDeprecate"));
    char *now = now_text();

    if (state_change(request->state,
            undo ? "UPDATE thing_types SET deprecated = 0 * CAST(?2 AS INTEGER) WHERE name = ?1"
                 : "UPDATE thing_types SET deprecated = CASE deprecated WHEN 0 THEN"
                   " CAST(?2 AS INTEGER) ELSE deprecated END WHERE name = ?1",
            STATE_WITH(request->parameters[0], now)) < 1)
        respond_not_found(response, "Thing type", request->parameters[0]);
    else
        response->body = json_object();
    free(now);
}

static void delete_type(const struct request *request, struct response *response)
{
    const char *name = request->parameters[0];
    json_t *row = find_type(request, name);
    json_int_t deprecated = row_integer(row, "deprecated");

    if (!row)
        respond_not_found(response, "Thing type", name);
    else if (!deprecated)
        respond_error(response, 400, "InvalidRequestException",
            "Can not delete thing type %s, it is not deprecated", name);
    else if ((json_int_t)time(NULL) - deprecated < request->options->deprecation_wait)
        respond_error(response, 400, "InvalidRequestException",
            "Please wait for 5 minutes after deprecation and then retry");
    else if (has_row(request, "SELECT 1 FROM things WHERE type = ?1 LIMIT 1", STATE_WITH(name)))
        respond_error(response, 400, "InvalidRequestException",
            "Can not delete thing type %s, there are still things associated with it", name);
    else {
        state_change(request->state, "DELETE FROM thing_types WHERE name = ?1", STATE_WITH(name));
        response->body = json_object();
    }
    json_decref(row);
}

/* ------------------------------------------------------------------ things */

static json_t *find_thing(const struct request *request, const char *name)
{
    return first_row(
        state_select(request->state, "SELECT * FROM things WHERE name = ?1", STATE_WITH(name)));
}

static json_t *attributes_of(const json_t *row)
{
    json_t *attributes = json_loads(row_text(row, "attributes"), 0, NULL);

    return attributes ? attributes : json_object();
}

static json_t *wanted_attributes(const struct request *request)
{
    json_t *attributes =
        json_object_get(json_object_get(request->body, "attributePayload"), "attributes");

    return json_is_object(attributes) ? json_incref(attributes) : json_object();
}

/* The same configuration again is no error, another one is. */
static void create_again(
    const struct request *request, struct response *response, const json_t *present)
{
    json_t *has = attributes_of(present), *wants = wanted_attributes(request);

    if (json_equal(has, wants) &&
        strcmp(row_text(present, "type"), body_text(request, "thingTypeName")) == 0)
        response->body = json_pack("{s:s, s:s, s:s}", "thingName", row_text(present, "name"),
            "thingArn", row_text(present, "arn"), "thingId", row_text(present, "id"));
    else
        respond_exists(response, row_text(present, "id"), row_text(present, "arn"),
            "Thing %s already exists in account with different configuration",
            row_text(present, "name"));
    json_decref(has);
    json_decref(wants);
}

static bool type_usable(const struct request *request, struct response *response, const char *name)
{
    json_t *type = *name ? find_type(request, name) : NULL;
    bool good = true;

    if (*name && !type) {
        respond_not_found(response, "Thing type", name);
        good = false;
    } else if (row_integer(type, "deprecated")) {
        respond_error(response, 400, "InvalidRequestException",
            "Can not create new thing with deprecated thing type: %s", name);
        good = false;
    }
    json_decref(type);
    return good;
}

static void create_thing(const struct request *request, struct response *response)
{
    const char *name = request->parameters[0], *type = body_text(request, "thingTypeName");
    json_t *present, *attributes;
    char *arn, *id, *text;

    if (!check_name(response, name))
        return;
    present = find_thing(request, name);
    if (present) {
        create_again(request, response, present);
        json_decref(present);
        return;
    }
    if (!type_usable(request, response, type))
        return;
    attributes = wanted_attributes(request);
    text = json_dumps(attributes, JSON_COMPACT);
    arn = make_arn(request, "thing", name);
    id = make_id();
    state_change(request->state,
        "INSERT INTO things (name, arn, id, type, attributes) VALUES (?1, ?2, ?3, ?4, ?5)",
        STATE_WITH(name, arn, id, type, text ? text : "{}"));
    response->body =
        json_pack("{s:s, s:s, s:s}", "thingName", name, "thingArn", arn, "thingId", id);
    json_decref(attributes);
    free(text);
    free(arn);
    free(id);
}

static json_t *thing_json(const json_t *row)
{
    json_t *thing = json_pack("{s:s, s:s, s:o, s:I}", "thingName", row_text(row, "name"),
        "thingArn", row_text(row, "arn"), "attributes", attributes_of(row), "version",
        row_integer(row, "version"));

    if (*row_text(row, "type"))
        json_object_set_new(thing, "thingTypeName", json_string(row_text(row, "type")));
    return thing;
}

static void describe_thing(const struct request *request, struct response *response)
{
    json_t *row = find_thing(request, request->parameters[0]);

    if (!row) {
        respond_not_found(response, "Thing", request->parameters[0]);
        return;
    }
    response->body = thing_json(row);
    json_object_set_new(response->body, "thingId", json_string(row_text(row, "id")));
    json_object_set_new(response->body, "defaultClientId", json_string(row_text(row, "name")));
    json_decref(row);
}

static void list_things(const struct request *request, struct response *response)
{
    static const struct page_names names = PAGE_NAMES("things");
    const char *type = request->query(request, "thingTypeName");

    respond_page(request, response,
        state_select(request->state,
            "SELECT * FROM things WHERE name > ?1 AND (?2 = '' OR type = ?2) ORDER BY name"
            " LIMIT 251",
            STATE_WITH(page_after(request, &names), type ? type : "")),
        "name", &names, thing_json);
}

static void delete_thing(const struct request *request, struct response *response)
{
    const char *name = request->parameters[0];

    if (has_row(
            request, "SELECT 1 FROM thing_principals WHERE thing = ?1 LIMIT 1", STATE_WITH(name))) {
        respond_error(response, 400, "InvalidRequestException",
            "Cannot delete. Thing %s is still attached to one or more principals", name);
        return;
    }
    /* A thing that is not there is deleted all the same. */
    state_change(request->state, "DELETE FROM group_things WHERE thing = ?1", STATE_WITH(name));
    state_change(request->state, "DELETE FROM things WHERE name = ?1", STATE_WITH(name));
    response->body = json_object();
}

/* ------------------------------------------------------------------ principals */

static bool check_principal(const struct request *request, struct response *response)
{
    if (!*request->principal)
        respond_error(response, 400, "InvalidRequestException", "Missing principal");
    else if (!has_row(request, "SELECT 1 FROM certificates WHERE arn = ?1",
                 STATE_WITH(request->principal)))
        respond_not_found(response, "Certificate", request->principal);
    else
        return true;
    return false;
}

static bool check_thing(const struct request *request, struct response *response, const char *name)
{
    if (has_row(request, "SELECT 1 FROM things WHERE name = ?1", STATE_WITH(name)))
        return true;
    respond_not_found(response, "Thing", name);
    return false;
}

static void attach_principal(const struct request *request, struct response *response)
{
    if (!check_thing(request, response, request->parameters[0]) ||
        !check_principal(request, response))
        return;
    state_change(request->state,
        "INSERT OR IGNORE INTO thing_principals (thing, principal) VALUES (?1, ?2)",
        STATE_WITH(request->parameters[0], request->principal));
    response->body = json_object();
}

static void detach_principal(const struct request *request, struct response *response)
{
    if (state_change(request->state,
            "DELETE FROM thing_principals WHERE thing = ?1 AND principal = ?2",
            STATE_WITH(request->parameters[0], request->principal)) < 1)
        respond_not_found(response, "Principal of thing", request->parameters[0]);
    else
        response->body = json_object();
}

static json_t *principal_json(const json_t *row)
{
    return json_string(row_text(row, "principal"));
}

static void list_principals(const struct request *request, struct response *response)
{
    static const struct page_names names = PAGE_NAMES("principals");

    if (!check_thing(request, response, request->parameters[0]))
        return;
    respond_page(request, response,
        state_select(request->state,
            "SELECT principal FROM thing_principals WHERE thing = ?1 AND principal > ?2"
            " ORDER BY principal",
            STATE_WITH(request->parameters[0], page_after(request, &names))),
        "principal", &names, principal_json);
}

static json_t *thing_name_json(const json_t *row)
{
    return json_string(row_text(row, "thing"));
}

static void list_principal_things(const struct request *request, struct response *response)
{
    static const struct page_names names = PAGE_NAMES("things");

    if (!check_principal(request, response))
        return;
    respond_page(request, response,
        state_select(request->state,
            "SELECT thing FROM thing_principals WHERE principal = ?1 AND thing > ?2 ORDER BY thing",
            STATE_WITH(request->principal, page_after(request, &names))),
        "thing", &names, thing_name_json);
}

const struct operation thing_operations[] = {
    {"CreateThingType", "POST", "/thing-types/{}", create_type},
    {"DescribeThingType", "GET", "/thing-types/{}", describe_type},
    {"ListThingTypes", "GET", "/thing-types", list_types},
    {"DeprecateThingType", "POST", "/thing-types/{}/deprecate", deprecate_type},
    {"DeleteThingType", "DELETE", "/thing-types/{}", delete_type},
    {"CreateThing", "POST", "/things/{}", create_thing},
    {"DescribeThing", "GET", "/things/{}", describe_thing},
    {"ListThings", "GET", "/things", list_things},
    {"DeleteThing", "DELETE", "/things/{}", delete_thing},
    {"AttachThingPrincipal", "PUT", "/things/{}/principals", attach_principal},
    {"DetachThingPrincipal", "DELETE", "/things/{}/principals", detach_principal},
    {"ListThingPrincipals", "GET", "/things/{}/principals", list_principals},
    {"ListPrincipalThings", "GET", "/principals/things", list_principal_things},
    {NULL, NULL, NULL, NULL},
};
