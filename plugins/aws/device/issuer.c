/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/device/issuer.h"

#include <jansson.h>
#include <string.h>

#include "plugins/aws/api/calls.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/device/certificate.h"
#include "plugins/aws/device/orphan.h"

#define PEM_MAX (64 * 1024)

/* ------------------------------------------------------------------ issuer: local */

static enum iotify_result issuer_openssl_failed(struct iotify_call *call)
{
    return call->host->fail(
        call, IOTIFY_RESULT_FAILED, "OpenSsl", "OpenSSL cannot make a key or a certificate");
}

static enum iotify_result issuer_issue_local(
    struct iotify_call *call, const struct device_options *options, struct record *record)
{
    struct iotify_buffer key, certificate;
    char id[65];
    bool good;

    iotify_buffer_init(&key, PEM_MAX);
    iotify_buffer_init(&certificate, PEM_MAX);
    good = certificate_make(record->thing, (int)options->valid_years, &key, &certificate, id);
    if (good) {
        record->key = aws_keep(call, iotify_buffer_text(&key));
        record->certificate = aws_keep(call, iotify_buffer_text(&certificate));
        record->certificate_id = aws_keep(call, id);
    }
    iotify_buffer_wipe(&key);
    iotify_buffer_clear(&certificate);
    record->state = RECORD_SEALED;
    return good ? record_save(call, record, true) : issuer_openssl_failed(call);
}

/* ------------------------------------------------------------------ issuer: aws and csr */

static enum iotify_result issuer_take_certificate(struct iotify_call *call, struct record *record,
    const char *key, const char *pem, const char *arn, const char *id)
{
    if (!*pem || !*arn || !*id)
        return call->host->fail(
            call, IOTIFY_RESULT_FAILED, "BadAnswer", "AWS's answer holds no certificate");
    if (key)
        record->key = aws_keep(call, key);
    record->certificate = aws_keep(call, pem);
    record->certificate_arn = aws_keep(call, arn);
    record->certificate_id = aws_keep(call, id);
    if (!record->key || !certificate_matches(record->certificate, record->key))
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "BadAnswer",
            "the certificate in AWS's answer does not belong to the key");
    record->state = RECORD_SEALED;
    return record_save(call, record, true);
}

/* Delete a certificate that AWS issued and that cannot be stored: inactive and not attached. */
static bool issuer_take_back(
    struct aws_instance *instance, struct iotify_call *call, const char *id)
{
    return !*id || aws_remove(instance->client, call,
                       (struct aws_request){.operation = AWS_DELETE_CERTIFICATE, .name = id}) ==
                       IOTIFY_RESULT_OK;
}

/* True when the stored record names this certificate, or cannot be read. */
static bool issuer_is_recorded(struct iotify_call *call, const char *id)
{
    struct record current;

    if (record_load(call, &current) != IOTIFY_RESULT_OK)
        return true;
    return current.certificate_id && strcmp(current.certificate_id, id) == 0;
}

/*
 * Store the certificate that AWS issued, or delete it again. Returns the result of storing; the
 * message says whether the certificate could be deleted.
 */
static enum iotify_result issuer_keep_answer(struct aws_instance *instance,
    struct iotify_call *call, struct record *record, const json_t *answer, const char *key)
{
    const char *id = aws_text(answer, "certificateId");
    enum iotify_result result = issuer_take_certificate(call, record, key,
        aws_text(answer, "certificatePem"), aws_text(answer, "certificateArn"), id);

    if (result == IOTIFY_RESULT_OK)
        return result;
    if (record->state == RECORD_SEALED && issuer_is_recorded(call, id))
        return result;
    if (issuer_take_back(instance, call, id))
        return call->host->fail(call, result, "NotStored",
            "the certificate that AWS created could not be used or stored, and was deleted; run "
            "the "
            "same command again");
    atomic_store(&instance->uncertain, true);
    return call->host->fail(call, result, "CertificateLeft",
        "the certificate %s was made, cannot be used and could not be deleted; remove it: aws iot "
        "delete-certificate --certificate-id %s",
        id, id);
}

static enum iotify_result issuer_issue_aws(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    struct aws_request request = {
        .operation = AWS_CREATE_KEYS_AND_CERTIFICATE, .query = {{"setAsActive", "false"}}};
    enum iotify_result result = aws_send(instance->client, call, &request);
    const char *key = aws_text(json_object_get(request.answer, "keyPair"), "PrivateKey");

    if (request.uncertain)
        atomic_store(&instance->uncertain, true);
    if (result == IOTIFY_RESULT_OK)
        result = issuer_keep_answer(instance, call, record, request.answer, *key ? key : NULL);
    json_decref(request.answer);
    return result;
}

/* An earlier request for this intent may have succeeded: find its certificate and use it. */
static enum iotify_result issuer_adopt_certificate(
    struct aws_instance *instance, struct iotify_call *call, struct record *record, bool *adopted)
{
    struct aws_request request = {.operation = AWS_DESCRIBE_CERTIFICATE};
    enum iotify_result result = orphan_settle(instance, call, record, &request.name);
    const json_t *found;

    *adopted = false;
    if (result != IOTIFY_RESULT_OK || !request.name)
        return result;
    result = aws_send(instance->client, call, &request);
    found = json_object_get(request.answer, "certificateDescription");
    *adopted = result == IOTIFY_RESULT_OK;
    if (result == IOTIFY_RESULT_OK)
        result = issuer_take_certificate(call, record, NULL, aws_text(found, "certificatePem"),
            aws_text(found, "certificateArn"), aws_text(found, "certificateId"));
    json_decref(request.answer);
    return result == IOTIFY_RESULT_NOT_FOUND ? IOTIFY_RESULT_OK : result;
}

static enum iotify_result issuer_save_intent(struct iotify_call *call, struct record *record)
{
    struct iotify_buffer key;
    bool good;

    iotify_buffer_init(&key, PEM_MAX);
    good = certificate_make_key(&key);
    if (good)
        record->key = aws_keep(call, iotify_buffer_text(&key));
    iotify_buffer_wipe(&key);
    record->state = RECORD_INTENT;
    return good ? record_save(call, record, false) : issuer_openssl_failed(call);
}

static enum iotify_result issuer_ask_for_certificate(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    struct aws_request request = {
        .operation = AWS_CREATE_CERTIFICATE_FROM_CSR, .query = {{"setAsActive", "false"}}};
    struct iotify_buffer csr;
    enum iotify_result result;

    iotify_buffer_init(&csr, PEM_MAX);
    if (!certificate_make_request(record->key, record->thing, &csr)) {
        iotify_buffer_clear(&csr);
        return issuer_openssl_failed(call);
    }
    request.body = json_pack("{s:s}", "certificateSigningRequest", iotify_buffer_text(&csr));
    iotify_buffer_clear(&csr);
    result = aws_send(instance->client, call, &request);
    record->doubt = record->doubt || request.uncertain;
    if (record->doubt)
        atomic_store(&instance->doubt, true);
    if (result == IOTIFY_RESULT_OK)
        result = issuer_keep_answer(instance, call, record, request.answer, NULL);
    json_decref(request.body);
    json_decref(request.answer);
    return result;
}

static enum iotify_result issuer_issue_csr(
    struct aws_instance *instance, struct iotify_call *call, struct record *record)
{
    enum iotify_result result = IOTIFY_RESULT_OK;
    bool adopted = false;

    if (record->state == RECORD_INTENT) {
        /* A request of an earlier run may still be in progress. */
        record->doubt = true;
        result = issuer_adopt_certificate(instance, call, record, &adopted);
        atomic_store(&instance->doubt, true);
    } else {
        result = issuer_save_intent(call, record);
    }
    if (result != IOTIFY_RESULT_OK || adopted)
        return result;
    return issuer_ask_for_certificate(instance, call, record);
}

enum iotify_result issuer_issue(struct aws_instance *instance, struct iotify_call *call,
    const struct device_options *options, struct record *record)
{
    /* A stored intent is completed with issuer csr, whatever the setting is now. */
    if (record->state == RECORD_INTENT || options->issuer == ISSUER_CSR)
        return issuer_issue_csr(instance, call, record);
    if (options->issuer == ISSUER_AWS)
        return issuer_issue_aws(instance, call, record);
    return issuer_issue_local(call, options, record);
}
