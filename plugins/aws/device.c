/*
 * One device: a key and a certificate, a thing, and what ties them together.
 *
 * The order is what keeps a crash from leaking anything: with `issuer: local` key and certificate
 * are stored before AWS hears of them, and everything behind that is safe to repeat. The other
 * issuers leave an inactive certificate at worst, which can never connect.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "plugins/aws/aws.h"
#include "plugins/aws/certificate.h"
#include "plugins/aws/removal.h"

#define PEM_MAX (64 * 1024)

enum issuer { ISSUER_LOCAL, ISSUER_AWS, ISSUER_CSR };

struct device_options {
    const char *thing, *key, *cert, *type, *group, *policy;
    int issuer; /* enum issuer */
    int64_t valid_years;
};

static const char *const issuers[] = {"local", "aws", "csr", NULL};

#define AT(member) offsetof(struct device_options, member)
static const struct iotify_setting items[] = {
    {"thing", IOTIFY_STRING, IOTIFY_EXPRESSION, AT(thing), AWS_DEFAULT_THING, 0, 0, NULL,
        "name of the thing"},
    {"key", IOTIFY_STRING, IOTIFY_EXPRESSION | IOTIFY_GLOB_KEY, AT(key), AWS_DEFAULT_KEY, 0, 0,
        NULL, "glob key for the private key"},
    {"cert", IOTIFY_STRING, IOTIFY_EXPRESSION | IOTIFY_GLOB_KEY, AT(cert), AWS_DEFAULT_CERT, 0, 0,
        NULL, "glob key for the certificate"},
    {"issuer", IOTIFY_CHOICE, 0, AT(issuer), "local", 0, 0, issuers,
        "who makes key and certificate: local and registered, AWS, or AWS from a request (csr)"},
    {"valid_years", IOTIFY_INTEGER, 0, AT(valid_years), "20", 1, 100, NULL,
        "validity of certificates that are made here"},
    {"type", IOTIFY_STRING, 0, AT(type), NULL, 0, 0, NULL,
        "thing type; default: that of the job's step"},
    {"group", IOTIFY_STRING, 0, AT(group), NULL, 0, 0, NULL,
        "thing group; default: that of the job's step"},
    {"policy", IOTIFY_STRING, 0, AT(policy), NULL, 0, 0, NULL,
        "policy; default: that of the job's step"},
};
#undef AT
static const struct iotify_settings settings = IOTIFY_SETTINGS(items, struct device_options);

static enum iotify_result prepare(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct device_options *options = call->arguments;

    instance->names.thing = options->thing;
    instance->names.key = options->key;
    instance->names.cert = options->cert;
    if (!options->thing || (!strstr(options->thing, "{{")))
        return call->host->fail_setting(call, "thing",
            "\"thing\" names the same thing for all clients; put {{client()}} into it");
    if (!options->key || !strstr(options->key, "{{"))
        return call->host->fail_setting(
            call, "key", "\"key\" is the same for all clients; put {{client()}} into it");
    if (!options->cert || !strstr(options->cert, "{{"))
        return call->host->fail_setting(
            call, "cert", "\"cert\" is the same for all clients; put {{client()}} into it");
    if (options->type && !aws_check_name(call, "type", options->type))
        return IOTIFY_INVALID;
    if (options->group && !aws_check_name(call, "group", options->group))
        return IOTIFY_INVALID;
    if (options->policy && !aws_check_policy_name(call, "policy", options->policy))
        return IOTIFY_INVALID;
    return IOTIFY_OK;
}

/* ------------------------------------------------------------------ key and certificate */

static const char *keep(struct iotify_call *call, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = call->host->alloc(call, size);

    memcpy(copy, text, size);
    return copy;
}

static enum iotify_result make_key(struct iotify_call *call, struct record *record)
{
    struct iotify_buffer key;
    bool good;

    iotify_buffer_init(&key, PEM_MAX);
    good = certificate_make_key(&key);
    if (good)
        record->key = keep(call, iotify_buffer_text(&key));
    iotify_buffer_wipe(&key);
    return good ? IOTIFY_OK : call->host->fail(call, IOTIFY_FAILED, "OpenSsl", "cannot make a key");
}

static enum iotify_result note_id(struct iotify_call *call, struct record *record)
{
    char id[65];

    if (!certificate_id(record->certificate, id))
        return call->host->fail(call, IOTIFY_FAILED, "BadAnswer", "the certificate cannot be read");
    record->certificate_id = keep(call, id);
    return IOTIFY_OK;
}

static enum iotify_result seal_local(
    struct iotify_call *call, const struct device_options *options, struct record *record)
{
    struct iotify_buffer certificate;
    enum iotify_result result = make_key(call, record);

    if (result != IOTIFY_OK)
        return result;
    iotify_buffer_init(&certificate, PEM_MAX);
    if (certificate_make(record->key, record->thing, (int)options->valid_years, &certificate))
        record->certificate = keep(call, iotify_buffer_text(&certificate));
    else
        result = call->host->fail(call, IOTIFY_FAILED, "OpenSsl", "cannot make a certificate");
    iotify_buffer_clear(&certificate);
    if (result == IOTIFY_OK)
        result = note_id(call, record);
    record->state = RECORD_SEALED;
    return result == IOTIFY_OK ? record_save(call, record, true) : result;
}

/* Take back a certificate that AWS made and that cannot be kept: inactive, attached to nothing. */
static bool take_back(struct aws_instance *instance, struct iotify_call *call, const json_t *answer)
{
    struct aws_request request = {
        .operation = AWS_DELETE_CERTIFICATE, .name = aws_text(answer, "certificateId")};
    bool done = !*request.name || aws_send(instance->client, call, &request) == IOTIFY_OK;

    json_decref(request.answer);
    return done;
}

/* Take certificate and ARN from an answer of AWS. */
static enum iotify_result take_answer(
    struct iotify_call *call, struct record *record, const json_t *answer)
{
    const char *key = aws_text(json_object_get(answer, "keyPair"), "PrivateKey");

    if (!*aws_text(answer, "certificatePem") || !*aws_text(answer, "certificateArn"))
        return call->host->fail(
            call, IOTIFY_FAILED, "BadAnswer", "the answer holds no certificate");
    if (*key)
        record->key = keep(call, key);
    record->certificate = keep(call, aws_text(answer, "certificatePem"));
    record->certificate_arn = keep(call, aws_text(answer, "certificateArn"));
    record->certificate_id = keep(call, aws_text(answer, "certificateId"));
    if (!record->key || !certificate_matches(record->certificate, record->key))
        return call->host->fail(call, IOTIFY_FAILED, "BadAnswer",
            "the certificate that AWS answered does not belong to the key");
    record->state = RECORD_SEALED;
    return record_save(call, record, true);
}

static enum iotify_result keep_or_take_back(struct aws_instance *instance, struct iotify_call *call,
    struct record *record, const json_t *answer)
{
    enum iotify_result result = take_answer(call, record, answer);

    /* The first failure stays the one that is told, unless something is left behind. */
    if (result == IOTIFY_OK || take_back(instance, call, answer))
        return result;
    return call->host->fail(call, result, "CertificateLeft",
        "the certificate %s was made, cannot be used and could not be deleted; remove it: aws iot "
        "delete-certificate --certificate-id %s",
        aws_text(answer, "certificateId"), aws_text(answer, "certificateId"));
}

static enum iotify_result seal_aws(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    struct aws_request request = {
        .operation = AWS_CREATE_KEYS_AND_CERTIFICATE, .query = {{"setAsActive", "false"}}};
    enum iotify_result result = aws_send(instance->client, call, &request);

    if (result == IOTIFY_OK)
        result = keep_or_take_back(instance, call, record, request.answer);
    json_decref(request.answer);
    return result;
}

static enum iotify_result seal_csr(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    struct aws_request request = {
        .operation = AWS_CREATE_CERTIFICATE_FROM_CSR, .query = {{"setAsActive", "false"}}};
    enum iotify_result result = IOTIFY_OK;
    struct iotify_buffer csr;

    if (record->state == RECORD_NONE) {
        result = make_key(call, record);
        record->state = RECORD_INTENT;
        if (result == IOTIFY_OK)
            result = record_save(call, record, false);
    }
    if (result != IOTIFY_OK)
        return result;
    iotify_buffer_init(&csr, PEM_MAX);
    if (!certificate_make_request(record->key, record->thing, &csr)) {
        iotify_buffer_clear(&csr);
        return call->host->fail(
            call, IOTIFY_FAILED, "OpenSsl", "cannot make a certificate signing request");
    }
    request.body = json_pack("{s:s}", "certificateSigningRequest", iotify_buffer_text(&csr));
    iotify_buffer_clear(&csr);
    result = aws_send(instance->client, call, &request);
    if (result == IOTIFY_OK)
        result = keep_or_take_back(instance, call, record, request.answer);
    json_decref(request.body);
    json_decref(request.answer);
    return result;
}

static enum iotify_result seal(struct aws_instance *instance, struct iotify_call *call,
    const struct device_options *options, struct record *record)
{
    /* A stored intent goes on in the way it was begun. */
    if (record->state == RECORD_INTENT || options->issuer == ISSUER_CSR)
        return seal_csr(instance, call, record);
    if (options->issuer == ISSUER_AWS)
        return seal_aws(instance, call, record);
    return seal_local(call, options, record);
}

/* ------------------------------------------------------------------ the calls behind it */

/* A certificate made here becomes known to AWS; one made there becomes active. */
static enum iotify_result activate(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    struct aws_request request = {.operation = AWS_REGISTER_CERTIFICATE_WITHOUT_CA};
    enum iotify_result result;

    if (record->certificate_arn) {
        request = (struct aws_request){.operation = AWS_UPDATE_CERTIFICATE,
            .name = record->certificate_id,
            .query = {{"newStatus", "ACTIVE"}}};
        result = aws_send(instance->client, call, &request);
        json_decref(request.answer);
        return result;
    }
    request.body =
        json_pack("{s:s, s:s}", "certificatePem", record->certificate, "status", "ACTIVE");
    result = aws_send(instance->client, call, &request);
    json_decref(request.body);
    if (result == IOTIFY_OK && *aws_text(request.answer, "certificateArn")) {
        record->certificate_arn = keep(call, aws_text(request.answer, "certificateArn"));
        record->certificate_id = keep(call, aws_text(request.answer, "certificateId"));
        aws_note_arn(instance, record->certificate_arn);
    } else if (result == IOTIFY_EXISTS) {
        /* A lost answer or a crash: the identifier follows from the certificate itself. */
        char arn[256];

        snprintf(arn, sizeof(arn), "arn:%s:iot:%s:%s:cert/%s",
            aws_partition(instance->target.region), instance->target.region,
            aws_known_account(instance, call), record->certificate_id);
        record->certificate_arn = keep(call, *aws_text(request.answer, "resourceArn")
                                                 ? aws_text(request.answer, "resourceArn")
                                                 : arn);
        result = IOTIFY_OK;
    }
    json_decref(request.answer);
    return result;
}

static enum iotify_result create_thing(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    struct aws_request request = {.operation = AWS_CREATE_THING, .name = record->thing};
    enum iotify_result result;

    request.body = json_pack(
        "{s:{s:{s:s}}}", "attributePayload", "attributes", THING_ATTRIBUTE, record->certificate_id);
    if (record->type)
        json_object_set_new(request.body, "thingTypeName", json_string(record->type));
    result = aws_send(instance->client, call, &request);
    json_decref(request.body);
    json_decref(request.answer);
    if (result == IOTIFY_EXISTS)
        return call->host->fail(call, IOTIFY_EXISTS, "ThingDiffers",
            "the thing %s is there already and is not this job's; set another name under thing:",
            record->thing);
    return result;
}

static enum iotify_result attach_policy(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    struct aws_request request = {.operation = AWS_ATTACH_POLICY, .name = record->policy};
    enum iotify_result result;

    if (!record->policy)
        return IOTIFY_OK;
    request.body = json_pack("{s:s}", "target", record->certificate_arn);
    result = aws_send(instance->client, call, &request);
    json_decref(request.body);
    json_decref(request.answer);
    return result;
}

static enum iotify_result attach_thing(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    struct aws_request request = {.operation = AWS_ATTACH_THING_PRINCIPAL,
        .name = record->thing,
        .principal = record->certificate_arn};
    enum iotify_result result = aws_send(instance->client, call, &request);

    json_decref(request.answer);
    return result;
}

static enum iotify_result join_group(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    struct aws_request request = {.operation = AWS_ADD_THING_TO_THING_GROUP};
    enum iotify_result result;

    if (!record->group)
        return IOTIFY_OK;
    request.body =
        json_pack("{s:s, s:s}", "thingGroupName", record->group, "thingName", record->thing);
    result = aws_send(instance->client, call, &request);
    json_decref(request.body);
    json_decref(request.answer);
    return result;
}

/*
 * Another run changed the record while this one was at work. Either it brought the same
 * certificate to its end, which is as good; or it took the device away, and what this run made
 * meanwhile is nobody's: it goes too.
 */
static enum iotify_result yield_to_other(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    struct record present;
    enum iotify_result result = record_load(call, &present);

    if (result == IOTIFY_OK && present.state != RECORD_NONE && present.state != RECORD_DELETING &&
        present.certificate_id && strcmp(present.certificate_id, record->certificate_id) == 0)
        return present.state == RECORD_READY ? IOTIFY_OK : IOTIFY_CONFLICT;
    if (result == IOTIFY_OK)
        result = removal_of_made(instance, call, record);
    if (result != IOTIFY_OK)
        return call->host->fail(call, IOTIFY_CONFLICT, "RecordChanged",
            "another iotifyd took %s away while it was made, and the certificate %s could not be "
            "removed; remove it: aws iot delete-certificate --force-delete --certificate-id %s",
            record->thing, record->certificate_id, record->certificate_id);
    return call->host->fail(call, IOTIFY_CONFLICT, "RecordChanged",
        "another iotifyd took %s away while it was made; run the same command again",
        record->thing);
}

static enum iotify_result finish(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    enum iotify_result result = activate(instance, call, record);

    if (result == IOTIFY_OK)
        result = create_thing(instance, call, record);
    if (result == IOTIFY_OK)
        result = attach_policy(instance, call, record);
    if (result == IOTIFY_OK)
        result = attach_thing(instance, call, record);
    if (result == IOTIFY_OK)
        result = join_group(instance, call, record);
    if (result != IOTIFY_OK)
        return result;
    record->state = RECORD_READY;
    result = record_save(call, record, true);
    return result == IOTIFY_CONFLICT ? yield_to_other(instance, call, record) : result;
}

/* ------------------------------------------------------------------ the action */

static bool differs(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") != 0;
}

/* A record that was begun belongs to what it names: the job must still say the same. */
static enum iotify_result check_record(
    struct iotify_call *call, const struct record *record, const struct record *wanted)
{
    if (differs(record->key_name, wanted->key_name) ||
        differs(record->certificate_name, wanted->certificate_name))
        return call->host->fail(call, IOTIFY_CONFLICT, "OtherKeys",
            "the keys of %s are stored as %s and %s, not as %s and %s; run cleanup first",
            record->thing, record->key_name, record->certificate_name, wanted->key_name,
            wanted->certificate_name);
    if (differs(record->thing, wanted->thing))
        return call->host->fail(call, IOTIFY_CONFLICT, "OtherThing",
            "this client was deployed as %s, not as %s; run cleanup first", record->thing,
            wanted->thing);
    if (differs(record->type, wanted->type) || differs(record->group, wanted->group) ||
        differs(record->policy, wanted->policy))
        return call->host->fail(call, IOTIFY_CONFLICT, "OtherShared",
            "%s was deployed with the type %s, group %s and policy %s, not with %s, %s and %s; run "
            "cleanup first",
            record->thing, record->type ? record->type : "(none)",
            record->group ? record->group : "(none)", record->policy ? record->policy : "(none)",
            wanted->type ? wanted->type : "(none)", wanted->group ? wanted->group : "(none)",
            wanted->policy ? wanted->policy : "(none)");
    return IOTIFY_OK;
}

/*
 * A device that is ready is taken at its word, but for the first one of a run: a sandbox that was
 * started anew, or an account that was emptied, shows there.
 */
static enum iotify_result check_there(
    struct aws_instance *instance, struct iotify_call *call, const struct record *record)
{
    struct aws_request request = {
        .operation = AWS_DESCRIBE_CERTIFICATE, .name = record->certificate_id};
    enum iotify_result result;

    if (atomic_exchange(&instance->looked, true))
        return IOTIFY_OK;
    result = aws_send(instance->client, call, &request);
    json_decref(request.answer);
    if (result != IOTIFY_NOT_FOUND)
        return result;
    /* Every device of the run looks for itself now: some may be there. */
    atomic_store(&instance->looked, false);
    return call->host->fail(call, IOTIFY_CONFLICT, "NotThere",
        "%s was deployed before, and its certificate is not there any more: is this another "
        "sandbox "
        "or was the account emptied? Run cleanup, then deploy again",
        record->thing);
}

static void begin_record(const struct aws_instance *instance, const struct device_options *options,
    struct record *record)
{
    const struct aws_names *names = &instance->names;

    record->thing = options->thing;
    record->type = options->type ? options->type : names->type;
    record->group = options->group ? options->group : names->group;
    record->policy = options->policy ? options->policy : names->policy;
    record->key_name = options->key;
    record->certificate_name = options->cert;
}

static enum iotify_result apply(void *given, struct iotify_call *call)
{
    struct aws_instance *instance = given;
    const struct device_options *options = call->arguments;
    struct record record, wanted = {0};
    enum iotify_result result;

    if (!aws_check_name(call, "thing", options->thing))
        return IOTIFY_INVALID;
    begin_record(instance, options, &wanted);
    result = record_load(call, &record);
    /* A removal that was interrupted is finished first. */
    if (result == IOTIFY_OK && record.state == RECORD_DELETING) {
        result = removal_of_record(instance, call, &record);
        record = (struct record){0};
    }
    if (result == IOTIFY_OK && record.state != RECORD_NONE)
        result = check_record(call, &record, &wanted);
    if (result == IOTIFY_OK && record.state == RECORD_READY)
        result = check_there(instance, call, &record);
    if (result != IOTIFY_OK)
        return result;
    if (record.state == RECORD_READY)
        return record_restore_glob(call, &record);
    if (record.state == RECORD_NONE)
        record = wanted;
    if (record.state != RECORD_SEALED)
        result = seal(instance, call, options, &record);
    return result == IOTIFY_OK ? finish(instance, call, &record) : result;
}

static const char *const permissions[] = {"iot:RegisterCertificateWithoutCA",
    "iot:CreateKeysAndCertificate", "iot:CreateCertificateFromCsr", "iot:UpdateCertificate",
    "iot:DescribeCertificate", "iot:DeleteCertificate", "iot:CreateThing", "iot:AttachPolicy",
    "iot:AttachThingPrincipal", "iot:AddThingToThingGroup",
    /* What was taken away half, by this run or another, is taken away whole. */
    "iot:DetachPolicy", "iot:DetachThingPrincipal", "iot:ListThingPrincipals", "iot:DescribeThing",
    "iot:DeleteThing", NULL};

const struct iotify_action aws_device_action = {"device",
    "create a thing with a certificate of its own for each client", IOTIFY_FOR_DEVICE, &settings,
    permissions, prepare, apply};
