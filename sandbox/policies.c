/* SPDX-License-Identifier: Apache-2.0 */
/* Policies and their versions. */
#include "sandbox/policies.h"
#include "sandbox/operation_tables.h"

#include <stdlib.h>
#include <string.h>

#include "plugins/aws/policy/policy.h"
#include "sandbox/identity.h"
#include "sandbox/page.h"
#include "sandbox/request.h"
#include "sandbox/resource.h"
#include "sandbox/response.h"
#include "sandbox/row.h"
#include "sandbox/tags.h"

#define VERSIONS_MAX 5

static json_t *policies_find_policy(const struct request *request, const char *name)
{
    return row_first(state_select(request->state,
        "SELECT p.*, v.document, v.id FROM policies p"
        " JOIN policy_versions v ON v.policy = p.name AND v.version = p.default_version"
        " WHERE p.name = ?1",
        STATE_WITH(name)));
}

/* False after a MalformedPolicyException. */
static bool policies_check_document(struct response *response, const char *document)
{
    char why[256] = "";
    struct policy *policy = policy_parse(document, why, sizeof(why));

    if (!policy)
        response_error(
            response, 400, "MalformedPolicyException", "Policy document is malformed: %s", why);
    policy_free(policy);
    return response->error == NULL;
}

static void policies_add_version(
    const struct request *request, const char *name, const char *version, const char *document)
{
    char *now = identity_now_text();

    state_change(request->state,
        "INSERT INTO policy_versions (policy, version, document, created)"
        " VALUES (?1, CAST(?2 AS INTEGER), ?3, CAST(?4 AS INTEGER))",
        STATE_WITH(name, version, document, now));
    free(now);
}

bool policies_create_row(const struct request *request, struct response *response, const char *name,
    const char *document)
{
    json_t *current;
    char *arn, *now;

    if (!policies_check_document(response, document))
        return false;
    current = policies_find_policy(request, name);
    if (current) {
        response_exists(response, name, row_text(current, "arn"),
            "Policy cannot be created - name already exists (name=%s)", name);
        json_decref(current);
        return false;
    }
    arn = identity_arn(request, "policy", name);
    if (tags_set(request, response, arn)) {
        now = identity_now_text();
        state_change(request->state,
            "INSERT INTO policies (name, arn, created, modified, default_version, last_version)"
            " VALUES (?1, ?2, CAST(?3 AS INTEGER), CAST(?3 AS INTEGER), 1, 1)",
            STATE_WITH(name, arn, now));
        policies_add_version(request, name, "1", document);
        free(now);
    }
    free(arn);
    return response->error == NULL;
}

static void policies_create_policy(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "policyName");
    const char *document = request_text(request, "policyDocument");
    char *arn;

    if (!policies_create_row(request, response, name, document))
        return;
    arn = identity_arn(request, "policy", name);
    response->body = json_pack("{s:s, s:s, s:s, s:s}", "policyName", name, "policyArn", arn,
        "policyDocument", document, "policyVersionId", "1");
    free(arn);
}

/* A number of a row as a text, which the API uses for versions. */
static json_t *policies_version_json(const json_t *row, const char *column)
{
    char *text = identity_number_text(row_integer(row, column));
    json_t *json = json_string(text);

    free(text);
    return json;
}

static void policies_get_policy(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "policyName");
    json_t *row = policies_find_policy(request, name);

    if (!row) {
        response_not_found(response, "Policy", name);
        return;
    }
    response->body =
        json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "policyName", row_text(row, "name"),
            "policyArn", row_text(row, "arn"), "policyDocument", row_text(row, "document"),
            "defaultVersionId", policies_version_json(row, "default_version"), "creationDate",
            identity_time_json(row, "created"), "lastModifiedDate",
            identity_time_json(row, "modified"), "generationId", policies_version_json(row, "id"));
    json_decref(row);
}

static json_t *policies_policy_json(const json_t *row)
{
    return json_pack(
        "{s:s, s:s}", "policyName", row_text(row, "name"), "policyArn", row_text(row, "arn"));
}

static void policies_list(const struct request *request, struct response *response)
{
    static const struct listing_page page = {"policies", true,
        "SELECT rowid AS position, * FROM policies WHERE rowid > CAST(?1 AS INTEGER)"
        " ORDER BY rowid LIMIT CAST(?2 AS INTEGER)",
        "SELECT rowid AS position, * FROM policies WHERE rowid < CAST(?1 AS INTEGER)"
        " ORDER BY rowid DESC LIMIT CAST(?2 AS INTEGER)",
        "position", policies_policy_json};

    page_respond(request, response, &page, NULL);
}

static void policies_delete_policy(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "policyName");
    char *now;
    json_t *row;

    if (!resource_check_policy(request, response))
        return;
    now = identity_now_text();
    /* A policy counts as attached until the delay after its detachment is over. */
    if (row_exists(request,
            "SELECT 1 FROM policy_targets WHERE policy = ?1 UNION SELECT 1 FROM detached_policies"
            " WHERE policy = ?1 AND until > CAST(?2 AS INTEGER) LIMIT 1",
            STATE_WITH(name, now)))
        response_error(response, 409, "DeleteConflictException",
            "The policy cannot be deleted as the policy is attached to one or more principals "
            "(name=%s)",
            name);
    else if (row_exists(request, "SELECT 1 FROM policy_versions WHERE policy = ?1 LIMIT 1 OFFSET 1",
                 STATE_WITH(name)))
        response_error(response, 409, "DeleteConflictException",
            "Cannot delete the policy because it has one or more policy versions attached to it "
            "(name=%s)",
            name);
    else {
        row = policies_find_policy(request, name);
        tags_clear(request, row_text(row, "arn"));
        json_decref(row);
        state_change(
            request->state, "DELETE FROM policy_versions WHERE policy = ?1", STATE_WITH(name));
        state_change(
            request->state, "DELETE FROM detached_policies WHERE policy = ?1", STATE_WITH(name));
        state_change(request->state, "DELETE FROM policies WHERE name = ?1", STATE_WITH(name));
    }
    free(now);
}

/* ------------------------------------------------------------------ versions */

static json_t *policies_find_version(const struct request *request)
{
    return row_first(state_select(request->state,
        "SELECT v.*, p.arn, v.version = p.default_version AS is_default FROM policy_versions v"
        " JOIN policies p ON p.name = v.policy WHERE p.name = ?1 AND v.version = CAST(?2 AS "
        "INTEGER)",
        STATE_WITH(request_text(request, "policyName"), request_text(request, "policyVersionId"))));
}

/* The version that the request names; NULL after an error. */
static json_t *policies_need_version(const struct request *request, struct response *response)
{
    json_t *row = resource_check_policy(request, response) ? policies_find_version(request) : NULL;

    if (!row && !response->error)
        response_not_found(response, "Policy version", request_text(request, "policyVersionId"));
    return row;
}

static void policies_set_default(const struct request *request, const char *version)
{
    char *now = identity_now_text();

    state_change(request->state,
        "UPDATE policies SET default_version = CAST(?2 AS INTEGER), modified = CAST(?3 AS INTEGER)"
        " WHERE name = ?1",
        STATE_WITH(request_text(request, "policyName"), version, now));
    free(now);
}

static void policies_create_version(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "policyName");
    bool is_default = request_flag(request, "setAsDefault");
    json_t *row;
    char *version;

    if (!resource_check_policy(request, response) ||
        !policies_check_document(response, request_text(request, "policyDocument")))
        return;
    if (row_exists(request, "SELECT 1 FROM policy_versions WHERE policy = ?1 LIMIT 1 OFFSET 4",
            STATE_WITH(name))) {
        response_error(response, 409, "VersionsLimitExceededException",
            "The policy %s already has the maximum number of versions (%d)", name, VERSIONS_MAX);
        return;
    }
    state_change(request->state,
        "UPDATE policies SET last_version = last_version + 1 WHERE name = ?1", STATE_WITH(name));
    row = policies_find_policy(request, name);
    version = identity_number_text(row_integer(row, "last_version"));
    policies_add_version(request, name, version, request_text(request, "policyDocument"));
    if (is_default)
        policies_set_default(request, version);
    response->body = json_pack("{s:s, s:s, s:s, s:b}", "policyArn", row_text(row, "arn"),
        "policyDocument", request_text(request, "policyDocument"), "policyVersionId", version,
        "isDefaultVersion", is_default);
    free(version);
    json_decref(row);
}

static void policies_get_version(const struct request *request, struct response *response)
{
    json_t *row = policies_need_version(request, response);

    if (!row)
        return;
    response->body = json_pack("{s:s, s:s, s:s, s:o, s:b, s:o, s:o, s:o}", "policyArn",
        row_text(row, "arn"), "policyName", row_text(row, "policy"), "policyDocument",
        row_text(row, "document"), "policyVersionId", policies_version_json(row, "version"),
        "isDefaultVersion", row_integer(row, "is_default") != 0, "creationDate",
        identity_time_json(row, "created"), "lastModifiedDate", identity_time_json(row, "created"),
        "generationId", policies_version_json(row, "id"));
    json_decref(row);
}

static void policies_list_versions(const struct request *request, struct response *response)
{
    json_t *rows, *list;

    if (!resource_check_policy(request, response))
        return;
    rows = state_select(request->state,
        "SELECT v.*, v.version = p.default_version AS is_default FROM policy_versions v"
        " JOIN policies p ON p.name = v.policy WHERE p.name = ?1 ORDER BY v.version DESC",
        STATE_WITH(request_text(request, "policyName")));
    list = json_array();
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        json_array_append_new(
            list, json_pack("{s:o, s:b, s:o}", "versionId", policies_version_json(row, "version"),
                      "isDefaultVersion", row_integer(row, "is_default") != 0, "createDate",
                      identity_time_json(row, "created")));
    }
    response->body = json_pack("{s:o}", "policyVersions", list);
    json_decref(rows);
}

static void policies_set_default_version(const struct request *request, struct response *response)
{
    json_t *row = policies_need_version(request, response);

    if (row)
        policies_set_default(request, request_text(request, "policyVersionId"));
    json_decref(row);
}

static void policies_delete_version(const struct request *request, struct response *response)
{
    json_t *row = policies_need_version(request, response);

    if (row && row_integer(row, "is_default"))
        response_invalid(response, "Cannot delete the default version of a policy (versionId=%s)",
            request_text(request, "policyVersionId"));
    else if (row)
        state_change(request->state,
            "DELETE FROM policy_versions WHERE policy = ?1 AND version = CAST(?2 AS INTEGER)",
            STATE_WITH(
                request_text(request, "policyName"), request_text(request, "policyVersionId")));
    json_decref(row);
}

#define DOCUMENT_IN_BODY                                                                           \
    {                                                                                              \
        .name = "policyDocument", .location = IN_BODY, .type = TEXT, .required = true,             \
        .max = 404600                                                                              \
    }
#define VERSION_IN_PATH                                                                            \
    {                                                                                              \
        .name = "policyVersionId", .location = IN_PATH, .type = TEXT, .required = true, .min = 1,  \
        .charset = DIGITS                                                                          \
    }

static const struct parameter create_parameters[] = {
    POLICY_IN_PATH,
    DOCUMENT_IN_BODY,
    TAGS_IN_BODY,
    END_OF_PARAMETERS,
};
static const struct parameter name_parameters[] = {
    POLICY_IN_PATH,
    END_OF_PARAMETERS,
};
static const struct parameter list_parameters[] = {
    OLDER_PAGE_PARAMETERS,
    ASCENDING,
    END_OF_PARAMETERS,
};
static const struct parameter create_version_parameters[] = {
    POLICY_IN_PATH,
    DOCUMENT_IN_BODY,
    FLAG_IN_QUERY("setAsDefault"),
    END_OF_PARAMETERS,
};
static const struct parameter version_parameters[] = {
    POLICY_IN_PATH,
    VERSION_IN_PATH,
    END_OF_PARAMETERS,
};

const struct operation policy_operations[] = {
    {.name = "CreatePolicy",
        .method = "POST",
        .path = "/policies/{policyName}",
        .rate = 10,
        .run = policies_create_policy,
        .parameters = create_parameters},
    {.name = "GetPolicy",
        .method = "GET",
        .path = "/policies/{policyName}",
        .rate = 10,
        .run = policies_get_policy,
        .parameters = name_parameters},
    {.name = "ListPolicies",
        .method = "GET",
        .path = "/policies",
        .rate = 10,
        .run = policies_list,
        .parameters = list_parameters},
    {.name = "DeletePolicy",
        .method = "DELETE",
        .path = "/policies/{policyName}",
        .rate = 10,
        .opens = true,
        .run = policies_delete_policy,
        .parameters = name_parameters},
    {.name = "CreatePolicyVersion",
        .method = "POST",
        .path = "/policies/{policyName}/version",
        .rate = 10,
        .opens = true,
        .run = policies_create_version,
        .parameters = create_version_parameters},
    {.name = "GetPolicyVersion",
        .method = "GET",
        .path = "/policies/{policyName}/version/{policyVersionId}",
        .rate = 15,
        .run = policies_get_version,
        .parameters = version_parameters},
    {.name = "ListPolicyVersions",
        .method = "GET",
        .path = "/policies/{policyName}/version",
        .rate = 10,
        .run = policies_list_versions,
        .parameters = name_parameters},
    {.name = "SetDefaultPolicyVersion",
        .method = "PATCH",
        .path = "/policies/{policyName}/version/{policyVersionId}",
        .rate = 10,
        .opens = true,
        .run = policies_set_default_version,
        .parameters = version_parameters},
    {.name = "DeletePolicyVersion",
        .method = "DELETE",
        .path = "/policies/{policyName}/version/{policyVersionId}",
        .rate = 10,
        .run = policies_delete_version,
        .parameters = version_parameters},
    {},
};
