/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connector plugin: it gives each device a private key, and a certificate that an authority of
 * its own has signed. The server of the devices gets the authority's certificate from a file. Key
 * and certificate of the authority are the record of the job; those of a device are in the glob,
 * where templates find them. The source is valid C11 and C++20, with the functions of POSIX.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <iotify/connector.h>

/* ------------------------------------------------------------------ settings */

struct example_options {
    const char *ca;
    int64_t days;
};

static const struct iotify_setting example_items[] = {
    {.name = "ca",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_PATH | IOTIFY_FLAG_WRITES,
        .offset = offsetof(struct example_options, ca),
        .value = "{job}_ca.pem",
        .help = "file for the authority's certificate, which the server trusts"},
    {.name = "days",
        .type = IOTIFY_TYPE_INTEGER,
        .offset = offsetof(struct example_options, days),
        .value = "365",
        .min = 1,
        .max = 36500,
        .help = "days until certificates expire"},
};
static const struct iotify_settings example_settings =
    IOTIFY_SETTINGS(example_items, struct example_options);

struct example_device_options {
    const char *name, *key, *cert;
};

static const struct iotify_setting example_device_items[] = {
    {.name = "name",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION,
        .offset = offsetof(struct example_device_options, name),
        .value = "device_{{client()}}",
        .help = "name of the device, in its certificate"},
    {.name = "key",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION | IOTIFY_FLAG_GLOB_KEY,
        .offset = offsetof(struct example_device_options, key),
        .value = "device_{{client()}}_key",
        .help = "glob key of the private key"},
    {.name = "cert",
        .type = IOTIFY_TYPE_STRING,
        .flags = IOTIFY_FLAG_EXPRESSION | IOTIFY_FLAG_GLOB_KEY,
        .offset = offsetof(struct example_device_options, cert),
        .value = "device_{{client()}}_cert",
        .help = "glob key of the certificate"},
};
static const struct iotify_settings example_device_settings =
    IOTIFY_SETTINGS(example_device_items, struct example_device_options);

/* ------------------------------------------------------------------ certificates */

struct example_pair {
    EVP_PKEY *key;
    X509 *cert;
};

static void example_free_pair(struct example_pair *pair)
{
    EVP_PKEY_free(pair->key);
    X509_free(pair->cert);
    pair->key = NULL;
    pair->cert = NULL;
}

static bool example_set_serial(X509 *cert)
{
    unsigned char bytes[16];
    BIGNUM *number =
        RAND_bytes(bytes, sizeof(bytes)) == 1 ? BN_bin2bn(bytes, sizeof(bytes), NULL) : NULL;
    bool good = number && BN_clear_bit(number, 127) >= 0 &&
                BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));

    BN_free(number);
    return good;
}

/* The extensions that strict verifiers ask for; `issuer` is the certificate itself, or its
 * signer's. */
static bool example_add_extensions(X509 *cert, X509 *issuer)
{
    static const struct {
        int id;
        const char *authority, *device; /* NULL: none */
    } extensions[] = {{NID_basic_constraints, "critical,CA:TRUE", "critical,CA:FALSE"},
        {NID_key_usage, "critical,keyCertSign,cRLSign", "critical,digitalSignature"},
        {NID_ext_key_usage, NULL, "clientAuth"}, {NID_subject_key_identifier, "hash", "hash"},
        {NID_authority_key_identifier, "keyid:always", "keyid:always"}};
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
        const char *value = issuer == cert ? extensions[i].authority : extensions[i].device;
        X509_EXTENSION *extension =
            value ? X509V3_EXT_conf_nid(NULL, &context, extensions[i].id, value) : NULL;
        bool good = !value || (extension && X509_add_ext(cert, extension, -1) == 1);

        X509_EXTENSION_free(extension);
        if (!good)
            return false;
    }
    return true;
}

/* Make a pair, signed by `authority` or, NULL, by itself. False: a library call has failed. */
static bool example_make_pair(const struct example_options *options, const char *name,
    const struct example_pair *authority, struct example_pair *pair)
{
    const unsigned char *common = (const unsigned char *)name;
    const struct example_pair *signer = authority ? authority : pair;
    X509_NAME *subject;

    pair->key = EVP_EC_gen("P-256");
    pair->cert = X509_new();
    if (!pair->key || !pair->cert)
        return false;
    subject = X509_get_subject_name(pair->cert);
    return X509_set_version(pair->cert, X509_VERSION_3) == 1 && example_set_serial(pair->cert) &&
           X509_gmtime_adj(X509_getm_notBefore(pair->cert), -300) &&
           X509_time_adj_ex(X509_getm_notAfter(pair->cert), (int)options->days, 0, NULL) &&
           X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, common, -1, -1, 0) == 1 &&
           X509_set_issuer_name(pair->cert, X509_get_subject_name(signer->cert)) == 1 &&
           X509_set_pubkey(pair->cert, pair->key) == 1 &&
           example_add_extensions(pair->cert, signer->cert) &&
           X509_sign(pair->cert, signer->key, EVP_sha256()) > 0;
}

/* Key and certificate, or one of them, as PEM text in the call's arena; empty on an error. */
static struct iotify_bytes example_text(struct iotify_call *call, EVP_PKEY *key, X509 *cert)
{
    struct iotify_bytes text = {NULL, 0};
    BIO *memory = BIO_new(BIO_s_secmem());
    char *data, *copy;
    long size;

    if (memory && (!key || PEM_write_bio_PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL) == 1) &&
        (!cert || PEM_write_bio_X509(memory, cert) == 1)) {
        size = BIO_get_mem_data(memory, &data);
        copy = (char *)call->host->alloc(call, (size_t)size + 1);
        memcpy(copy, data, (size_t)size);
        text.data = copy;
        text.size = (size_t)size;
    }
    BIO_free(memory);
    return text;
}

/* The library keeps the causes of its errors in a queue of the thread, which must end empty. */
static enum iotify_result example_failed(struct iotify_call *call, const char *what)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return call->host->fail(call, IOTIFY_RESULT_FAILED, "CertificateFailed",
        "OpenSSL cannot %s: %s", what, why ? why : "it does not say why");
}

/* A key is not encrypted here: never ask for a passphrase on the terminal. */
static int example_no_passphrase(char *buffer, int size, int writing, void *argument)
{
    (void)buffer, (void)size, (void)writing, (void)argument;
    return 0;
}

/* ------------------------------------------------------------------ instances, the authority */

struct example_instance {
    const struct example_options *options;
    struct example_pair authority;
};

static enum iotify_result example_open(struct iotify_call *call, const void *given, void **out)
{
    struct example_instance *instance = (struct example_instance *)calloc(1, sizeof(*instance));

    if (!instance)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    instance->options = (const struct example_options *)given;
    *out = instance;
    return IOTIFY_RESULT_OK;
}

static void example_close(void *given)
{
    struct example_instance *instance = (struct example_instance *)given;

    example_free_pair(&instance->authority);
    free(instance);
}

/* There is one account: this machine. */
static enum iotify_result example_connect(
    void *instance, struct iotify_call *call, const char **realm)
{
    (void)instance, (void)call;
    *realm = "local";
    return IOTIFY_RESULT_OK;
}

static enum iotify_result example_read_authority(
    struct example_instance *instance, struct iotify_call *call, struct iotify_bytes record)
{
    BIO *memory = BIO_new_mem_buf(record.data, (int)record.size);

    example_free_pair(&instance->authority);
    if (memory) {
        instance->authority.key =
            PEM_read_bio_PrivateKey(memory, NULL, example_no_passphrase, NULL);
        instance->authority.cert = PEM_read_bio_X509(memory, NULL, NULL, NULL);
    }
    BIO_free(memory);
    return instance->authority.key && instance->authority.cert
               ? IOTIFY_RESULT_OK
               : example_failed(call, "read the authority from the record of the job");
}

static enum iotify_result example_make_authority(
    struct example_instance *instance, struct iotify_call *call)
{
    struct iotify_bytes text = {NULL, 0}, nothing = {NULL, 0};
    struct example_pair *authority = &instance->authority;

    if (example_make_pair(instance->options, call->host->job_name(call), NULL, authority))
        text = example_text(call, authority->key, authority->cert);
    if (!text.size)
        return example_failed(call, "make the authority");
    return call->host->record_set(call, nothing, text, NULL, 0);
}

/* What the file of the authority's certificate is. */
enum example_file { EXAMPLE_FILE_ABSENT, EXAMPLE_FILE_OURS, EXAMPLE_FILE_OTHER };

static enum example_file example_look_at_file(const char *path, X509 *cert)
{
    FILE *file = fopen(path, "r");
    X509 *found = file ? PEM_read_X509(file, NULL, example_no_passphrase, NULL) : NULL;
    enum example_file what = file ? EXAMPLE_FILE_OTHER : EXAMPLE_FILE_ABSENT;

    if (found && X509_cmp(found, cert) == 0)
        what = EXAMPLE_FILE_OURS;
    else if (!file && errno != ENOENT)
        what = EXAMPLE_FILE_OTHER;
    X509_free(found);
    if (file)
        fclose(file);
    ERR_clear_error();
    return what;
}

static enum iotify_result example_fail_file(
    struct iotify_call *call, const char *path, const char *what)
{
    return call->host->fail(call, IOTIFY_RESULT_FAILED, "FileFailed", "%s: cannot %s it: %s", path,
        what, strerror(errno));
}

/* A server may read it at any time: it is there as a whole, or not at all. */
static enum iotify_result example_write_ca(
    const struct example_instance *instance, struct iotify_call *call)
{
    const char *path = instance->options->ca;
    size_t size = strlen(path) + 8;
    char *name = (char *)call->host->alloc(call, size);
    enum iotify_result result = IOTIFY_RESULT_OK;
    int descriptor;
    FILE *file;
    bool good;

    switch (example_look_at_file(path, instance->authority.cert)) {
    case EXAMPLE_FILE_OURS:
        return IOTIFY_RESULT_OK;
    case EXAMPLE_FILE_OTHER:
        return call->host->fail(call, IOTIFY_RESULT_EXISTS, "FileExists",
            "%s is not the certificate of this job's authority; move it away, or set `ca`", path);
    case EXAMPLE_FILE_ABSENT:
        break;
    }
    snprintf(name, size, "%s.XXXXXX", path);
    descriptor = mkstemp(name);
    file = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    if (!file)
        return example_fail_file(call, path, "make");
    good = PEM_write_X509(file, instance->authority.cert) == 1 && fflush(file) == 0 &&
           fchmod(descriptor, 0644) == 0 && fsync(descriptor) == 0;
    if (!good || rename(name, path) != 0) {
        result = example_fail_file(call, path, "write");
        unlink(name);
    }
    fclose(file);
    return result;
}

/* Before the first device: the authority from the record of the job, or a new one. */
static enum iotify_result example_device_begin(void *given, struct iotify_call *call)
{
    struct example_instance *instance = (struct example_instance *)given;
    struct iotify_bytes record;
    enum iotify_result result = call->host->record_get(call, &record);

    example_free_pair(&instance->authority);
    if (result == IOTIFY_RESULT_OK)
        result = example_read_authority(instance, call, record);
    else if (result == IOTIFY_RESULT_NOT_FOUND)
        result = example_make_authority(instance, call);
    return result == IOTIFY_RESULT_OK ? example_write_ca(instance, call) : result;
}

/* ------------------------------------------------------------------ devices */

/*
 * The record of a device: what a removal has to know, its name and its glob keys, each with its
 * NUL.
 */
static struct iotify_bytes example_record(
    struct iotify_call *call, const struct example_device_options *device)
{
    const char *const texts[] = {device->name, device->key, device->cert};
    struct iotify_bytes record = {NULL, 0};
    char *at = (char *)call->host->alloc(
        call, strlen(device->name) + strlen(device->key) + strlen(device->cert) + 3);

    record.data = at;
    for (size_t i = 0; i < 3; i++) {
        size_t size = strlen(texts[i]) + 1;

        memcpy(at + record.size, texts[i], size);
        record.size += size;
    }
    return record;
}

/* Read back from the store, a record is followed by a NUL. */
static struct example_device_options example_read_record(struct iotify_bytes record)
{
    struct example_device_options device;
    const char *end = (const char *)record.data + record.size;

    device.name = (const char *)record.data;
    device.key = device.name + strlen(device.name) + 1;
    device.key = device.key < end ? device.key : "";
    device.cert = device.key + strlen(device.key) + 1;
    device.cert = *device.key && device.cert < end ? device.cert : "";
    return device;
}

/* Names and keys of a device stay as they were when it was made. */
#define EXAMPLE_CHANGED "name, key or cert have changed since it was made; clean up first"

static bool example_is_recorded(
    struct iotify_bytes record, const struct example_device_options *device)
{
    struct example_device_options known = example_read_record(record);

    return strcmp(known.name, device->name) == 0 && strcmp(known.key, device->key) == 0 &&
           strcmp(known.cert, device->cert) == 0;
}

struct example_request {
    const struct example_instance *instance;
    const char *name;
    struct iotify_bytes key, cert;
};

/*
 * What asks a service is a function for host->perform(), which paces it, and repeats it after a
 * result that says so. Here the service is a library.
 */
static enum iotify_result example_issue(struct iotify_call *call, void *argument)
{
    struct example_request *request = (struct example_request *)argument;
    const struct example_instance *instance = request->instance;
    struct example_pair pair = {NULL, NULL};

    if (example_make_pair(instance->options, request->name, &instance->authority, &pair)) {
        request->key = example_text(call, pair.key, NULL);
        request->cert = example_text(call, NULL, pair.cert);
    }
    example_free_pair(&pair);
    return request->key.size && request->cert.size ? IOTIFY_RESULT_OK
                                                   : example_failed(call, "make a certificate");
}

static enum iotify_result example_device_apply(void *given, struct iotify_call *call)
{
    const struct example_device_options *device =
        (const struct example_device_options *)call->arguments;
    struct iotify_bytes record, nothing = {NULL, 0};
    struct example_request request;
    struct iotify_write globs[2];
    enum iotify_result result = call->host->record_get(call, &record);

    if (result == IOTIFY_RESULT_OK && !example_is_recorded(record, device))
        return call->host->fail(
            call, IOTIFY_RESULT_CONFLICT, "SettingsChanged", "%s", EXAMPLE_CHANGED);
    if (result == IOTIFY_RESULT_OK)
        return IOTIFY_RESULT_UNCHANGED;
    if (result != IOTIFY_RESULT_NOT_FOUND)
        return result;
    memset(&request, 0, sizeof(request));
    request.instance = (const struct example_instance *)given;
    request.name = device->name;
    result = call->host->perform(call, "IssueCertificate", example_issue, &request);
    if (result != IOTIFY_RESULT_OK)
        return result;
    memset(globs, 0, sizeof(globs));
    globs[0].kind = globs[1].kind = IOTIFY_WRITE_PUT;
    globs[0].key = device->key;
    globs[0].value = request.key;
    globs[1].key = device->cert;
    globs[1].value = request.cert;
    /* One batch: the record, and the globs that it names. */
    return call->host->record_set(call, nothing, example_record(call, device), globs, 2);
}

static enum iotify_result example_device_plan(void *instance, struct iotify_call *call)
{
    const struct example_device_options *device =
        (const struct example_device_options *)call->arguments;
    struct iotify_bytes record;
    enum iotify_result result = call->host->record_get(call, &record);

    (void)instance;
    if (result != IOTIFY_RESULT_OK && result != IOTIFY_RESULT_NOT_FOUND)
        return result;
    if (!device && result == IOTIFY_RESULT_OK)
        call->host->plan_change(
            call, IOTIFY_CHANGE_DELETE, "device", example_read_record(record).name, NULL);
    else if (device && result == IOTIFY_RESULT_OK && !example_is_recorded(record, device))
        call->host->plan_change(
            call, IOTIFY_CHANGE_BLOCKED, "device", device->name, EXAMPLE_CHANGED);
    else if (device)
        call->host->plan_change(call,
            result == IOTIFY_RESULT_OK ? IOTIFY_CHANGE_KEEP : IOTIFY_CHANGE_CREATE, "device",
            device->name, NULL);
    if (device && result == IOTIFY_RESULT_NOT_FOUND)
        call->host->plan_calls(call, "IssueCertificate", 1);
    return IOTIFY_RESULT_OK;
}

static void example_device_estimate(void *instance, struct iotify_call *call)
{
    (void)instance;
    call->host->plan_calls(call, "IssueCertificate", 1);
}

/* Also for a device that is no longer in the job. */
static enum iotify_result example_device_remove(void *instance, struct iotify_call *call)
{
    struct iotify_bytes record, nothing = {NULL, 0};
    struct example_device_options device;
    struct iotify_write globs[2];
    enum iotify_result result = call->host->record_get(call, &record);

    (void)instance;
    if (result != IOTIFY_RESULT_OK)
        return result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_UNCHANGED : result;
    device = example_read_record(record);
    memset(globs, 0, sizeof(globs));
    globs[0].kind = globs[1].kind = IOTIFY_WRITE_DELETE;
    globs[0].key = device.key;
    globs[1].key = device.cert;
    return call->host->record_set(call, record, nothing, globs, 2);
}

static enum iotify_result example_remove_plan(void *instance, struct iotify_call *call)
{
    struct iotify_bytes record;
    enum iotify_result result = call->host->record_get(call, &record);

    (void)instance;
    if (result != IOTIFY_RESULT_OK)
        return result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_UNCHANGED : result;
    call->host->plan_change(
        call, IOTIFY_CHANGE_DELETE, "device", example_read_record(record).name, NULL);
    return IOTIFY_RESULT_OK;
}

static enum iotify_result example_found(void *argument, const struct iotify_record *record)
{
    (void)argument, (void)record;
    return IOTIFY_RESULT_EXISTS;
}

/* When no device is left: the authority is removed, too. */
static enum iotify_result example_remove_conclude(void *given, struct iotify_call *call)
{
    struct example_instance *instance = (struct example_instance *)given;
    struct iotify_bytes record, nothing = {NULL, 0};
    enum iotify_result result = call->host->records(call, example_found, NULL);

    if (result != IOTIFY_RESULT_OK)
        return result == IOTIFY_RESULT_EXISTS ? IOTIFY_RESULT_UNCHANGED : result;
    result = call->host->record_get(call, &record);
    if (result != IOTIFY_RESULT_OK)
        return result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_UNCHANGED : result;
    result = example_read_authority(instance, call, record);
    if (result != IOTIFY_RESULT_OK)
        return result;
    if (example_look_at_file(instance->options->ca, instance->authority.cert) ==
            EXAMPLE_FILE_OURS &&
        unlink(instance->options->ca) != 0)
        return example_fail_file(call, instance->options->ca, "delete");
    return call->host->record_set(call, record, nothing, NULL, 0);
}

/* ------------------------------------------------------------------ the plugin */

static const struct iotify_action example_device_action = {
    .name = "device",
    .summary = "make a key and a certificate for each device",
    .scope = IOTIFY_SCOPE_DEVICE,
    .settings = &example_device_settings,
    .apply = example_device_apply,
    .begin = example_device_begin,
    .plan = example_device_plan,
    .estimate = example_device_estimate,
    .remove = example_device_remove,
};

static const struct iotify_action example_remove_action = {
    .name = "remove_device",
    .summary = "delete the keys and certificates of all recorded devices",
    .scope = IOTIFY_SCOPE_RECORD,
    .settings = IOTIFY_NO_SETTINGS,
    .apply = example_device_remove,
    .conclude = example_remove_conclude,
    .plan = example_remove_plan,
};

static const struct iotify_action *const example_actions[] = {
    &example_device_action, &example_remove_action};

static const struct iotify_default_step example_steps[] = {
    {.pipeline = "deploy", .step = ".device", .settings = "{}"},
    {.pipeline = "cleanup", .step = ".remove_device", .settings = "{}"},
};

static const struct iotify_connector example_operations = {
    IOTIFY_CONNECTOR_SIZES,
    .threads = IOTIFY_THREADS_PARALLEL,
    .open = example_open,
    .close = example_close,
    .connect = example_connect,
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_CONNECTOR, .name = "example", .version = "1.0",
    .summary = "a key and a certificate for each device, signed by an authority of the job",
    .settings = &example_settings, .operations = &example_operations, .actions = example_actions,
    .action_count = sizeof(example_actions) / sizeof(example_actions[0]),
    .action_size = sizeof(struct iotify_action), .default_steps = example_steps,
    .default_step_count = sizeof(example_steps) / sizeof(example_steps[0]),
    .default_step_size = sizeof(example_steps[0]));
