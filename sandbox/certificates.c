/* Certificates: made, signed, registered, switched and deleted. */
#include <stdlib.h>
#include <string.h>

#include "sandbox/operation.h"

#define PEM_MAX (64 * 1024)

static json_t *find_certificate(const struct request *request, const char *id)
{
    return first_row(
        state_select(request->state, "SELECT * FROM certificates WHERE id = ?1", STATE_WITH(id)));
}

/* Store a certificate; the answer's members that all ways of making one share. */
static json_t *store(
    const struct request *request, const char *id, const char *pem, const char *status)
{
    char *arn = make_arn(request, "cert", id), *now = now_text();
    json_t *answer = json_pack("{s:s, s:s}", "certificateArn", arn, "certificateId", id);

    state_change(request->state,
        "INSERT INTO certificates (id, arn, pem, status, created)"
        " VALUES (?1, ?2, ?3, ?4, CAST(?5 AS INTEGER))",
        STATE_WITH(id, arn, pem, status, now));
    free(arn);
    free(now);
    return answer;
}

static const char *wanted_status(const struct request *request)
{
    const char *active = request->query(request, "setAsActive");

    return active && strcmp(active, "true") == 0 ? "ACTIVE" : "INACTIVE";
}

static void create_keys(const struct request *request, struct response *response)
{
    struct iotify_buffer private_key, public_key, certificate;
    char id[65];

    iotify_buffer_init(&private_key, PEM_MAX);
    iotify_buffer_init(&public_key, PEM_MAX);
    iotify_buffer_init(&certificate, PEM_MAX);
    if (authority_make(request->authority, &private_key, &public_key, &certificate) &&
        authority_check(iotify_buffer_text(&certificate), id)) {
        response->body =
            store(request, id, iotify_buffer_text(&certificate), wanted_status(request));
        json_object_set_new(
            response->body, "certificatePem", json_string(iotify_buffer_text(&certificate)));
        json_object_set_new(response->body, "keyPair",
            json_pack("{s:s, s:s}", "PublicKey", iotify_buffer_text(&public_key), "PrivateKey",
                iotify_buffer_text(&private_key)));
    } else {
        respond_error(response, 500, "InternalFailureException", "cannot make a key");
    }
    iotify_buffer_wipe(&private_key);
    iotify_buffer_clear(&public_key);
    iotify_buffer_clear(&certificate);
}

static void create_from_csr(const struct request *request, struct response *response)
{
    struct iotify_buffer certificate;
    char id[65];

    iotify_buffer_init(&certificate, PEM_MAX);
    if (authority_sign_request(
            request->authority, body_text(request, "certificateSigningRequest"), &certificate) &&
        authority_check(iotify_buffer_text(&certificate), id)) {
        response->body =
            store(request, id, iotify_buffer_text(&certificate), wanted_status(request));
        json_object_set_new(
            response->body, "certificatePem", json_string(iotify_buffer_text(&certificate)));
    } else {
        respond_error(response, 400, "InvalidRequestException",
            "The certificate signing request is not valid");
    }
    iotify_buffer_clear(&certificate);
}

static void register_without_ca(const struct request *request, struct response *response)
{
    const char *pem = body_text(request, "certificatePem");
    const char *status = body_text(request, "status");
    json_t *present;
    char id[65];

    if (!authority_check(pem, id)) {
        respond_error(response, 400, "CertificateValidationException",
            "The certificate is not valid, or its key is not RSA, P-256 or P-384");
        return;
    }
    if (*status && strcmp(status, "ACTIVE") != 0 && strcmp(status, "INACTIVE") != 0) {
        respond_error(response, 400, "InvalidRequestException", "status %s is not valid", status);
        return;
    }
    present = find_certificate(request, id);
    if (present)
        respond_exists(response, id, row_text(present, "arn"),
            "The certificate is already provisioned or registered");
    else
        response->body = store(request, id, pem, *status ? status : "INACTIVE");
    json_decref(present);
}

static json_t *description(const json_t *row)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:s}", "certificateArn", row_text(row, "arn"),
        "certificateId", row_text(row, "id"), "status", row_text(row, "status"), "creationDate",
        row_integer(row, "created"), "certificateMode", "DEFAULT");
}

static void describe_certificate(const struct request *request, struct response *response)
{
    json_t *row = find_certificate(request, request->parameters[0]), *inner;

    if (!row) {
        respond_not_found(response, "Certificate", request->parameters[0]);
        return;
    }
    inner = description(row);
    json_object_set_new(inner, "certificatePem", json_string(row_text(row, "pem")));
    response->body = json_pack("{s:o}", "certificateDescription", inner);
    json_decref(row);
}

static void list_certificates(const struct request *request, struct response *response)
{
    static const struct page_names names = PAGE_MARKER("certificates");

    respond_page(request, response,
        state_select(request->state,
            "SELECT * FROM certificates WHERE id > ?1 ORDER BY id LIMIT 251",
            STATE_WITH(page_after(request, &names))),
        "id", &names, description);
}

static void update_certificate(const struct request *request, struct response *response)
{
    const char *status = request->query(request, "newStatus");

    if (!status || (strcmp(status, "ACTIVE") != 0 && strcmp(status, "INACTIVE") != 0 &&
                       strcmp(status, "REVOKED") != 0))
        respond_error(response, 400, "InvalidRequestException", "newStatus %s is not valid",
            status ? status : "");
    else if (state_change(request->state, "UPDATE certificates SET status = ?2 WHERE id = ?1",
                 STATE_WITH(request->parameters[0], status)) < 1)
        respond_not_found(response, "Certificate", request->parameters[0]);
    else
        response->body = json_object();
}

static void delete_certificate(const struct request *request, struct response *response)
{
    json_t *row = find_certificate(request, request->parameters[0]);
    const char *force = request->query(request, "forceDelete");
    const char *arn = row_text(row, "arn");

    if (!row)
        respond_not_found(response, "Certificate", request->parameters[0]);
    else if (strcmp(row_text(row, "status"), "ACTIVE") == 0)
        respond_error(response, 406, "CertificateStateException",
            "Certificate must be deactivated (not ACTIVE) before deletion.");
    else if (has_row(request, "SELECT 1 FROM thing_principals WHERE principal = ?1 LIMIT 1",
                 STATE_WITH(arn)))
        respond_error(response, 409, "DeleteConflictException",
            "Things must be detached before deletion (arn: %s)", arn);
    else if (!(force && strcmp(force, "true") == 0) &&
             has_row(request, "SELECT 1 FROM policy_targets WHERE target = ?1 LIMIT 1",
                 STATE_WITH(arn)))
        respond_error(response, 409, "DeleteConflictException",
            "Certificate policies must be detached before deletion (arn: %s)", arn);
    else {
        state_change(
            request->state, "DELETE FROM policy_targets WHERE target = ?1", STATE_WITH(arn));
        state_change(request->state, "DELETE FROM certificates WHERE id = ?1",
            STATE_WITH(request->parameters[0]));
        response->body = json_object();
    }
    json_decref(row);
}

const struct operation certificate_operations[] = {
    {"CreateKeysAndCertificate", "POST", "/keys-and-certificate", create_keys},
    {"CreateCertificateFromCsr", "POST", "/certificates", create_from_csr},
    {"RegisterCertificateWithoutCA", "POST", "/certificate/register-no-ca", register_without_ca},
    {"DescribeCertificate", "GET", "/certificates/{}", describe_certificate},
    {"ListCertificates", "GET", "/certificates", list_certificates},
    {"UpdateCertificate", "PUT", "/certificates/{}", update_certificate},
    {"DeleteCertificate", "DELETE", "/certificates/{}", delete_certificate},
    {NULL, NULL, NULL, NULL},
};
