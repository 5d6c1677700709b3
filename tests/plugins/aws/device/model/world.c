#include "tests/plugins/aws/device/model/world.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/api/service_quotas.h"
#include "plugins/aws/device/certificate.h"
#include "plugins/aws/device/device.h"
#include "plugins/aws/device/orphan.h"
#include "plugins/aws/device/record.h"
#include "plugins/aws/device/remove_device.h"

#define CERTIFICATES_MAX 64
#define TEXT 160
#define TRIES_MAX 5

struct certificate {
    bool there, active, has_policy, has_thing;
    bool mentioned; /* a warning named it */
    int key;
    char id[65], pem[TEXT];
};

struct thing {
    bool there, in_group;
    bool foreign;                      /* it was there before */
    char certificate[65], adopted[65]; /* the marks */
};

struct entry {
    char *value; /* NULL: absent */
};

/* Records of clients, the job's, and two glob entries for each client. */
enum {
    RECORDS = 0,
    JOB = DEVICES,
    KEYS = DEVICES + 1,
    CERTS = KEYS + DEVICES,
    ENTRIES = CERTS + DEVICES
};

static struct {
    struct schedule *schedule;
    struct device_options options;
    struct certificate certificates[CERTIFICATES_MAX];
    size_t certificate_count;
    struct thing things[DEVICES];
    struct entry store[ENTRIES];
    int keys; /* made so far */
    bool crashed, nested, alone;
} world;

/* ------------------------------------------------------------------ memory of a call */

struct block {
    struct block *next;
    max_align_t data[];
};

/* A call as the model's host sees it. */
struct model_call {
    struct iotify_call base;
    struct block *blocks;
    char message[256];
};

static void *take(struct iotify_call *call, size_t size)
{
    struct model_call *own = (struct model_call *)call;
    struct block *block = calloc(1, sizeof(*block) + size);

    if (!block)
        abort();
    block->next = own->blocks;
    own->blocks = block;
    return block->data;
}

static void end_call(struct model_call *call)
{
    while (call->blocks) {
        struct block *next = call->blocks->next;

        free(call->blocks);
        call->blocks = next;
    }
}

/* ------------------------------------------------------------------ the schedule */

static enum fault fault_at(size_t choice, bool write)
{
    static const enum fault of_calls[] = {FAULT_NONE, FAULT_CRASH_BEFORE, FAULT_CRASH_AFTER,
        FAULT_NOT_DONE, FAULT_LOST_REPLY, FAULT_THROTTLE};
    static const enum fault of_writes[] = {
        FAULT_NONE, FAULT_CRASH_BEFORE, FAULT_CRASH_AFTER, FAULT_NOT_DONE};
    size_t count = 1;

    if (world.schedule->crashes) {
        count = write ? sizeof(of_writes) / sizeof(of_writes[0])
                      : sizeof(of_calls) / sizeof(of_calls[0]);
        if (choice < count)
            return write ? of_writes[choice] : of_calls[choice];
    }
    if (choice == 0)
        return FAULT_NONE;
    return choice - count == 0 ? FAULT_OTHER_DEPLOYS : FAULT_OTHER_CLEANS;
}

static size_t count_choices(bool write)
{
    size_t count = world.schedule->crashes ? (write ? 4 : 6) : 1;

    return count + (world.schedule->others ? 2 : 0);
}

static void run_other(enum fault fault)
{
    world.nested = true;
    if (fault == FAULT_OTHER_DEPLOYS)
        world_deploy();
    else
        world_cleanup();
    world.nested = false;
}

/* What happens here; FAULT_NOT_DONE for everything behind a crash. */
static enum fault choose(bool write)
{
    struct schedule *schedule = world.schedule;
    size_t at = schedule->met, choice;
    enum fault fault;

    if (world.crashed)
        return FAULT_CRASH_BEFORE;
    if (world.nested || world.alone || at >= POINTS_MAX)
        return FAULT_NONE;
    schedule->met++;
    schedule->choices[at] =
        (unsigned char)(schedule->faults < schedule->faults_max ? count_choices(write) : 1);
    choice = at < schedule->length ? schedule->chosen[at] : 0;
    schedule->chosen[at] = (unsigned char)choice;
    schedule->faults += choice > 0;
    fault = fault_at(choice, write);
    if (fault == FAULT_CRASH_BEFORE)
        world.crashed = true;
    if (fault != FAULT_OTHER_DEPLOYS && fault != FAULT_OTHER_CLEANS)
        return fault;
    run_other(fault);
    return FAULT_NONE;
}

/* ------------------------------------------------------------------ OpenSSL */

static bool put(struct iotify_buffer *out, const char *what, int number)
{
    return iotify_buffer_format(out, "%s-%d", what, number);
}

static int key_of(const char *text)
{
    const char *key = text ? strstr(text, "KEY-") : NULL;

    return key ? atoi(key + 4) : -1;
}

static void make_id(int number, char id[65])
{
    snprintf(id, 65, "%064x", (unsigned)number);
}

bool certificate_make_key(struct iotify_buffer *key)
{
    return put(key, "KEY", ++world.keys);
}

bool certificate_make(const char *common_name, int years, struct iotify_buffer *key,
    struct iotify_buffer *certificate, char id[65])
{
    (void)common_name;
    (void)years;
    make_id(1000 + ++world.keys, id);
    return put(key, "KEY", world.keys) && put(certificate, "CERT-OF-KEY", world.keys);
}

bool certificate_make_request(
    const char *key, const char *common_name, struct iotify_buffer *request)
{
    (void)common_name;
    return put(request, "CSR-OF-KEY", key_of(key));
}

bool certificate_key_id(const char *certificate, char id[65])
{
    make_id(key_of(certificate), id);
    return key_of(certificate) >= 0;
}

bool certificate_public_id(const char *key, char id[65])
{
    make_id(key_of(key), id);
    return key_of(key) >= 0;
}

bool certificate_matches(const char *certificate, const char *key)
{
    return key_of(certificate) == key_of(key);
}

/* ------------------------------------------------------------------ AWS */

static struct certificate *find_certificate(const char *id)
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
    int key = csr ? key_of(text_in(request->body, "certificateSigningRequest")) : ++world.keys;

    snprintf(pem, sizeof(pem), "CERT-%zu-OF-KEY-%d", world.certificate_count, key);
    make_id(500000 + (int)world.certificate_count, id);
    made = add_certificate(key, id, pem, false);
    request->answer = certificate_json(made);
    if (!csr) {
        snprintf(key_text, sizeof(key_text), "KEY-%d", key);
        json_object_set_new(request->answer, "keyPair", json_pack("{s:s}", "PrivateKey", key_text));
    }
    return IOTIFY_OK;
}

static enum iotify_result register_certificate(struct aws_request *request)
{
    const char *pem = text_in(request->body, "certificatePem");
    char id[65];

    make_id(1000 + key_of(pem), id);
    if (find_certificate(id)) {
        request->answer = json_object();
        return IOTIFY_EXISTS;
    }
    request->answer = certificate_json(add_certificate(key_of(pem), id, pem, true));
    return IOTIFY_OK;
}

static enum iotify_result create_thing(const struct aws_request *request)
{
    struct thing *thing = find_thing(request->name);
    const char *certificate =
        text_in(json_object_get(json_object_get(request->body, "attributePayload"), "attributes"),
            THING_CERTIFICATE);

    if (thing->there)
        return strcmp(thing->certificate, certificate) == 0 ? IOTIFY_OK : IOTIFY_EXISTS;
    thing->there = true;
    snprintf(thing->certificate, sizeof(thing->certificate), "%s", certificate);
    return IOTIFY_OK;
}

static enum iotify_result update_thing(const struct aws_request *request)
{
    struct thing *thing = find_thing(request->name);

    if (!thing->there)
        return IOTIFY_NOT_FOUND;
    snprintf(thing->adopted, sizeof(thing->adopted), "%s",
        text_in(json_object_get(json_object_get(request->body, "attributePayload"), "attributes"),
            THING_ADOPTED));
    return IOTIFY_OK;
}

static enum iotify_result delete_thing(const struct aws_request *request)
{
    struct thing *thing = find_thing(request->name);

    for (size_t i = 0; i < world.certificate_count; i++)
        if (world.certificates[i].there && world.certificates[i].has_thing)
            return IOTIFY_INVALID;
    *thing = (struct thing){0};
    return IOTIFY_OK;
}

static enum iotify_result tie(const struct aws_request *request, bool on)
{
    struct certificate *certificate = find_certificate(
        request->principal ? request->principal : text_in(request->body, "target"));

    if (!certificate)
        return IOTIFY_NOT_FOUND;
    if (!request->principal)
        certificate->has_policy = on;
    else if (on && !find_thing(request->name)->there)
        return IOTIFY_NOT_FOUND;
    else
        certificate->has_thing = on;
    return IOTIFY_OK;
}

static enum iotify_result change_certificate(const struct aws_request *request, bool delete)
{
    struct certificate *certificate = find_certificate(request->name);

    if (!certificate)
        return IOTIFY_NOT_FOUND;
    if (delete &&(certificate->active || certificate->has_policy || certificate->has_thing))
        return IOTIFY_CONFLICT;
    if (delete)
        certificate->there = false;
    else
        certificate->active = strcmp(request->query[0].value, "ACTIVE") == 0;
    return IOTIFY_OK;
}

static enum iotify_result register_thing(struct aws_request *request)
{
    json_t *template = json_loads(text_in(request->body, "templateBody"), 0, NULL);
    const json_t *resources = json_object_get(template, "Resources");
    const json_t *properties = json_object_get(json_object_get(resources, "thing"), "Properties");
    struct thing *thing = find_thing(text_in(properties, "ThingName"));
    struct certificate *certificate = find_certificate(text_in(
        json_object_get(json_object_get(resources, "certificate"), "Properties"), "CertificateId"));
    enum iotify_result result = IOTIFY_CONFLICT;

    if (thing && !thing->there && certificate) {
        *thing = (struct thing){.there = true, .in_group = true};
        snprintf(thing->certificate, sizeof(thing->certificate), "%s",
            text_in(json_object_get(properties, "AttributePayload"), THING_CERTIFICATE));
        certificate->active = certificate->has_policy = certificate->has_thing = true;
        request->answer = json_object();
        result = IOTIFY_OK;
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
    return IOTIFY_OK;
}

static enum iotify_result list_things(struct aws_request *request)
{
    json_t *list = json_array();

    for (int i = 0; i < DEVICES; i++) {
        char name[TEXT];

        snprintf(name, sizeof(name), "thing-%d", i);
        if (world.things[i].there)
            json_array_append_new(list, json_pack("{s:s, s:{s:s}}", "thingName", name, "attributes",
                                            THING_CERTIFICATE, world.things[i].certificate));
    }
    request->answer = json_pack("{s:o}", "things", list);
    return IOTIFY_OK;
}

static enum iotify_result list_principals(struct aws_request *request)
{
    json_t *list = json_array();

    for (size_t i = 0; i < world.certificate_count; i++) {
        char arn[TEXT];

        snprintf(arn, sizeof(arn), "arn:aws:iot:r:123456789012:cert/%s", world.certificates[i].id);
        if (world.certificates[i].there && world.certificates[i].has_thing)
            json_array_append_new(list, json_string(arn));
    }
    request->answer = json_pack("{s:o}", "principals", list);
    return IOTIFY_OK;
}

static json_t *thing_json(const struct thing *thing)
{
    if (thing->foreign)
        return json_pack(
            "{s:{s:s, s:s}}", "attributes", "owner", "somebody", THING_ADOPTED, thing->adopted);
    return json_pack(
        "{s:{s:s, s:s}}", "attributes", THING_JOB, "job", THING_CERTIFICATE, thing->certificate);
}

static enum iotify_result describe(struct aws_request *request)
{
    const struct certificate *certificate = find_certificate(request->name);
    const struct thing *thing = find_thing(request->name);

    if (request->operation == AWS_DESCRIBE_CERTIFICATE && certificate)
        request->answer =
            json_pack("{s:o}", "certificateDescription", certificate_json(certificate));
    else if (request->operation == AWS_DESCRIBE_THING && thing && thing->there)
        request->answer = thing_json(thing);
    return request->answer ? IOTIFY_OK : IOTIFY_NOT_FOUND;
}

/* One attachment list: of policies, or of things. */
static enum iotify_result list_ties(struct aws_request *request, const char *member)
{
    const struct certificate *certificate =
        find_certificate(request->principal ? request->principal : request->name);
    bool any =
        certificate && (request->principal ? certificate->has_thing : certificate->has_policy);

    request->answer = any ? json_pack("{s:[s]}", member, "one") : json_pack("{s:[]}", member);
    return IOTIFY_OK;
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
        return IOTIFY_OK;
    case AWS_REMOVE_THING_FROM_THING_GROUP:
        find_thing(text_in(request->body, "thingName"))->in_group = false;
        return IOTIFY_OK;
    case AWS_LIST_CERTIFICATES:
        return list_certificates(request);
    case AWS_LIST_THINGS:
        return list_things(request);
    case AWS_LIST_THING_GROUPS_FOR_THING:
        request->answer = find_thing(request->name)->in_group
                              ? json_pack("{s:[{s:s}]}", "thingGroups", "groupName", "group")
                              : json_pack("{s:[]}", "thingGroups");
        return IOTIFY_OK;
    case AWS_LIST_THING_PRINCIPALS:
        return list_principals(request);
    case AWS_LIST_PRINCIPAL_THINGS:
        return list_ties(request, "things");
    case AWS_LIST_ATTACHED_POLICIES:
        return list_ties(request, "policies");
    case AWS_DESCRIBE_CERTIFICATE:
    case AWS_DESCRIBE_THING:
        return describe(request);
    default:
        fprintf(stderr, "the model has no %s\n", aws_operation_name(request->operation));
        abort();
    }
}

/* The wire, with the core's repeats behind it. */
enum iotify_result aws_send(
    struct aws_client *client, struct iotify_call *call, struct aws_request *request)
{
    (void)client;
    (void)call;
    request->answer = NULL;
    for (int try = 0; try < TRIES_MAX; try++) {
        enum fault fault = choose(false);
        enum iotify_result result;

        if (fault == FAULT_CRASH_BEFORE)
            return IOTIFY_CANCELLED;
        if (fault == FAULT_THROTTLE)
            continue;
        result = fault == FAULT_NOT_DONE ? IOTIFY_TRANSIENT : do_it(request);
        if (fault == FAULT_NONE)
            return result;
        json_decref(request->answer);
        request->answer = NULL;
        request->uncertain = true;
        if (fault == FAULT_CRASH_AFTER) {
            world.crashed = true;
            return IOTIFY_CANCELLED;
        }
    }
    return IOTIFY_TRANSIENT;
}

int64_t aws_now(struct aws_client *client)
{
    (void)client;
    return 1000000000;
}

void aws_note_arn(struct aws_instance *instance, const char *arn)
{
    (void)instance;
    (void)arn;
}

const char *aws_known_account(struct aws_instance *instance, struct iotify_call *call)
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

/* ------------------------------------------------------------------ the store */

static char *copy_of(struct iotify_bytes value)
{
    char *copy = malloc(value.size + 1);

    if (!copy)
        abort();
    if (value.size)
        memcpy(copy, value.data, value.size);
    copy[value.size] = '\0';
    return copy;
}

static void set_entry(size_t index, struct iotify_bytes value, bool remove)
{
    free(world.store[index].value);
    world.store[index].value = remove ? NULL : copy_of(value);
}

static size_t glob_index(const char *key)
{
    return (strncmp(key, "key-", 4) == 0 ? (size_t)KEYS : (size_t)CERTS) +
           (size_t)atoi(strchr(key, '-') + 1);
}

static bool holds(size_t index, struct iotify_bytes expected)
{
    const char *present = world.store[index].value;

    if (!expected.data || !present)
        return !expected.data && !present;
    return strlen(present) == expected.size && memcmp(present, expected.data, expected.size) == 0;
}

static enum iotify_result read_entry(
    struct iotify_call *call, size_t index, struct iotify_bytes *out)
{
    const char *present = world.store[index].value;
    char *copy;

    *out = (struct iotify_bytes){0};
    if (world.crashed)
        return IOTIFY_CANCELLED;
    if (!present)
        return IOTIFY_NOT_FOUND;
    copy = take(call, strlen(present) + 1);
    memcpy(copy, present, strlen(present) + 1);
    *out = (struct iotify_bytes){copy, strlen(present)};
    return IOTIFY_OK;
}

static size_t record_index(const struct iotify_call *call)
{
    return call->client < 0 ? (size_t)JOB : (size_t)call->client;
}

static enum iotify_result record_get(struct iotify_call *call, struct iotify_bytes *out)
{
    return read_entry(call, record_index(call), out);
}

static enum iotify_result glob_get(
    struct iotify_call *call, const char *key, struct iotify_bytes *out)
{
    return read_entry(call, glob_index(key), out);
}

/* Before a write: IOTIFY_OK to do it; `after` then says what becomes of the caller. */
static enum iotify_result before_write(enum fault *fault)
{
    *fault = choose(true);
    if (*fault == FAULT_CRASH_BEFORE)
        return IOTIFY_CANCELLED;
    return *fault == FAULT_NOT_DONE ? IOTIFY_FULL : IOTIFY_OK;
}

static enum iotify_result after_write(enum fault fault)
{
    world.crashed = world.crashed || fault == FAULT_CRASH_AFTER;
    return world.crashed ? IOTIFY_CANCELLED : IOTIFY_OK;
}

static void write_globs(const struct iotify_write *globs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        set_entry(glob_index(globs[i].key), globs[i].value, globs[i].kind == IOTIFY_DELETE);
}

static enum iotify_result record_set(struct iotify_call *call, struct iotify_bytes expected,
    struct iotify_bytes value, struct iotify_write *globs, size_t count)
{
    enum fault fault;
    enum iotify_result result = before_write(&fault);

    if (result != IOTIFY_OK)
        return result;
    if (!holds(record_index(call), expected))
        return after_write(fault) == IOTIFY_OK ? IOTIFY_CONFLICT : IOTIFY_CANCELLED;
    set_entry(record_index(call), value, value.size == 0);
    write_globs(globs, count);
    return after_write(fault);
}

static enum iotify_result glob_apply(
    struct iotify_call *call, struct iotify_write *writes, size_t count)
{
    enum fault fault;
    enum iotify_result result = before_write(&fault);

    (void)call;
    if (result != IOTIFY_OK)
        return result;
    write_globs(writes, count);
    return after_write(fault);
}

static enum iotify_result records(struct iotify_call *call,
    enum iotify_result (*found)(void *argument, const struct iotify_record *record), void *argument)
{
    enum iotify_result result = world.crashed ? IOTIFY_CANCELLED : IOTIFY_OK;

    for (int i = 0; i < DEVICES && result == IOTIFY_OK; i++) {
        struct iotify_record record = {.client = i};

        if (read_entry(call, (size_t)i, &record.value) == IOTIFY_OK)
            result = found(argument, &record);
    }
    return result;
}

static enum iotify_result records_write(
    struct iotify_call *call, const struct iotify_record_write *writes, size_t count)
{
    enum fault fault;
    enum iotify_result result = before_write(&fault);

    (void)call;
    for (size_t i = 0; i < count && result == IOTIFY_OK; i++)
        if (holds((size_t)writes[i].client, writes[i].expected))
            set_entry((size_t)writes[i].client, writes[i].value, writes[i].value.size == 0);
    return result == IOTIFY_OK ? after_write(fault) : result;
}

/* ------------------------------------------------------------------ the rest of the host */

/* Suspects must be named: the identifier stands in the warning. */
IOTIFY_PRINTF(3, 4)
static void model_log(struct iotify_call *call, enum iotify_level level, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    (void)call;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    for (size_t i = 0; level == IOTIFY_WARNING && i < world.certificate_count; i++)
        if (strstr(text, world.certificates[i].id))
            world.certificates[i].mentioned = true;
}

static enum iotify_result model_fail(
    struct iotify_call *call, enum iotify_result result, const char *code, const char *format, ...)
{
    (void)call;
    (void)code;
    (void)format;
    return result;
}

static enum iotify_result model_wait(struct iotify_call *call, int64_t nanoseconds)
{
    (void)call;
    (void)nanoseconds;
    return world.crashed ? IOTIFY_CANCELLED : IOTIFY_OK;
}

static const char *job_name(struct iotify_call *call)
{
    (void)call;
    return "job";
}

static const struct iotify_host host = {
    .struct_size = sizeof(host),
    .log = model_log,
    .fail = model_fail,
    .alloc = take,
    .wait = model_wait,
    .glob_get = glob_get,
    .glob_apply = glob_apply,
    .record_get = record_get,
    .record_set = record_set,
    .records = records,
    .records_write = records_write,
    .job_name = job_name,
};

/* ------------------------------------------------------------------ runs */

void world_reset(struct schedule *schedule, const struct device_options *options)
{
    world_clear();
    world.schedule = schedule;
    world.options = *options;
    for (int i = 0; i < DEVICES; i++)
        world.things[i].there = world.things[i].foreign = options->adopt;
    schedule->met = 0;
    schedule->faults = 0;
}

void world_clear(void)
{
    for (size_t i = 0; i < ENTRIES; i++)
        free(world.store[i].value);
    memset(&world, 0, sizeof(world));
}

void world_be_alone(bool alone)
{
    world.alone = alone;
}

static bool step(struct aws_instance *instance,
    enum iotify_result (*function)(void *instance, struct iotify_call *call), int64_t client)
{
    struct device_options options = world.options;
    struct model_call call = {.base = {.host = &host, .client = client, .arguments = &options}};
    char thing[TEXT], key[TEXT], certificate[TEXT];
    enum iotify_result result;

    snprintf(thing, sizeof(thing), "thing-%d", (int)client);
    snprintf(key, sizeof(key), "key-%d", (int)client);
    snprintf(certificate, sizeof(certificate), "cert-%d", (int)client);
    options.thing = thing;
    options.key = key;
    options.cert = certificate;
    result = function(instance, &call.base);
    end_call(&call);
    return result <= IOTIFY_UNCHANGED;
}

static bool run(const struct iotify_action *action, bool all)
{
    static const struct aws_options no_options;
    struct aws_instance instance = {.options = &no_options,
        .target = {.region = "r"},
        .names = {.policy = "policy", .group = "group"}};
    bool good = true;

    world.crashed = world.nested && world.crashed;
    pthread_mutex_init(&instance.mutex, NULL);
    pthread_mutex_init(&instance.strays_mutex, NULL);
    claims_init(&instance.claims);
    if (action->begin)
        good = step(&instance, action->begin, -1);
    for (int i = 0; i < DEVICES && good; i++)
        if (all || world.store[i].value)
            good = step(&instance, action->apply, i) && good;
    if (!world.crashed && action->conclude)
        good = step(&instance, action->conclude, -1) && good;
    stray_reset(&instance);
    claims_clear(&instance.claims);
    pthread_mutex_destroy(&instance.strays_mutex);
    pthread_mutex_destroy(&instance.mutex);
    return good && !world.crashed;
}

bool world_deploy(void)
{
    return run(&aws_device_action, true);
}

bool world_cleanup(void)
{
    return run(&aws_remove_device_action, false);
}

/* ------------------------------------------------------------------ what must hold */

size_t world_certificates(bool active)
{
    size_t count = 0;

    for (size_t i = 0; i < world.certificate_count; i++)
        count += world.certificates[i].there && world.certificates[i].active == active;
    return count;
}

const char *world_flaw(void)
{
    for (size_t i = 0; i < world.certificate_count; i++) {
        bool recorded = false;

        for (int j = 0; j < DEVICES; j++)
            recorded = recorded || (world.store[j].value &&
                                       strstr(world.store[j].value, world.certificates[i].id));
        if (world.certificates[i].there && world.certificates[i].active && !recorded)
            return "an active certificate that no record names";
    }
    return NULL;
}

/* The certificate of the device and its key, as the glob has them. */
static const char *glob_flaw(int client, const struct certificate *certificate)
{
    const char *key = world.store[KEYS + client].value, *pem = world.store[CERTS + client].value;

    if (!key || !pem)
        return "no key or certificate in the glob";
    if (key_of(key) != certificate->key || strcmp(pem, certificate->pem) != 0)
        return "key or certificate in the glob are others";
    return NULL;
}

static const char *strays_flaw(void)
{
    for (size_t i = 0; i < world.certificate_count; i++) {
        const struct certificate *certificate = &world.certificates[i];

        if (!certificate->there || certificate->active)
            continue;
        if (world.options.issuer != ISSUER_AWS)
            return "an inactive certificate is left";
        if (!certificate->mentioned)
            return "an inactive certificate is left and was not reported";
    }
    return NULL;
}

const char *world_deployed_flaw(void)
{
    if (world_certificates(true) != DEVICES)
        return "not exactly one active certificate a device";
    for (int i = 0; i < DEVICES; i++) {
        const struct thing *thing = &world.things[i];
        const struct certificate *certificate =
            find_certificate(thing->foreign ? thing->adopted : thing->certificate);
        const char *flaw;

        if (!world.things[i].there || !world.things[i].in_group)
            return "no thing, or not in the group";
        if (!certificate || !certificate->active || !certificate->has_policy ||
            !certificate->has_thing)
            return "the certificate is not active and tied";
        flaw = glob_flaw(i, certificate);
        if (flaw)
            return flaw;
    }
    return strays_flaw();
}

const char *world_clean_flaw(void)
{
    if (world_certificates(true))
        return "an active certificate is left";
    for (int i = 0; i < DEVICES; i++) {
        if (world.things[i].there && !world.things[i].foreign)
            return "a thing is left";
        if (world.options.adopt && !world.things[i].foreign)
            return "a thing of somebody else is gone";
        if (*world.things[i].adopted || world.things[i].in_group)
            return "a thing of somebody else is marked or in the group still";
        if (world.store[i].value || world.store[KEYS + i].value || world.store[CERTS + i].value)
            return "a record or a glob entry is left";
    }
    return strays_flaw();
}
