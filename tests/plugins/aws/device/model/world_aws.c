/* SPDX-License-Identifier: Apache-2.0 */
/* The AWS of the model: what its calls do, with the faults of the schedule. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/api/operations.h"
#include "plugins/aws/device/record.h"
#include "tests/plugins/aws/device/model/world.h"
#include "tests/plugins/aws/device/model/world_internal.h"

struct certificate *world_find_certificate(const char *id)
{
    /* An ARN ends with the identifier. */
    const char *slash = id ? strrchr(id, '/') : NULL;

    id = slash ? slash + 1 : id;
    for (size_t i = 0; id && i < world.certificate_count; i++)
        if (world.certificates[i].there && strcmp(world.certificates[i].id, id) == 0)
            return &world.certificates[i];
    return NULL;
}

static struct thing *find_thing(const char *name)
{
    int client = name && strncmp(name, "thing-", 6) == 0 ? atoi(name + 6) : -1;

    return client >= 0 && client < DEVICES ? &world.things[client] : NULL;
}

static struct certificate *add_certificate(int key, const char *id, const char *pem, bool active)
{
    struct certificate *certificate = &world.certificates[world.certificate_count++];

    if (world.certificate_count > CERTIFICATES_MAX)
        abort();
    *certificate = (struct certificate){.there = true, .active = active, .key = key};
    snprintf(certificate->id, sizeof(certificate->id), "%s", id);
    snprintf(certificate->pem, sizeof(certificate->pem), "%s", pem);
    return certificate;
}

static json_t *certificate_json(const struct certificate *certificate)
{
    char arn[TEXT];

    snprintf(arn, sizeof(arn), "arn:aws:iot:r:123456789012:cert/%s", certificate->id);
    return json_pack("{s:s, s:s, s:s, s:s, s:f}", "certificateId", certificate->id,
        "certificateArn", arn, "certificatePem", certificate->pem, "status",
        certificate->active ? "ACTIVE" : "INACTIVE", "creationDate", 4e9);
}

static const char *text_in(const json_t *body, const char *member)
{
    const char *text = json_string_value(json_object_get(body, member));

    return text ? text : "";
}

static enum iotify_result make_certificate(struct aws_request *request, bool csr)
{
    char pem[TEXT], id[65], key_text[TEXT];
    struct certificate *made;
    int key =
        csr ? world_key_of(text_in(request->body, "certificateSigningRequest")) : ++world.keys;

    snprintf(pem, sizeof(pem), "CERT-%zu-OF-KEY-%d", world.certificate_count, key);
    world_make_id(500000 + (int)world.certificate_count, id);
    made = add_certificate(key, id, pem, false);
    request->answer = certificate_json(made);
    if (!csr) {
        snprintf(key_text, sizeof(key_text), "KEY-%d", key);
        json_object_set_new(request->answer, "keyPair", json_pack("{s:s}", "PrivateKey", key_text));
    }
    return IOTIFY_RESULT_OK;
}

static enum iotify_result register_certificate(struct aws_request *request)
{
    const char *pem = text_in(request->body, "certificatePem");
    char id[65];

    world_make_id(1000 + world_key_of(pem), id);
    if (world_find_certificate(id)) {
        request->answer = json_object();
        return IOTIFY_RESULT_EXISTS;
    }
    request->answer = certificate_json(add_certificate(world_key_of(pem), id, pem, true));
    return IOTIFY_RESULT_OK;
}

static enum iotify_result create_thing(const struct aws_request *request)
{
    struct thing *thing = find_thing(request->name);
    const char *certificate =
        text_in(json_object_get(json_object_get(request->body, "attributePayload"), "attributes"),
            THING_CERTIFICATE);

    if (thing->there)
        return strcmp(thing->certificate, certificate) == 0 ? IOTIFY_RESULT_OK
                                                            : IOTIFY_RESULT_EXISTS;
    thing->there = true;
    snprintf(thing->certificate, sizeof(thing->certificate), "%s", certificate);
    return IOTIFY_RESULT_OK;
}

static enum iotify_result update_thing(const struct aws_request *request)
{
    struct thing *thing = find_thing(request->name);

    if (!thing->there)
        return IOTIFY_RESULT_NOT_FOUND;
    snprintf(thing->adopted, sizeof(thing->adopted), "%s",
        text_in(json_object_get(json_object_get(request->body, "attributePayload"), "attributes"),
            THING_ADOPTED));
    return IOTIFY_RESULT_OK;
}

static enum iotify_result delete_thing(const struct aws_request *request)
{
    struct thing *thing = find_thing(request->name);

    for (size_t i = 0; i < world.certificate_count; i++)
        if (world.certificates[i].there && world.certificates[i].has_thing)
            return IOTIFY_RESULT_INVALID;
    *thing = (struct thing){0};
    return IOTIFY_RESULT_OK;
}

static enum iotify_result tie(const struct aws_request *request, bool on)
{
    struct certificate *certificate = world_find_certificate(
        request->principal ? request->principal : text_in(request->body, "target"));

    if (!certificate)
        return IOTIFY_RESULT_NOT_FOUND;
    if (!on && world.slow)
        certificate->detaching = 2;
    if (!request->principal)
        certificate->has_policy = on;
    else if (on && !find_thing(request->name)->there)
        return IOTIFY_RESULT_NOT_FOUND;
    else
        certificate->has_thing = on;
    return IOTIFY_RESULT_OK;
}

static enum iotify_result change_certificate(const struct aws_request *request, bool delete)
{
    struct certificate *certificate = world_find_certificate(request->name);

    if (!certificate)
        return IOTIFY_RESULT_NOT_FOUND;
    if (delete &&certificate->detaching-- > 0)
        return IOTIFY_RESULT_CONFLICT;
    if (delete &&(certificate->active || certificate->has_policy || certificate->has_thing))
        return IOTIFY_RESULT_CONFLICT;
    if (delete)
        certificate->there = false;
    else
        certificate->active = strcmp(request->query[0].value, "ACTIVE") == 0;
    return IOTIFY_RESULT_OK;
}

static enum iotify_result register_thing(struct aws_request *request)
{
    json_t *template = json_loads(text_in(request->body, "templateBody"), 0, NULL);
    const json_t *resources = json_object_get(template, "Resources");
    const json_t *properties = json_object_get(json_object_get(resources, "thing"), "Properties");
    struct thing *thing = find_thing(text_in(properties, "ThingName"));
    struct certificate *certificate = world_find_certificate(text_in(
        json_object_get(json_object_get(resources, "certificate"), "Properties"), "CertificateId"));
    enum iotify_result result = IOTIFY_RESULT_CONFLICT;

    if (thing && !thing->there && certificate) {
        *thing = (struct thing){.there = true, .in_group = true};
        snprintf(thing->certificate, sizeof(thing->certificate), "%s",
            text_in(json_object_get(properties, "AttributePayload"), THING_CERTIFICATE));
        certificate->active = certificate->has_policy = certificate->has_thing = true;
        request->answer = json_object();
        result = IOTIFY_RESULT_OK;
    }
    json_decref(template);
    return result;
}

static enum iotify_result list_certificates(struct aws_request *request)
{
    json_t *list = json_array();

    for (size_t i = 0; i < world.certificate_count; i++)
        if (world.certificates[i].there)
            json_array_append_new(list, certificate_json(&world.certificates[i]));
    request->answer = json_pack("{s:o}", "certificates", list);
    return IOTIFY_RESULT_OK;
}

static json_t *thing_json(const struct thing *thing)
{
    if (thing->foreign)
        return json_pack(
            "{s:{s:s, s:s}}", "attributes", "owner", "somebody", THING_ADOPTED, thing->adopted);
    return json_pack(
        "{s:{s:s, s:s}}", "attributes", THING_JOB, "job", THING_CERTIFICATE, thing->certificate);
}

static enum iotify_result list_things(struct aws_request *request)
{
    json_t *list = json_array();
    bool own = request->query[1].value != NULL;

    for (int i = 0; i < DEVICES; i++) {
        char name[TEXT];
        json_t *item;

        snprintf(name, sizeof(name), "thing-%d", i);
        if (!world.things[i].there || (own && world.things[i].foreign))
            continue;
        item = thing_json(&world.things[i]);
        json_object_set_new(item, "thingName", json_string(name));
        json_array_append_new(list, item);
    }
    request->answer = json_pack("{s:o}", "things", list);
    return IOTIFY_RESULT_OK;
}

/* The ARNs of the certificates that have the thing, or the policy. */
static enum iotify_result list_arns(struct aws_request *request, const char *member, bool things)
{
    json_t *list = json_array();

    for (size_t i = 0; i < world.certificate_count; i++) {
        const struct certificate *certificate = &world.certificates[i];
        char arn[TEXT];

        snprintf(arn, sizeof(arn), "arn:aws:iot:r:123456789012:cert/%s", certificate->id);
        if (certificate->there && (things ? certificate->has_thing : certificate->has_policy))
            json_array_append_new(list, json_string(arn));
    }
    request->answer = json_pack("{s:o}", member, list);
    return IOTIFY_RESULT_OK;
}

static enum iotify_result describe(struct aws_request *request)
{
    const struct certificate *certificate = world_find_certificate(request->name);
    const struct thing *thing = find_thing(request->name);

    if (request->operation == AWS_DESCRIBE_CERTIFICATE && certificate)
        request->answer =
            json_pack("{s:o}", "certificateDescription", certificate_json(certificate));
    else if (request->operation == AWS_DESCRIBE_THING && thing && thing->there)
        request->answer = thing_json(thing);
    return request->answer ? IOTIFY_RESULT_OK : IOTIFY_RESULT_NOT_FOUND;
}

/* List the policies of a certificate, or its things: the model has one device. */
static enum iotify_result list_ties(struct aws_request *request)
{
    const struct certificate *certificate =
        world_find_certificate(request->principal ? request->principal : request->name);

    if (request->principal)
        request->answer = certificate && certificate->has_thing
                              ? json_pack("{s:[s]}", "things", "thing-0")
                              : json_pack("{s:[]}", "things");
    else
        request->answer = certificate && certificate->has_policy
                              ? json_pack("{s:[{s:s}]}", "policies", "policyName", "policy")
                              : json_pack("{s:[]}", "policies");
    return IOTIFY_RESULT_OK;
}

static enum iotify_result do_it(struct aws_request *request)
{
    switch ((int)request->operation) {
    case AWS_CREATE_KEYS_AND_CERTIFICATE:
    case AWS_CREATE_CERTIFICATE_FROM_CSR:
        return make_certificate(request, request->operation == AWS_CREATE_CERTIFICATE_FROM_CSR);
    case AWS_REGISTER_CERTIFICATE_WITHOUT_CA:
        return register_certificate(request);
    case AWS_CREATE_THING:
        return create_thing(request);
    case AWS_UPDATE_THING:
        return update_thing(request);
    case AWS_DELETE_THING:
        return delete_thing(request);
    case AWS_ATTACH_POLICY:
    case AWS_ATTACH_THING_PRINCIPAL:
        return tie(request, true);
    case AWS_DETACH_POLICY:
    case AWS_DETACH_THING_PRINCIPAL:
        return tie(request, false);
    case AWS_UPDATE_CERTIFICATE:
    case AWS_DELETE_CERTIFICATE:
        return change_certificate(request, request->operation == AWS_DELETE_CERTIFICATE);
    case AWS_REGISTER_THING:
        return register_thing(request);
    case AWS_ADD_THING_TO_THING_GROUP:
        find_thing(text_in(request->body, "thingName"))->in_group = true;
        return IOTIFY_RESULT_OK;
    case AWS_REMOVE_THING_FROM_THING_GROUP:
        find_thing(text_in(request->body, "thingName"))->in_group = false;
        return IOTIFY_RESULT_OK;
    case AWS_LIST_CERTIFICATES:
        return list_certificates(request);
    case AWS_LIST_THINGS:
        return list_things(request);
    case AWS_LIST_THING_GROUPS_FOR_THING:
        request->answer = find_thing(request->name)->in_group
                              ? json_pack("{s:[{s:s}]}", "thingGroups", "groupName", "group")
                              : json_pack("{s:[]}", "thingGroups");
        return IOTIFY_RESULT_OK;
    case AWS_LIST_THINGS_IN_THING_GROUP:
        request->answer = world.things[0].in_group ? json_pack("{s:[s]}", "things", "thing-0")
                                                   : json_pack("{s:[]}", "things");
        return IOTIFY_RESULT_OK;
    case AWS_LIST_TARGETS_FOR_POLICY:
        return list_arns(request, "targets", false);
    case AWS_LIST_THING_PRINCIPALS:
        return list_arns(request, "principals", true);
    case AWS_LIST_PRINCIPAL_THINGS:
    case AWS_LIST_ATTACHED_POLICIES:
        return list_ties(request);
    case AWS_DESCRIBE_CERTIFICATE:
    case AWS_DESCRIBE_THING:
        return describe(request);
    default:
        fprintf(stderr, "the model has no %s\n", aws_operation_name(request->operation));
        abort();
    }
}

/* Replaces aws_send(), with the core's retries. */
enum iotify_result aws_send(
    struct aws_client *client, struct iotify_call *call, struct aws_request *request)
{
    (void)client;
    (void)call;
    request->answer = NULL;
    for (int try = 0; try < TRIES_MAX; try++) {
        enum fault fault = world.stopped ? FAULT_STOPPED : world_choose(false);
        enum iotify_result result;

        world.stopped = world.stopped || fault == FAULT_STOPPED || fault == FAULT_ABANDONED;
        if (fault == FAULT_CRASH_BEFORE || fault == FAULT_STOPPED)
            return IOTIFY_RESULT_CANCELLED;
        if (fault == FAULT_THROTTLE)
            continue;
        result = fault == FAULT_NOT_DONE ? IOTIFY_RESULT_TRANSIENT : do_it(request);
        if (fault == FAULT_NONE)
            return result;
        json_decref(request->answer);
        request->answer = NULL;
        request->uncertain = true;
        if (fault == FAULT_CRASH_AFTER) {
            world.crashed = true;
            return IOTIFY_RESULT_CANCELLED;
        }
        if (fault == FAULT_ABANDONED)
            return IOTIFY_RESULT_TRANSIENT;
    }
    return IOTIFY_RESULT_TRANSIENT;
}

int64_t aws_now(struct aws_client *client)
{
    (void)client;
    return 1000000000;
}

void aws_instance_note_arn(struct aws_instance *instance, const char *arn)
{
    (void)instance;
    (void)arn;
}

const char *aws_instance_account(struct aws_instance *instance, struct iotify_call *call)
{
    (void)instance;
    (void)call;
    return "123456789012";
}

const char *aws_partition(const char *region)
{
    (void)region;
    return "aws";
}

bool aws_check_name(struct iotify_call *call, const char *setting, const char *name)
{
    (void)call;
    (void)setting;
    return name != NULL;
}

bool aws_check_policy_name(struct iotify_call *call, const char *setting, const char *name)
{
    return aws_check_name(call, setting, name);
}
