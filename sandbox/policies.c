/* Policies, their versions, and what they are attached to. */
#include <stdlib.h>
#include <string.h>

#include "sandbox/operation.h"

#define DOCUMENT_MAX 2048
#define POLICIES_PER_TARGET 10

static json_t *find_policy(const struct request *request, const char *name)
{
    return first_row(state_select(request->state,
        "SELECT p.name, p.arn, p.created, p.default_version, v.document FROM policies p"
        " JOIN policy_versions v ON v.policy = p.name AND v.version = p.default_version"
        " WHERE p.name = ?1",
        STATE_WITH(name)));
}

/* A JSON object with statements, short enough; AWS counts it without white space. */
static bool valid_document(const char *text)
{
    json_t *document = json_loads(text, 0, NULL);
    char *compact = json_dumps(document, JSON_COMPACT);
    bool good = json_is_object(document) && json_object_get(document, "Statement") && compact &&
                strlen(compact) <= DOCUMENT_MAX;

    free(compact);
    json_decref(document);
    return good;
}

static void create_policy(const struct request *request, struct response *response)
{
    const char *name = request->parameters[0], *document = body_text(request, "policyDocument");
    json_t *present = find_policy(request, name);
    char *arn, *now;

    if (present) {
        respond_exists(response, name, row_text(present, "arn"),
            "Policy cannot be created - name already exists (name=%s)", name);
        json_decref(present);
        return;
    }
    if (!valid_document(document)) {
        respond_error(
            response, 400, "MalformedPolicyException", "Policy document is malformed or too long");
        return;
    }
    arn = make_arn(request, "policy", name);
    now = now_text();
    state_change(request->state,
        "INSERT INTO policies (name, arn, created, default_version)"
        " VALUES (?1, ?2, CAST(?3 AS INTEGER), '1')",
        STATE_WITH(name, arn, now));
    state_change(request->state,
        "INSERT INTO policy_versions (policy, version, document, created)"
        " VALUES (?1, '1', ?2, CAST(?3 AS INTEGER))",
        STATE_WITH(name, document, now));
    response->body = json_pack("{s:s, s:s, s:s, s:s}", "policyName", name, "policyArn", arn,
        "policyDocument", document, "policyVersionId", "1");
    free(arn);
    free(now);
}

static void get_policy(const struct request *request, struct response *response)
{
    json_t *row = find_policy(request, request->parameters[0]);

    if (!row) {
        respond_not_found(response, "Policy", request->parameters[0]);
        return;
    }
    response->body =
        json_pack("{s:s, s:s, s:s, s:s, s:I}", "policyName", row_text(row, "name"), "policyArn",
            row_text(row, "arn"), "policyDocument", row_text(row, "document"), "defaultVersionId",
            row_text(row, "default_version"), "creationDate", row_integer(row, "created"));
    json_decref(row);
}

static json_t *policy_json(const json_t *row)
{
    return json_pack(
        "{s:s, s:s}", "policyName", row_text(row, "name"), "policyArn", row_text(row, "arn"));
}

static void list_policies(const struct request *request, struct response *response)
{
    static const struct page_names names = PAGE_MARKER("policies");

    respond_page(request, response,
        state_select(request->state, "SELECT * FROM policies WHERE name > ?1 ORDER BY name",
            STATE_WITH(page_after(request, &names))),
        "name", &names, policy_json);
}

static bool check_policy(const struct request *request, struct response *response)
{
    if (has_row(
            request, "SELECT 1 FROM policies WHERE name = ?1", STATE_WITH(request->parameters[0])))
        return true;
    respond_not_found(response, "Policy", request->parameters[0]);
    return false;
}

static json_t *version_json(const json_t *row)
{
    return json_pack("{s:s, s:b, s:I}", "versionId", row_text(row, "version"), "isDefaultVersion",
        row_integer(row, "is_default") != 0, "createDate", row_integer(row, "created"));
}

static void list_versions(const struct request *request, struct response *response)
{
    static const struct page_names names = PAGE_NAMES("policyVersions");

    if (!check_policy(request, response))
        return;
    respond_page(request, response,
        state_select(request->state,
            "SELECT v.version, v.created, v.version = p.default_version AS is_default"
            " FROM policy_versions v JOIN policies p ON p.name = v.policy"
            " WHERE p.name = ?1 ORDER BY v.version",
            STATE_WITH(request->parameters[0])),
        "version", &names, version_json);
}

static void delete_version(const struct request *request, struct response *response)
{
    const char *name = request->parameters[0], *version = request->parameters[1];

    if (!check_policy(request, response))
        return;
    if (has_row(request, "SELECT 1 FROM policies WHERE name = ?1 AND default_version = ?2",
            STATE_WITH(name, version)))
        respond_error(response, 409, "DeleteConflictException",
            "Cannot delete the default version of a policy (versionId=%s)", version);
    else if (state_change(request->state,
                 "DELETE FROM policy_versions WHERE policy = ?1 AND version = ?2",
                 STATE_WITH(name, version)) < 1)
        respond_not_found(response, "Policy version", version);
    else
        response->body = json_object();
}

static void delete_policy(const struct request *request, struct response *response)
{
    const char *name = request->parameters[0];

    if (!check_policy(request, response))
        return;
    if (has_row(
            request, "SELECT 1 FROM policy_targets WHERE policy = ?1 LIMIT 1", STATE_WITH(name)) ||
        has_row(request, "SELECT 1 FROM policy_versions WHERE policy = ?1 LIMIT 1 OFFSET 1",
            STATE_WITH(name))) {
        respond_error(response, 409, "DeleteConflictException",
            "The policy cannot be deleted as the policy is attached to one or more principals "
            "(name=%s) or has other versions",
            name);
        return;
    }
    state_change(request->state, "DELETE FROM policy_versions WHERE policy = ?1", STATE_WITH(name));
    state_change(request->state, "DELETE FROM policies WHERE name = ?1", STATE_WITH(name));
    response->body = json_object();
}

/* ------------------------------------------------------------------ targets */

static bool check_target(
    const struct request *request, struct response *response, const char *target)
{
    if (has_row(request,
            "SELECT 1 FROM certificates WHERE arn = ?1 UNION SELECT 1 FROM thing_groups"
            " WHERE arn = ?1",
            STATE_WITH(target)))
        return true;
    respond_not_found(response, "Target", target);
    return false;
}

static void attach_policy(const struct request *request, struct response *response)
{
    const char *name = request->parameters[0], *target = body_text(request, "target");

    if (!check_policy(request, response) || !check_target(request, response, target))
        return;
    if (has_row(request,
            "SELECT count(*) AS n FROM policy_targets WHERE target = ?1 AND policy <> ?2"
            " HAVING n >= 10",
            STATE_WITH(target, name))) {
        respond_error(response, 410, "LimitExceededException", "A target takes at most %d policies",
            POLICIES_PER_TARGET);
        return;
    }
    state_change(request->state,
        "INSERT OR IGNORE INTO policy_targets (policy, target) VALUES (?1, ?2)",
        STATE_WITH(name, target));
    response->body = json_object();
}

static void detach_policy(const struct request *request, struct response *response)
{
    if (!check_policy(request, response))
        return;
    state_change(request->state, "DELETE FROM policy_targets WHERE policy = ?1 AND target = ?2",
        STATE_WITH(request->parameters[0], body_text(request, "target")));
    response->body = json_object();
}

static json_t *target_json(const json_t *row)
{
    return json_string(row_text(row, "target"));
}

static void list_targets(const struct request *request, struct response *response)
{
    static const struct page_names names = PAGE_MARKER("targets");

    if (!check_policy(request, response))
        return;
    respond_page(request, response,
        state_select(request->state,
            "SELECT target FROM policy_targets WHERE policy = ?1 AND target > ?2 ORDER BY target",
            STATE_WITH(request->parameters[0], page_after(request, &names))),
        "target", &names, target_json);
}

static void list_attached(const struct request *request, struct response *response)
{
    static const struct page_names names = PAGE_MARKER("policies");
    const char *target = request->parameters[0];

    if (!check_target(request, response, target))
        return;
    respond_page(request, response,
        state_select(request->state,
            "SELECT p.name, p.arn FROM policies p JOIN policy_targets t ON t.policy = p.name"
            " WHERE t.target = ?1 AND p.name > ?2 ORDER BY p.name",
            STATE_WITH(target, page_after(request, &names))),
        "name", &names, policy_json);
}

const struct operation policy_operations[] = {
    {"CreatePolicy", "POST", "/policies/{}", create_policy},
    {"GetPolicy", "GET", "/policies/{}", get_policy},
    {"ListPolicies", "GET", "/policies", list_policies},
    {"ListPolicyVersions", "GET", "/policies/{}/version", list_versions},
    {"DeletePolicyVersion", "DELETE", "/policies/{}/version/{}", delete_version},
    {"DeletePolicy", "DELETE", "/policies/{}", delete_policy},
    {"AttachPolicy", "PUT", "/target-policies/{}", attach_policy},
    {"DetachPolicy", "POST", "/target-policies/{}", detach_policy},
    {"ListTargetsForPolicy", "POST", "/policy-targets/{}", list_targets},
    {"ListAttachedPolicies", "POST", "/attached-policies/{}", list_attached},
    {NULL, NULL, NULL, NULL},
};
