/* SPDX-License-Identifier: Apache-2.0 */
/* Attachments of policies to certificates and thing groups. */
#include "sandbox/targets.h"
#include "sandbox/operation_tables.h"

#include <stdlib.h>
#include <string.h>

#include "sandbox/identity.h"
#include "sandbox/page.h"
#include "sandbox/request.h"
#include "sandbox/resource.h"
#include "sandbox/response.h"
#include "sandbox/row.h"

#define POLICIES_OF_TARGET_MAX 10

static bool targets_check(
    const struct request *request, struct response *response, const char *target)
{
    if (strncmp(target, "arn:", 4) != 0) {
        response_invalid(response, "Invalid target %.200s", target);
        return false;
    }
    if (row_exists(request,
            "SELECT 1 FROM certificates WHERE arn = ?1 UNION SELECT 1 FROM thing_groups"
            " WHERE arn = ?1",
            STATE_WITH(target)))
        return true;
    response_not_found(response, "Target", target);
    return false;
}

bool targets_attach(
    const struct request *request, struct response *response, const char *policy, const char *arn)
{
    if (!targets_check(request, response, arn))
        return false;
    if (row_exists(request,
            "SELECT count(*) AS n FROM policy_targets WHERE target = ?1 AND policy <> ?2"
            " HAVING n >= 10",
            STATE_WITH(arn, policy))) {
        response_error(response, 410, "LimitExceededException",
            "A target takes at most %d policies", POLICIES_OF_TARGET_MAX);
        return false;
    }
    state_change(request->state,
        "INSERT OR IGNORE INTO policy_targets (policy, target) VALUES (?1, ?2)",
        STATE_WITH(policy, arn));
    return true;
}

/* The older operations pass the target in a header. */
static const char *targets_target_of(const struct request *request)
{
    return request_given(request, "principal") ? request_text(request, "principal")
                                               : request_text(request, "target");
}

static void targets_attach_policy(const struct request *request, struct response *response)
{
    if (resource_check_policy(request, response))
        targets_attach(
            request, response, request_text(request, "policyName"), targets_target_of(request));
}

/* Detaching a policy that is not attached succeeds: the service model has no error for it. */
static void targets_detach_policy(const struct request *request, struct response *response)
{
    const char *name = request_text(request, "policyName"), *target = targets_target_of(request);
    char *until;

    (void)response;
    if (state_change(request->state, "DELETE FROM policy_targets WHERE policy = ?1 AND target = ?2",
            STATE_WITH(name, target)) < 1)
        return;
    until = identity_number_text(identity_now_ms() + request->service->detach_wait_ms);
    state_change(request->state,
        "REPLACE INTO detached_policies (policy, until) VALUES (?1, CAST(?2 AS INTEGER))",
        STATE_WITH(name, until));
    free(until);
}

static json_t *targets_target_json(const json_t *row)
{
    return json_string(row_text(row, "target"));
}

static const char targets_sql[] =
    "SELECT target FROM policy_targets WHERE target > ?1 AND policy = ?3"
    " AND (?4 = '' OR target LIKE '%:cert/%') ORDER BY target LIMIT CAST(?2 AS INTEGER)";

static void targets_list(const struct request *request, struct response *response)
{
    static const struct listing_page page = {
        "targets", true, targets_sql, NULL, "target", targets_target_json};

    if (resource_check_policy(request, response))
        page_respond(request, response, &page, STATE_WITH(request_text(request, "policyName"), ""));
}

static void targets_list_policy_principals(const struct request *request, struct response *response)
{
    static const struct listing_page page = {
        "principals", true, targets_sql, NULL, "target", targets_target_json};

    if (resource_check_policy(request, response))
        page_respond(request, response, &page,
            STATE_WITH(request_text(request, "policyName"), "certificates only"));
}

static json_t *targets_policy_json(const json_t *row)
{
    return json_pack(
        "{s:s, s:s}", "policyName", row_text(row, "name"), "policyArn", row_text(row, "arn"));
}

/* With `recursive`, also the policies of the groups of the certificate's things and ancestors. */
static void targets_list_attached(const struct request *request, struct response *response)
{
    static const struct listing_page page = {"policies", true,
        "WITH RECURSIVE groups (name) AS ("
        " SELECT g.thing_group FROM group_things g JOIN thing_principals t ON t.thing = g.thing"
        "  WHERE ?4 <> '' AND t.principal = ?3"
        " UNION SELECT name FROM thing_groups WHERE ?4 <> '' AND arn = ?3"
        " UNION SELECT p.parent FROM thing_groups p JOIN groups b ON p.name = b.name"
        "  WHERE p.parent <> '')"
        " SELECT DISTINCT p.name, p.arn FROM policies p JOIN policy_targets t ON t.policy = p.name"
        " WHERE p.name > ?1 AND (t.target = ?3 OR t.target IN"
        "  (SELECT arn FROM thing_groups WHERE name IN groups))"
        " ORDER BY p.name LIMIT CAST(?2 AS INTEGER)",
        NULL, "name", targets_policy_json};
    const char *target = targets_target_of(request);

    if (targets_check(request, response, target))
        page_respond(request, response, &page,
            STATE_WITH(target, request_flag(request, "recursive") ? "yes" : ""));
}

/* The policies of a certificate that connects as a thing: its own and those of the groups. */
static void targets_get_effective(const struct request *request, struct response *response)
{
    const char *principal = request_text(request, "principal");
    json_t *rows, *list = json_array();

    if (*principal && !resource_check_certificate(request, response, principal)) {
        json_decref(list);
        return;
    }
    rows = state_select(request->state,
        "WITH RECURSIVE groups (name) AS (SELECT thing_group FROM group_things WHERE thing = ?2"
        " UNION SELECT p.parent FROM thing_groups p JOIN groups b ON p.name = b.name"
        "  WHERE p.parent <> '')"
        " SELECT DISTINCT p.name, p.arn, v.document FROM policies p"
        " JOIN policy_versions v ON v.policy = p.name AND v.version = p.default_version"
        " JOIN policy_targets t ON t.policy = p.name WHERE t.target = ?1 OR t.target IN"
        "  (SELECT arn FROM thing_groups WHERE name IN groups) ORDER BY p.name",
        STATE_WITH(principal, request_text(request, "thingName")));
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *policy = targets_policy_json(json_array_get(rows, i));

        json_object_set_new(
            policy, "policyDocument", json_string(row_text(json_array_get(rows, i), "document")));
        json_array_append_new(list, policy);
    }
    json_decref(rows);
    response->body = json_pack("{s:o}", "effectivePolicies", list);
}

#define OLD_PRINCIPAL                                                                              \
    {                                                                                              \
        .name = "principal", .location = IN_HEADER, .type = TEXT, .required = true, .min = 1,      \
        .max = 2048, .wire = "x-amzn-iot-principal"                                                \
    }

static const struct parameter attach_parameters[] = {
    POLICY_IN_PATH,
    {.name = "target", .location = IN_BODY, .type = TEXT, .required = true, .min = 1, .max = 2048},
    END_OF_PARAMETERS,
};
static const struct parameter targets_parameters[] = {
    POLICY_IN_PATH,
    OLDER_PAGE_PARAMETERS,
    END_OF_PARAMETERS,
};
static const struct parameter attached_parameters[] = {
    {.name = "target", .location = IN_PATH, .type = TEXT, .required = true, .min = 1, .max = 2048},
    FLAG_IN_QUERY("recursive"),
    OLDER_PAGE_PARAMETERS,
    END_OF_PARAMETERS,
};
static const struct parameter old_attach_parameters[] = {
    POLICY_IN_PATH,
    OLD_PRINCIPAL,
    END_OF_PARAMETERS,
};
static const struct parameter principal_policies_parameters[] = {
    OLD_PRINCIPAL,
    OLDER_PAGE_PARAMETERS,
    ASCENDING,
    END_OF_PARAMETERS,
};
static const struct parameter policy_principals_parameters[] = {
    {.name = "policyName",
        .location = IN_HEADER,
        .type = TEXT,
        .required = true,
        .min = 1,
        .max = 128,
        .charset = POLICY_NAME,
        .wire = "x-amzn-iot-policy"},
    OLDER_PAGE_PARAMETERS,
    ASCENDING,
    END_OF_PARAMETERS,
};
static const struct parameter effective_parameters[] = {
    TEXT_IN_BODY("principal"),
    TEXT_IN_BODY("cognitoIdentityPoolId"),
    NAME_IN_QUERY("thingName"),
    END_OF_PARAMETERS,
};

const struct operation target_operations[] = {
    {.name = "AttachPolicy",
        .method = "PUT",
        .path = "/target-policies/{policyName}",
        .rate = 15,
        .opens = true,
        .run = targets_attach_policy,
        .parameters = attach_parameters},
    {.name = "DetachPolicy",
        .method = "POST",
        .path = "/target-policies/{policyName}",
        .rate = 15,
        .opens = true,
        .run = targets_detach_policy,
        .parameters = attach_parameters},
    {.name = "ListTargetsForPolicy",
        .method = "POST",
        .path = "/policy-targets/{policyName}",
        .rate = 10,
        .run = targets_list,
        .parameters = targets_parameters},
    {.name = "ListAttachedPolicies",
        .method = "POST",
        .path = "/attached-policies/{target}",
        .rate = 10,
        .run = targets_list_attached,
        .parameters = attached_parameters},
    {.name = "AttachPrincipalPolicy",
        .method = "PUT",
        .path = "/principal-policies/{policyName}",
        .rate = 15,
        .opens = true,
        .run = targets_attach_policy,
        .parameters = old_attach_parameters},
    {.name = "DetachPrincipalPolicy",
        .method = "DELETE",
        .path = "/principal-policies/{policyName}",
        .rate = 15,
        .opens = true,
        .run = targets_detach_policy,
        .parameters = old_attach_parameters},
    {.name = "ListPrincipalPolicies",
        .method = "GET",
        .path = "/principal-policies",
        .rate = 10,
        .run = targets_list_attached,
        .parameters = principal_policies_parameters},
    {.name = "ListPolicyPrincipals",
        .method = "GET",
        .path = "/policy-principals",
        .rate = 10,
        .run = targets_list_policy_principals,
        .parameters = policy_principals_parameters},
    {.name = "GetEffectivePolicies",
        .method = "POST",
        .path = "/effective-policies",
        .rate = 5,
        .run = targets_get_effective,
        .parameters = effective_parameters},
    {},
};
