/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RegisterThing: fills in the parameters of a provisioning template, and creates the thing, the
 * certificate and the policy that it defines.
 */
#include <stdlib.h>
#include <string.h>

#include "plugins/shared/aws/sigv4.h"
#include "sandbox/certificates.h"
#include "sandbox/group_members.h"
#include "sandbox/identity.h"
#include "sandbox/operation_tables.h"
#include "sandbox/policies.h"
#include "sandbox/principals.h"
#include "sandbox/registration_internal.h"
#include "sandbox/request.h"
#include "sandbox/response.h"
#include "sandbox/row.h"
#include "sandbox/targets.h"
#include "sandbox/things.h"
#include "sandbox/validate.h"

bool registration_fail(struct registration_template *template, const char *text, const char *detail)
{
    if (!template->response->error)
        response_error(
            template->response, 400, "ResourceRegistrationFailureException", "%s%s", text, detail);
    return false;
}

/* ------------------------------------------------------------------ resources */

/* A resource of the template: its properties, and what to do if it exists already. */
struct registration_wanted {
    const char *name; /* logical name in the template */
    const json_t *properties, *overrides;
};

static bool registration_check_overrides(
    struct registration_template *template, const char *name, const json_t *overrides)
{
    static const char *const known[] = {"DO_NOTHING", "REPLACE", "FAIL", "MERGE"};
    const char *property;
    json_t *value;

    json_object_foreach((json_t *)overrides, property, value)
    {
        bool good = false;

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            good =
                good || (json_is_string(value) && strcmp(json_string_value(value), known[i]) == 0);
        if (!good)
            return registration_fail(
                template, "OverrideSettings take DO_NOTHING, REPLACE, FAIL or MERGE in ", name);
    }
    return true;
}

/* The only resource of a type; `properties` is NULL when there is none. */
static struct registration_wanted registration_find_resource(
    struct registration_template *template, const json_t *resources, const char *type)
{
    struct registration_wanted found = {0};
    const char *key;
    json_t *resource;

    json_object_foreach((json_t *)resources, key, resource)
    {
        const char *is = json_string_value(json_object_get(resource, "Type"));

        if (!is || strcmp(is, type) != 0)
            continue;
        if (found.properties)
            registration_fail(
                template, "The template has more than one resource of the type ", type);
        found = (struct registration_wanted){key, json_object_get(resource, "Properties"),
            json_object_get(resource, "OverrideSettings")};
        registration_check_overrides(template, key, found.overrides);
    }
    return found;
}

static bool registration_overrides_with(
    const struct registration_wanted *wanted, const char *property, const char *how)
{
    const char *value = json_string_value(json_object_get(wanted->overrides, property));

    return value && strcmp(value, how) == 0;
}

static json_t *registration_make_certificate(
    struct registration_template *template, const struct registration_wanted *resource)
{
    const json_t *properties = resource->properties;
    const struct request *request = template->request;
    char *csr = registration_member(template, properties, "CertificateSigningRequest");
    char *id = registration_member(template, properties, "CertificateId");
    char *pem = registration_member(template, properties, "CertificatePem");
    char *status = registration_member(template, properties, "Status");
    const char *wanted = status ? status : "ACTIVE";
    struct iotify_buffer signed_pem;
    json_t *row = NULL;

    iotify_buffer_init(&signed_pem, TEXT_BYTES_MAX);
    if (strcmp(wanted, "ACTIVE") != 0 && strcmp(wanted, "INACTIVE") != 0)
        registration_fail(template, "Status must be ACTIVE or INACTIVE, not ", wanted);
    else if (csr && ca_sign_request(request->ca, csr, &signed_pem))
        row = certificates_create_row(
            request, template->response, iotify_buffer_text(&signed_pem), wanted, "DEFAULT");
    else if (csr)
        registration_fail(template, "The certificate signing request is not valid", "");
    else if (pem)
        row = certificates_create_row(request, template->response, pem, wanted, "SNI_ONLY");
    else if (id) {
        row = row_first(state_select(
            request->state, "SELECT * FROM certificates WHERE id = ?1", STATE_WITH(id)));
        if (!row)
            registration_fail(template, "There is no certificate ", id);
        else if (status && registration_overrides_with(resource, "Status", "FAIL") &&
                 strcmp(row_text(row, "status"), wanted) != 0)
            response_exists(template->response, id, row_text(row, "arn"),
                "The certificate %s has another status", id);
        else if (status && !registration_overrides_with(resource, "Status", "DO_NOTHING"))
            certificates_set_status(request, template->response, id, wanted);
    } else {
        registration_fail(template,
            "A certificate needs CertificateSigningRequest, CertificatePem or CertificateId", "");
    }
    iotify_buffer_clear(&signed_pem);
    free(csr);
    free(id);
    free(pem);
    free(status);
    return row;
}

/* {"name": value, …} with every value filled in. */
static json_t *registration_fill_in_attributes(
    struct registration_template *template, const json_t *payload)
{
    json_t *attributes = json_object(), *value;
    const char *name;

    json_object_foreach((json_t *)payload, name, value)
    {
        char *text = registration_member(template, payload, name);

        if (text)
            json_object_set_new(attributes, name, json_string(text));
        free(text);
    }
    return attributes;
}

static bool registration_join_groups(
    struct registration_template *template, const json_t *properties, const char *thing)
{
    const json_t *groups = json_object_get(properties, "ThingGroups");

    for (size_t i = 0; i < json_array_size(groups); i++) {
        struct iotify_buffer name;
        bool good;

        iotify_buffer_init(&name, 1024);
        good = registration_append(template, json_array_get(groups, i), &name, 0) &&
               group_members_join(
                   template->request, template->response, iotify_buffer_text(&name), thing);
        if (name.failed)
            registration_fail(template, "A name in ThingGroups is too long", "");
        iotify_buffer_clear(&name);
        if (!good)
            return false;
    }
    return true;
}

/* Changes an existing thing as the OverrideSettings of the template say. */
static bool registration_override_thing(struct registration_template *template,
    const struct registration_wanted *resource, const json_t *existing, const char *type,
    json_t *attributes)
{
    static const char *const properties[] = {"AttributePayload", "ThingTypeName", "ThingGroups"};
    const char *name = row_text(existing, "name");
    json_t *kept = row_json(existing, "attributes");
    char *text;

    for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
        if (registration_overrides_with(resource, properties[i], "FAIL") &&
            json_object_get(resource->properties, properties[i]))
            response_exists(template->response, row_text(existing, "id"), row_text(existing, "arn"),
                "Thing %s already exists", name);
    if (!template->response->error) {
        if (registration_overrides_with(resource, "AttributePayload", "MERGE"))
            json_object_update(kept, attributes);
        text = json_dumps(registration_overrides_with(resource, "AttributePayload", "REPLACE")
                              ? attributes
                              : kept,
            JSON_COMPACT);
        if (!registration_overrides_with(resource, "ThingTypeName", "REPLACE"))
            type = row_text(existing, "type");
        if (registration_overrides_with(resource, "ThingGroups", "REPLACE"))
            state_change(template->request->state, "DELETE FROM group_things WHERE thing = ?1",
                STATE_WITH(name));
        state_change(template->request->state,
            "UPDATE things SET attributes = ?2, type = ?3, version = version + 1 WHERE name = ?1",
            STATE_WITH(name, text ? text : "{}", type));
        free(text);
    }
    json_decref(kept);
    return !template->response->error;
}

/* The row of the new or existing thing, before overrides; NULL after an error. */
static json_t *registration_find_or_make_thing(struct registration_template *template,
    const struct registration_wanted *resource, const char *name, const char *type,
    json_t *attributes)
{
    const struct request *request = template->request;
    json_t *row = json_object_size(resource->overrides)
                      ? row_first(state_select(request->state,
                            "SELECT * FROM things WHERE name = ?1", STATE_WITH(name)))
                      : NULL;

    if (!row)
        return things_create_row(request, template->response, name, type, attributes);
    if (registration_override_thing(template, resource, row, type, attributes))
        return row;
    json_decref(row);
    return NULL;
}

static json_t *registration_make_thing(
    struct registration_template *template, const struct registration_wanted *resource)
{
    const json_t *properties = resource->properties;
    char *name = registration_member(template, properties, "ThingName");
    char *type = registration_member(template, properties, "ThingTypeName");
    json_t *attributes =
        registration_fill_in_attributes(template, json_object_get(properties, "AttributePayload"));
    json_t *row = NULL;

    if (!name)
        registration_fail(template, "A thing needs ThingName", "");
    else if (strlen(name) > NAME_MAX_BYTES || !validate_charset_holds(NAME, name))
        registration_fail(
            template, "ThingName must satisfy the pattern ", validate_charset_pattern(NAME));
    if (!template->response->error)
        row =
            registration_find_or_make_thing(template, resource, name, type ? type : "", attributes);
    if (row && !registration_overrides_with(resource, "ThingGroups", "DO_NOTHING") &&
        !registration_join_groups(template, properties, name)) {
        json_decref(row);
        row = NULL;
    }
    json_decref(attributes);
    free(name);
    free(type);
    return row;
}

/* The policy with the name, created from the document if needed; default name: its SHA-256. */
static char *registration_make_policy(
    struct registration_template *template, const json_t *properties)
{
    const struct request *request = template->request;
    char *name = registration_member(template, properties, "PolicyName");
    char *document = registration_member(template, properties, "PolicyDocument");
    bool existing;

    if (!name && document) {
        name = calloc(1, 65);
        if (!name || !sigv4_sha256(document, strlen(document), name))
            registration_fail(template, "The policy cannot be named", "");
    }
    if (!name) {
        registration_fail(template, "A policy needs PolicyName or PolicyDocument", "");
        free(document);
        return NULL;
    }
    if (strlen(name) > NAME_MAX_BYTES || !validate_charset_holds(POLICY_NAME, name))
        registration_fail(template, "PolicyName must satisfy the pattern ",
            validate_charset_pattern(POLICY_NAME));
    existing = row_exists(request, "SELECT 1 FROM policies WHERE name = ?1", STATE_WITH(name));
    if (!existing && document && !template->response->error)
        policies_create_row(request, template->response, name, document);
    else if (!existing)
        registration_fail(template, "There is no policy ", name);
    free(document);
    return name;
}

/* ------------------------------------------------------------------ the operation */

struct registration_made {
    struct registration_wanted thing, certificate, policy;
    json_t *thing_row, *certificate_row;
    char *policy_made;
};

static void registration_tie_together(
    struct registration_template *template, const struct registration_made *made)
{
    const char *arn = row_text(made->certificate_row, "arn");

    if (made->policy_made && made->certificate_row &&
        !targets_attach(template->request, template->response, made->policy_made, arn))
        return;
    if (made->thing_row && made->certificate_row)
        principals_attach(template->request, template->response, row_text(made->thing_row, "name"),
            arn, "NON_EXCLUSIVE_THING");
}

static void registration_answer(
    struct registration_template *template, const struct registration_made *made)
{
    json_t *arns = json_object();

    if (made->thing_row)
        json_object_set_new(arns, made->thing.name, json_string(row_text(made->thing_row, "arn")));
    if (made->certificate_row)
        json_object_set_new(
            arns, made->certificate.name, json_string(row_text(made->certificate_row, "arn")));
    if (made->policy_made) {
        char *arn = identity_arn(template->request, "policy", made->policy_made);

        json_object_set_new(arns, made->policy.name, json_string(arn));
        free(arn);
    }
    template->response->body = json_pack("{s:o}", "resourceArns", arns);
    if (made->certificate_row)
        json_object_set_new(template->response->body, "certificatePem",
            json_string(row_text(made->certificate_row, "pem")));
}

static void registration_provision(struct registration_template *template, const json_t *body)
{
    const json_t *resources = json_object_get(body, "Resources");
    struct registration_made made = {0};

    made.thing = registration_find_resource(template, resources, "AWS::IoT::Thing");
    made.certificate = registration_find_resource(template, resources, "AWS::IoT::Certificate");
    made.policy = registration_find_resource(template, resources, "AWS::IoT::Policy");
    if (!made.thing.properties && !made.certificate.properties && !made.policy.properties)
        registration_fail(template, "The template has no resources that the sandbox supports", "");
    if (made.certificate.properties && !template->response->error)
        made.certificate_row = registration_make_certificate(template, &made.certificate);
    if (made.thing.properties && !template->response->error)
        made.thing_row = registration_make_thing(template, &made.thing);
    if (made.policy.properties && !template->response->error)
        made.policy_made = registration_make_policy(template, made.policy.properties);
    if (!template->response->error)
        registration_tie_together(template, &made);
    if (!template->response->error)
        registration_answer(template, &made);
    json_decref(made.thing_row);
    json_decref(made.certificate_row);
    free(made.policy_made);
}

/* The service model has only two error codes for errors in a template. */
static void registration_use_errors_of_model(struct response *response)
{
    const char *text = json_string_value(json_object_get(response->body, "message"));
    char *copy = text ? strdup(text) : NULL;

    if (strcmp(response->error, "ResourceAlreadyExistsException") == 0)
        response_error(response, 409, "ConflictingResourceUpdateException", "%s", copy ? copy : "");
    else if (response->status < 500 && strcmp(response->error, "InvalidRequestException") != 0)
        response_error(
            response, 400, "ResourceRegistrationFailureException", "%s", copy ? copy : "");
    free(copy);
}

static void registration_register_thing(const struct request *request, struct response *response)
{
    json_error_t error;
    json_t *body = json_loads(request_text(request, "templateBody"), 0, &error);
    struct registration_template template = {.request = request,
        .response = response,
        .declared = json_object_get(body, "Parameters"),
        .given = json_object_get(request->input, "parameters")};

    if (json_is_object(body))
        registration_provision(&template, body);
    else
        response_invalid(response, "templateBody is not a JSON object: %s", error.text);
    if (response->error)
        registration_use_errors_of_model(response);
    json_decref(body);
}

static void registration_start(const struct request *request, struct response *response)
{
    (void)request;
    response_error(response, 400, "InvalidRequestException",
        "The sandbox does not run bulk registration tasks: they read from S3. Use RegisterThing "
        "for each thing");
}

static const struct parameter register_parameters[] = {
    {.name = "templateBody", .location = IN_BODY, .type = TEXT, .required = true, .max = 10240},
    {.name = "parameters", .location = IN_BODY, .type = OBJECT},
    END_OF_PARAMETERS,
};
static const struct parameter start_parameters[] = {
    {.name = "templateBody", .location = IN_BODY, .type = TEXT, .required = true, .max = 10240},
    {.name = "inputFileBucket",
        .location = IN_BODY,
        .type = TEXT,
        .required = true,
        .min = 3,
        .max = 256},
    {.name = "inputFileKey",
        .location = IN_BODY,
        .type = TEXT,
        .required = true,
        .min = 1,
        .max = 1024},
    {.name = "roleArn",
        .location = IN_BODY,
        .type = TEXT,
        .required = true,
        .min = 20,
        .max = 2048},
    END_OF_PARAMETERS,
};

const struct operation registration_operations[] = {
    {.name = "RegisterThing",
        .method = "POST",
        .path = "/things",
        .rate = 10,
        .opens = true,
        .run = registration_register_thing,
        .parameters = register_parameters},
    {.name = "StartThingRegistrationTask",
        .method = "POST",
        .path = "/thing-registration-tasks",
        .rate = 10,
        .run = registration_start,
        .parameters = start_parameters},
    {},
};
