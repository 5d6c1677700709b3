/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: create, sign, register, set the status, delete. */
#include "sandbox/certificates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/identity.h"
#include "sandbox/operation_tables.h"
#include "sandbox/page.h"
#include "sandbox/request.h"
#include "sandbox/resource.h"
#include "sandbox/response.h"
#include "sandbox/row.h"

#define PEM_MAX (64 * 1024)

static json_t *certificates_find(const struct request *request, const char *id)
{
    return row_first(
        state_select(request->state, "SELECT * FROM certificates WHERE id = ?1", STATE_WITH(id)));
}

static const char *certificates_wanted_status(const struct request *request)
{
    return request_flag(request, "setAsActive") ? "ACTIVE" : "INACTIVE";
}

json_t *certificates_create_row(const struct request *request, struct response *response,
    const char *pem, const char *status, const char *mode)
{
    struct ca_certificate facts;
    json_t *current;
    char *arn, *now, *from, *to;

    if (!ca_check(pem, &facts)) {
        response_error(response, 400, "CertificateValidationException",
            "The certificate is not valid: it must be one PEM certificate that has not expired, "
            "with an RSA key of at least 2048 bits or a P-256, P-384 or P-521 key");
        return NULL;
    }
    current = certificates_find(request, facts.id);
    if (current) {
        response_exists(response, facts.id, row_text(current, "arn"),
            "The certificate is already provisioned or registered");
        json_decref(current);
        return NULL;
    }
    arn = identity_arn(request, "cert", facts.id);
    now = identity_now_text();
    from = identity_number_text(facts.not_before);
    to = identity_number_text(facts.not_after);
    state_change(request->state,
        "INSERT INTO certificates (id, arn, pem, status, mode, created, modified, not_before,"
        " not_after) VALUES (?1, ?2, ?3, ?4, ?5, CAST(?6 AS INTEGER), CAST(?6 AS INTEGER),"
        " CAST(?7 AS INTEGER), CAST(?8 AS INTEGER))",
        STATE_WITH(facts.id, arn, pem, status, mode, now, from, to));
    free(arn);
    free(now);
    free(from);
    free(to);
    return certificates_find(request, facts.id);
}

/* The members that all responses to creating a certificate share. */
static json_t *certificates_identity_json(const json_t *row)
{
    return json_pack(
        "{s:s, s:s}", "certificateArn", row_text(row, "arn"), "certificateId", row_text(row, "id"));
}

static void certificates_create_keys(const struct request *request, struct response *response)
{
    struct iotify_buffer private_key, public_key, certificate;
    json_t *row = NULL;
    bool made;

    iotify_buffer_init(&private_key, PEM_MAX);
    iotify_buffer_init(&public_key, PEM_MAX);
    iotify_buffer_init(&certificate, PEM_MAX);
    /* Nothing was read or changed yet: unlock the state while the key is generated. */
    state_end(request->state, true);
    made = ca_make(request->ca, &private_key, &public_key, &certificate);
    state_begin(request->state);
    if (made)
        row = certificates_create_row(request, response, iotify_buffer_text(&certificate),
            certificates_wanted_status(request), "DEFAULT");
    else
        response_error(response, 500, "InternalFailureException", "cannot make a key");
    if (row) {
        response->body = certificates_identity_json(row);
        json_object_set_new(
            response->body, "certificatePem", json_string(iotify_buffer_text(&certificate)));
        json_object_set_new(response->body, "keyPair",
            json_pack("{s:s, s:s}", "PublicKey", iotify_buffer_text(&public_key), "PrivateKey",
                iotify_buffer_text(&private_key)));
    }
    json_decref(row);
    iotify_buffer_wipe(&private_key);
    iotify_buffer_clear(&public_key);
    iotify_buffer_clear(&certificate);
}

static void certificates_create_from_csr(const struct request *request, struct response *response)
{
    struct iotify_buffer certificate;
    json_t *row = NULL;

    iotify_buffer_init(&certificate, PEM_MAX);
    if (ca_sign_request(
            request->ca, request_text(request, "certificateSigningRequest"), &certificate))
        row = certificates_create_row(request, response, iotify_buffer_text(&certificate),
            certificates_wanted_status(request), "DEFAULT");
    else
        response_invalid(response,
            "The certificate signing request is not valid: it must be signed by its own key, RSA "
            "with at least 2048 bits, P-256, P-384 or P-521");
    if (row) {
        response->body = certificates_identity_json(row);
        json_object_set_new(
            response->body, "certificatePem", json_string(iotify_buffer_text(&certificate)));
    }
    json_decref(row);
    iotify_buffer_clear(&certificate);
}

static void certificates_register_without_ca(
    const struct request *request, struct response *response)
{
    const char *status = request_text(request, "status");
    json_t *row;

    if (*status && strcmp(status, "ACTIVE") != 0 && strcmp(status, "INACTIVE") != 0) {
        response_invalid(response, "A certificate cannot be registered with the status %s", status);
        return;
    }
    row = certificates_create_row(request, response, request_text(request, "certificatePem"),
        *status ? status : "INACTIVE", "SNI_ONLY");
    if (row)
        response->body = certificates_identity_json(row);
    json_decref(row);
}

static json_t *certificates_summary_json(const json_t *row)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:s}", "certificateArn", row_text(row, "arn"),
        "certificateId", row_text(row, "id"), "status", row_text(row, "status"), "creationDate",
        identity_time_json(row, "created"), "certificateMode", row_text(row, "mode"));
}

static void certificates_describe(const struct request *request, struct response *response)
{
    const char *id = request_text(request, "certificateId");
    json_t *row = certificates_find(request, id), *inner;

    if (!row) {
        response_not_found(response, "Certificate", id);
        return;
    }
    inner = certificates_summary_json(row);
    json_object_set_new(inner, "certificatePem", json_string(row_text(row, "pem")));
    json_object_set_new(inner, "ownedBy", json_string(ACCOUNT));
    json_object_set_new(inner, "customerVersion", json_integer(1));
    json_object_set_new(inner, "lastModifiedDate", identity_time_json(row, "modified"));
    json_object_set_new(inner, "validity",
        json_pack("{s:o, s:o}", "notBefore", identity_time_json(row, "not_before"), "notAfter",
            identity_time_json(row, "not_after")));
    response->body = json_pack("{s:o}", "certificateDescription", inner);
    json_decref(row);
}

static void certificates_list(const struct request *request, struct response *response)
{
    static const struct listing_page page = {"certificates", true,
        "SELECT rowid AS position, * FROM certificates WHERE rowid > CAST(?1 AS INTEGER)"
        " ORDER BY rowid LIMIT CAST(?2 AS INTEGER)",
        "SELECT rowid AS position, * FROM certificates WHERE rowid < CAST(?1 AS INTEGER)"
        " ORDER BY rowid DESC LIMIT CAST(?2 AS INTEGER)",
        "position", certificates_summary_json};

    page_respond(request, response, &page, NULL);
}

bool certificates_set_status(
    const struct request *request, struct response *response, const char *id, const char *status)
{
    char *now = identity_now_text();
    bool found =
        state_change(request->state,
            "UPDATE certificates SET status = ?2, modified = CAST(?3 AS INTEGER) WHERE id = ?1",
            STATE_WITH(id, status, now)) == 1;

    free(now);
    if (found)
        snprintf(response->certificate, sizeof(response->certificate), "%s", id);
    else
        response_not_found(response, "Certificate", id);
    return found;
}

static void certificates_update(const struct request *request, struct response *response)
{
    const char *status = request_text(request, "newStatus");

    if (strcmp(status, "ACTIVE") != 0 && strcmp(status, "INACTIVE") != 0 &&
        strcmp(status, "REVOKED") != 0) {
        response_invalid(response, "The status %s cannot be set", status);
        return;
    }
    certificates_set_status(request, response, request_text(request, "certificateId"), status);
}

static void certificates_delete(const struct request *request, struct response *response)
{
    const char *id = request_text(request, "certificateId");
    json_t *row = certificates_find(request, id);
    const char *arn = row_text(row, "arn");

    if (!row)
        response_not_found(response, "Certificate", id);
    else if (strcmp(row_text(row, "status"), "ACTIVE") == 0)
        response_error(response, 406, "CertificateStateException",
            "Certificate must be deactivated (not ACTIVE) before deletion.");
    else if (row_exists(request, "SELECT 1 FROM thing_principals WHERE principal = ?1 LIMIT 1",
                 STATE_WITH(arn)))
        response_error(response, 409, "DeleteConflictException",
            "Things must be detached before deletion (arn: %s)", arn);
    else if (!request_flag(request, "forceDelete") &&
             row_exists(request, "SELECT 1 FROM policy_targets WHERE target = ?1 LIMIT 1",
                 STATE_WITH(arn)))
        response_error(response, 409, "DeleteConflictException",
            "Certificate policies must be detached before deletion (arn: %s)", arn);
    else {
        state_change(
            request->state, "DELETE FROM policy_targets WHERE target = ?1", STATE_WITH(arn));
        state_change(request->state, "DELETE FROM certificates WHERE id = ?1", STATE_WITH(id));
        memcpy(response->certificate, id, strlen(id) + 1);
    }
    json_decref(row);
}

static const char *const statuses[] = {"ACTIVE", "INACTIVE", "REVOKED", "PENDING_TRANSFER",
    "REGISTER_INACTIVE", "PENDING_ACTIVATION", NULL};

#define ID_IN_PATH                                                                                 \
    {                                                                                              \
        .name = "certificateId", .location = IN_PATH, .type = TEXT, .required = true, .min = 64,   \
        .max = 64, .charset = HEXADECIMAL                                                          \
    }

static const struct parameter keys_parameters[] = {
    FLAG_IN_QUERY("setAsActive"),
    END_OF_PARAMETERS,
};
static const struct parameter csr_parameters[] = {
    {.name = "certificateSigningRequest",
        .location = IN_BODY,
        .type = TEXT,
        .required = true,
        .min = 1,
        .max = 4096},
    FLAG_IN_QUERY("setAsActive"),
    END_OF_PARAMETERS,
};
static const struct parameter register_parameters[] = {
    {.name = "certificatePem",
        .location = IN_BODY,
        .type = TEXT,
        .required = true,
        .min = 1,
        .max = 65536},
    {.name = "status", .location = IN_BODY, .type = TEXT, .choices = statuses},
    END_OF_PARAMETERS,
};
static const struct parameter id_parameters[] = {
    ID_IN_PATH,
    END_OF_PARAMETERS,
};
static const struct parameter list_parameters[] = {
    OLDER_PAGE_PARAMETERS,
    ASCENDING,
    END_OF_PARAMETERS,
};
static const struct parameter update_parameters[] = {
    ID_IN_PATH,
    {.name = "newStatus",
        .location = IN_QUERY,
        .type = TEXT,
        .required = true,
        .choices = statuses},
    END_OF_PARAMETERS,
};
static const struct parameter delete_parameters[] = {
    ID_IN_PATH,
    FLAG_IN_QUERY("forceDelete"),
    END_OF_PARAMETERS,
};

const struct operation certificate_operations[] = {
    {.name = "CreateKeysAndCertificate",
        .method = "POST",
        .path = "/keys-and-certificate",
        .rate = 10,
        .run = certificates_create_keys,
        .parameters = keys_parameters},
    {.name = "CreateCertificateFromCsr",
        .method = "POST",
        .path = "/certificates",
        .rate = 15,
        .run = certificates_create_from_csr,
        .parameters = csr_parameters},
    {.name = "RegisterCertificateWithoutCA",
        .method = "POST",
        .path = "/certificate/register-no-ca",
        .rate = 10,
        .run = certificates_register_without_ca,
        .parameters = register_parameters},
    {.name = "DescribeCertificate",
        .method = "GET",
        .path = "/certificates/{certificateId}",
        .rate = 10,
        .run = certificates_describe,
        .parameters = id_parameters},
    {.name = "ListCertificates",
        .method = "GET",
        .path = "/certificates",
        .rate = 10,
        .run = certificates_list,
        .parameters = list_parameters},
    {.name = "UpdateCertificate",
        .method = "PUT",
        .path = "/certificates/{certificateId}",
        .rate = 10,
        .opens = true,
        .run = certificates_update,
        .parameters = update_parameters},
    {.name = "DeleteCertificate",
        .method = "DELETE",
        .path = "/certificates/{certificateId}",
        .rate = 10,
        .opens = true,
        .run = certificates_delete,
        .parameters = delete_parameters},
    {},
};
