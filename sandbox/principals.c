/* SPDX-License-Identifier: Apache-2.0 */
/* Attachments of certificates to things. */
#include "sandbox/principals.h"
#include "sandbox/operation_tables.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/identity.h"
#include "sandbox/page.h"
#include "sandbox/request.h"
#include "sandbox/resource.h"
#include "sandbox/response.h"
#include "sandbox/row.h"

static const char exclusive[] = "EXCLUSIVE_THING", shared[] = "NON_EXCLUSIVE_THING";

bool principals_attach(const struct request *request, struct response *response, const char *thing,
    const char *arn, const char *type)
{
    bool only = strcmp(type, exclusive) == 0;

    /* A certificate that is attached exclusively can have only one thing. */
    if (row_exists(request,
            "SELECT 1 FROM thing_principals WHERE principal = ?1 AND thing <> ?2 AND"
            " (?3 = '1' OR type = 'EXCLUSIVE_THING') LIMIT 1",
            STATE_WITH(arn, thing, only ? "1" : "0"))) {
        response_invalid(response,
            "The principal is attached to another thing and one of both wants it exclusively");
        return false;
    }
    state_change(request->state,
        "INSERT INTO thing_principals (thing, principal, type, detached) VALUES (?1, ?2, ?3, 0)"
        " ON CONFLICT (thing, principal) DO UPDATE SET detached = 0",
        STATE_WITH(thing, arn, only ? exclusive : shared));
    return true;
}

static void principal_attach(const struct request *request, struct response *response)
{
    const char *thing = request_text(request, "thingName");
    const char *arn = request_text(request, "principal");

    if (resource_check_thing(request, response, thing) &&
        resource_check_certificate(request, response, arn))
        principals_attach(
            request, response, thing, arn, request_text(request, "thingPrincipalType"));
}

/* Like AWS, detaches after a delay: until then the attachment is still visible. */
static void principal_detach(const struct request *request, struct response *response)
{
    const char *thing = request_text(request, "thingName");
    const char *arn = request_text(request, "principal");
    char *due;

    if (!row_exists(request, "SELECT 1 FROM thing_principals WHERE thing = ?1 AND principal = ?2",
            STATE_WITH(thing, arn))) {
        response_not_found(response, "Principal of thing", thing);
        return;
    }
    due = identity_number_text(identity_now_ms() + request->service->detach_wait_ms);
    state_change(request->state,
        request->service->detach_wait_ms
            ? "UPDATE thing_principals SET detached = CASE detached WHEN 0 THEN"
              " CAST(?3 AS INTEGER) ELSE detached END WHERE thing = ?1 AND principal = ?2"
            : "DELETE FROM thing_principals WHERE thing = ?1 AND principal = ?2 AND ?3 <> ''",
        STATE_WITH(thing, arn, due));
    state_expect(request->state, request->service->detach_wait_ms ? strtoll(due, NULL, 10) : 0);
    free(due);
}

static json_t *principal_json(const json_t *row)
{
    return json_string(row_text(row, "principal"));
}

static json_t *principal_object(const json_t *row)
{
    return json_pack("{s:s, s:s}", "principal", row_text(row, "principal"), "thingPrincipalType",
        row_text(row, "type"));
}

static const char principals_sql[] =
    "SELECT principal, type FROM thing_principals WHERE principal > ?1 AND thing = ?3"
    " AND (?4 = '' OR type = ?4) ORDER BY principal LIMIT CAST(?2 AS INTEGER)";

static void principal_list_principals(const struct request *request, struct response *response)
{
    static const struct listing_page page = {
        "principals", false, principals_sql, NULL, "principal", principal_json};
    const char *thing = request_text(request, "thingName");

    if (resource_check_thing(request, response, thing))
        page_respond(request, response, &page, STATE_WITH(thing, ""));
}

static void principal_list_principals_v2(const struct request *request, struct response *response)
{
    static const struct listing_page page = {
        "thingPrincipalObjects", false, principals_sql, NULL, "principal", principal_object};
    const char *thing = request_text(request, "thingName");

    if (resource_check_thing(request, response, thing))
        page_respond(request, response, &page,
            STATE_WITH(thing, request_text(request, "thingPrincipalType")));
}

static json_t *principal_thing_json(const json_t *row)
{
    return json_string(row_text(row, "thing"));
}

static json_t *principal_thing_object(const json_t *row)
{
    return json_pack("{s:s, s:s}", "thingName", row_text(row, "thing"), "thingPrincipalType",
        row_text(row, "type"));
}

static const char things_sql[] =
    "SELECT thing, type FROM thing_principals WHERE thing > ?1 AND principal = ?3"
    " AND (?4 = '' OR type = ?4) ORDER BY thing LIMIT CAST(?2 AS INTEGER)";

static void principal_list_things(const struct request *request, struct response *response)
{
    static const struct listing_page page = {
        "things", false, things_sql, NULL, "thing", principal_thing_json};
    const char *arn = request_text(request, "principal");

    if (resource_check_certificate(request, response, arn))
        page_respond(request, response, &page, STATE_WITH(arn, ""));
}

static void principal_list_things_v2(const struct request *request, struct response *response)
{
    static const struct listing_page page = {
        "principalThingObjects", false, things_sql, NULL, "thing", principal_thing_object};
    const char *arn = request_text(request, "principal");

    if (resource_check_certificate(request, response, arn))
        page_respond(
            request, response, &page, STATE_WITH(arn, request_text(request, "thingPrincipalType")));
}

static const char *const types[] = {exclusive, shared, NULL};

#define PRINCIPAL_IN_HEADER                                                                        \
    {                                                                                              \
        .name = "principal", .location = IN_HEADER, .type = TEXT, .required = true, .min = 1,      \
        .max = 2048, .wire = "x-amzn-principal"                                                    \
    }
#define TYPE_IN_QUERY                                                                              \
    {                                                                                              \
        .name = "thingPrincipalType", .location = IN_QUERY, .type = TEXT, .choices = types         \
    }

static const struct parameter attach_parameters[] = {
    NAME_IN_PATH("thingName"),
    PRINCIPAL_IN_HEADER,
    TYPE_IN_QUERY,
    END_OF_PARAMETERS,
};
static const struct parameter detach_parameters[] = {
    NAME_IN_PATH("thingName"),
    PRINCIPAL_IN_HEADER,
    END_OF_PARAMETERS,
};
static const struct parameter principals_parameters[] = {
    NAME_IN_PATH("thingName"),
    PAGE_PARAMETERS,
    END_OF_PARAMETERS,
};
static const struct parameter principals_v2_parameters[] = {
    NAME_IN_PATH("thingName"),
    PAGE_PARAMETERS,
    TYPE_IN_QUERY,
    END_OF_PARAMETERS,
};
static const struct parameter things_parameters[] = {
    PRINCIPAL_IN_HEADER,
    PAGE_PARAMETERS,
    END_OF_PARAMETERS,
};
static const struct parameter things_v2_parameters[] = {
    PRINCIPAL_IN_HEADER,
    PAGE_PARAMETERS,
    TYPE_IN_QUERY,
    END_OF_PARAMETERS,
};

const struct operation principal_operations[] = {
    {.name = "AttachThingPrincipal",
        .method = "PUT",
        .path = "/things/{thingName}/principals",
        .rate = 15,
        .opens = true,
        .run = principal_attach,
        .parameters = attach_parameters},
    {.name = "DetachThingPrincipal",
        .method = "DELETE",
        .path = "/things/{thingName}/principals",
        .rate = 15,
        .opens = true,
        .run = principal_detach,
        .parameters = detach_parameters},
    {.name = "ListThingPrincipals",
        .method = "GET",
        .path = "/things/{thingName}/principals",
        .rate = 10,
        .run = principal_list_principals,
        .parameters = principals_parameters},
    {.name = "ListThingPrincipalsV2",
        .method = "GET",
        .path = "/things/{thingName}/principals-v2",
        .rate = 10,
        .run = principal_list_principals_v2,
        .parameters = principals_v2_parameters},
    {.name = "ListPrincipalThings",
        .method = "GET",
        .path = "/principals/things",
        .rate = 10,
        .run = principal_list_things,
        .parameters = things_parameters},
    {.name = "ListPrincipalThingsV2",
        .method = "GET",
        .path = "/principals/things-v2",
        .rate = 10,
        .run = principal_list_things_v2,
        .parameters = things_v2_parameters},
    {},
};
