/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/api/signed_request.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "plugins/shared/aws/sigv4.h"

#define URL_MAX 16384
#define HEADERS_MAX 8
/* Seconds by which the clock may be wrong before it is corrected; AWS rejects larger errors. */
#define SKEW_MAX 240

/* A string member of an answer, "" when absent. */
static const char *signed_request_text_of(const json_t *answer, const char *member)
{
    const char *text = json_string_value(json_object_get(answer, member));

    return text ? text : "";
}

/* ------------------------------------------------------------------ one try */

static int64_t signed_request_skew_of(struct signed_request_signer *signer)
{
    int64_t skew;

    pthread_mutex_lock(&signer->mutex);
    skew = signer->skew;
    pthread_mutex_unlock(&signer->mutex);
    return skew;
}

static void signed_request_format_time(int64_t moment, char text[20])
{
    time_t seconds = (time_t)moment;
    struct tm parts;

    gmtime_r(&seconds, &parts);
    strftime(text, 20, "%Y%m%dT%H%M%SZ", &parts);
}

static size_t signed_request_add_header(
    struct sigv4_header *headers, size_t count, const char *name, const char *value)
{
    headers[count] = (struct sigv4_header){name, value};
    return count + 1;
}

/* Note the service's time, which every answer contains. */
static void signed_request_note_clock(
    struct signed_request_signer *signer, const struct http_response *response)
{
    if (response->date == 0)
        return;
    pthread_mutex_lock(&signer->mutex);
    signer->ahead = response->date - (int64_t)time(NULL);
    pthread_mutex_unlock(&signer->mutex);
}

int64_t signed_request_now(struct signed_request_signer *signer)
{
    int64_t ahead;

    pthread_mutex_lock(&signer->mutex);
    ahead = signer->ahead;
    pthread_mutex_unlock(&signer->mutex);
    return (int64_t)time(NULL) + ahead;
}

/* The headers that the signature covers, in `headers`, which has room for HEADERS_MAX. How many. */
static size_t signed_request_list_headers(struct sigv4_header *headers,
    const struct signed_request *outgoing, const struct credentials *credentials,
    const char *timestamp)
{
    const char *host = strstr(outgoing->endpoint, "://");
    size_t count = 0;

    count = signed_request_add_header(headers, count, "Host", host ? host + 3 : outgoing->endpoint);
    count = signed_request_add_header(headers, count, "X-Amz-Date", timestamp);
    if (outgoing->content_type)
        count = signed_request_add_header(headers, count, "Content-Type", outgoing->content_type);
    if (*credentials->token)
        count =
            signed_request_add_header(headers, count, "X-Amz-Security-Token", credentials->token);
    if (outgoing->principal)
        count = signed_request_add_header(headers, count, "X-Amzn-Principal", outgoing->principal);
    if (outgoing->target)
        count = signed_request_add_header(headers, count, "X-Amz-Target", outgoing->target);
    return count;
}

/* Sign and send once. False when signing failed. */
static bool signed_request_send_once(struct signed_request_signer *signer, struct iotify_call *call,
    const struct signed_request *outgoing, const struct credentials *credentials, int64_t skew,
    struct http_response *response)
{
    struct sigv4_header signed_headers[HEADERS_MAX];
    struct http_header headers[HEADERS_MAX + 1];
    struct iotify_buffer url, names, authorization;
    char timestamp[20], signature[SIGV4_SIGNATURE_SIZE];
    struct sigv4_request to_sign;
    struct http_request request;
    size_t count;
    bool good;

    signed_request_format_time((int64_t)time(NULL) + skew, timestamp);
    count = signed_request_list_headers(signed_headers, outgoing, credentials, timestamp);
    to_sign = (struct sigv4_request){outgoing->method, outgoing->path, outgoing->query,
        signed_headers, count, outgoing->body, outgoing->body_size, timestamp, signer->region,
        outgoing->service};
    iotify_buffer_init(&url, URL_MAX);
    iotify_buffer_init(&names, 1024);
    iotify_buffer_init(&authorization, 4096);
    good = sigv4_sign(&to_sign, credentials->secret_key, signature, &names);
    iotify_buffer_format(&authorization,
        "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
        credentials->access_key, timestamp, signer->region, outgoing->service,
        iotify_buffer_text(&names), signature);
    iotify_buffer_format(&url, "%s%s%s%s", outgoing->endpoint, outgoing->path,
        *outgoing->query ? "?" : "", outgoing->query);
    good = good && !url.failed && !authorization.failed;
    if (good) {
        for (size_t i = 0; i < count; i++)
            headers[i] = (struct http_header){signed_headers[i].name, signed_headers[i].value};
        headers[count] = (struct http_header){"Authorization", iotify_buffer_text(&authorization)};
        request = (struct http_request){.call = call,
            .method = outgoing->method,
            .url = iotify_buffer_text(&url),
            .headers = headers,
            .header_count = count + 1,
            .body = outgoing->body ? outgoing->body : (*outgoing->method == 'G' ? NULL : ""),
            .body_size = outgoing->body_size,
            .once = outgoing->once};
        http_send(signer->http, &request, response);
        signed_request_note_clock(signer, response);
    }
    iotify_buffer_clear(&url);
    iotify_buffer_clear(&names);
    iotify_buffer_wipe(&authorization);
    return good;
}

/* ------------------------------------------------------------------ results of answers */

static bool signed_request_begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static const struct {
    const char *code;
    enum iotify_result result;
    const char *advice;
} meanings[] = {
    {"ResourceNotFoundException", IOTIFY_RESULT_NOT_FOUND, ""},
    {"ResourceAlreadyExistsException", IOTIFY_RESULT_EXISTS, ""},
    {"DeleteConflictException", IOTIFY_RESULT_CONFLICT, ""},
    /* RegisterThing of an existing thing: separate calls show what exactly is in conflict. */
    {"ResourceRegistrationFailureException", IOTIFY_RESULT_CONFLICT, ""},
    {"ResourceConflictsException", IOTIFY_RESULT_CONFLICT, ""},
    {"CertificateStateException", IOTIFY_RESULT_CONFLICT, ""},
    {"ConflictingResourceUpdateException", IOTIFY_RESULT_TRANSIENT, ""},
    {"LimitExceededException", IOTIFY_RESULT_FULL,
        "; raise the limit or remove what is not needed"},
    {"AccessDeniedException", IOTIFY_RESULT_DENIED,
        "; add the permission to the user's IAM policy"},
    {"AccessDenied", IOTIFY_RESULT_DENIED, "; add the permission to the user's IAM policy"},
    {"ForbiddenException", IOTIFY_RESULT_DENIED, ""},
    {"UnauthorizedException", IOTIFY_RESULT_DENIED, ""},
    {"UnrecognizedClientException", IOTIFY_RESULT_DENIED, "; check the access key"},
    {"InvalidClientTokenId", IOTIFY_RESULT_DENIED, "; check the access key"},
    {"SignatureDoesNotMatch", IOTIFY_RESULT_DENIED, "; check the secret access key and the clock"},
    {"InvalidSignatureException", IOTIFY_RESULT_DENIED,
        "; check the secret access key and the clock"},
    {"ExpiredTokenException", IOTIFY_RESULT_DENIED,
        "; get new credentials, then run the same command"},
    {"ExpiredToken", IOTIFY_RESULT_DENIED, "; get new credentials, then run the same command"},
    {"MissingAuthenticationTokenException", IOTIFY_RESULT_DENIED, ""},
    {"InternalFailureException", IOTIFY_RESULT_TRANSIENT, ""},
    {"InternalException", IOTIFY_RESULT_TRANSIENT, ""},
    {"ServiceUnavailableException", IOTIFY_RESULT_TRANSIENT, ""},
};

static enum iotify_result signed_request_classify(
    const char *operation, const char *code, long status, const char **advice)
{
    *advice = "";
    /* From this operation it means that the thing exists: a retry would not help. */
    if (strcmp(code, "ConflictingResourceUpdateException") == 0 &&
        strcmp(operation, "RegisterThing") == 0)
        return IOTIFY_RESULT_CONFLICT;
    /* Check the code before the status: AWS throttles with HTTP 400. */
    if (signed_request_begins(code, "Throttl") || signed_request_begins(code, "TooManyRequests") ||
        signed_request_begins(code, "RequestLimitExceeded") ||
        signed_request_begins(code, "SlowDown") || status == 429)
        return IOTIFY_RESULT_THROTTLED;
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (strcmp(meanings[i].code, code) == 0) {
            *advice = meanings[i].advice;
            return meanings[i].result;
        }
    }
    if (status >= 500)
        return IOTIFY_RESULT_TRANSIENT;
    /* A 404 without a code of AWS comes from a proxy and is not IOTIFY_RESULT_NOT_FOUND. */
    return status == 401 || status == 403 ? IOTIFY_RESULT_DENIED : IOTIFY_RESULT_INVALID;
}

/* Code and message of an error. */
struct signed_request_complaint {
    char code[64], message[256];
};

/* Copy the text of an XML element; "" when there is none. */
static void signed_request_xml_text(const char *xml, const char *name, char *out, size_t size)
{
    char tag[32];
    const char *start;

    snprintf(tag, sizeof(tag), "<%s>", name);
    start = strstr(xml, tag);
    start = start ? start + strlen(tag) : "";
    snprintf(out, size, "%.*s", (int)strcspn(start, "<"), start);
}

/*
 * Read the error of an answer: JSON from AWS IoT, XML from STS. The header takes precedence over
 * the body; a namespace is removed. The code is "" when the answer is not from AWS.
 */
static void signed_request_read_complaint(
    const struct http_response *response, struct signed_request_complaint *complaint)
{
    const char *text = iotify_buffer_text(&response->body), *from, *hash, *message;
    json_t *body = json_loads(text, 0, NULL);

    if (strncmp(text, "<ErrorResponse", strlen("<ErrorResponse")) == 0) {
        signed_request_xml_text(text, "Code", complaint->code, sizeof(complaint->code));
        signed_request_xml_text(text, "Message", complaint->message, sizeof(complaint->message));
        return;
    }
    from = *response->error_type ? response->error_type : signed_request_text_of(body, "__type");
    if (!*from)
        from = signed_request_text_of(body, "code");
    hash = strchr(from, '#');
    from = hash ? hash + 1 : from;
    message = *signed_request_text_of(body, "message") ? signed_request_text_of(body, "message")
                                                       : signed_request_text_of(body, "Message");
    snprintf(complaint->code, sizeof(complaint->code), "%.*s", (int)strcspn(from, ":"), from);
    snprintf(complaint->message, sizeof(complaint->message), "%s",
        *message || body ? message : "the answer is not from AWS");
    json_decref(body);
}

static enum iotify_result signed_request_no_answer(struct iotify_call *call,
    const struct signed_request *outgoing, const struct http_response *response)
{
    return call->host->fail(call,
        response->permanent ? IOTIFY_RESULT_FAILED : IOTIFY_RESULT_TRANSIENT, "Unreachable",
        "%s: no answer from %s: %s; check the endpoint and the network", outgoing->operation,
        outgoing->endpoint, response->error);
}

static enum iotify_result signed_request_bad_status(struct iotify_call *call,
    const struct signed_request *outgoing, const struct http_response *response)
{
    struct signed_request_complaint complaint;
    const char *advice;
    enum iotify_result result;

    signed_request_read_complaint(response, &complaint);
    result =
        signed_request_classify(outgoing->operation, complaint.code, response->status, &advice);
    if (!*complaint.code)
        snprintf(complaint.code, sizeof(complaint.code), "Http%ld", response->status);
    if (response->retry_after_ms > 0)
        call->host->retry_after(call, response->retry_after_ms * 1000000);
    return call->host->fail(call, result, complaint.code, "%s: %s (HTTP %ld)%s%s%s",
        outgoing->operation, complaint.code, response->status, *complaint.message ? ": " : "",
        complaint.message, advice);
}

/*
 * True when the request was rejected and its clock, the local one plus `used` seconds, was wrong.
 * The skew is corrected then; another thread may have done so before.
 */
static bool signed_request_correct_clock(
    struct signed_request_signer *signer, const struct http_response *response, int64_t used)
{
    int64_t skew = response->date ? response->date - (int64_t)time(NULL) : 0;
    int64_t change = skew - used;

    if (response->status != 403 || response->date == 0 ||
        (change <= SKEW_MAX && change >= -SKEW_MAX))
        return false;
    pthread_mutex_lock(&signer->mutex);
    signer->skew = skew;
    pthread_mutex_unlock(&signer->mutex);
    return true;
}

static bool signed_request_is_expired(const struct http_response *response)
{
    const char *text = iotify_buffer_text(&response->body);

    return response->status >= 400 &&
           (signed_request_begins(response->error_type, "ExpiredToken") ||
               strstr(text, "ExpiredToken"));
}

enum iotify_result signed_request_send(struct signed_request_signer *signer,
    struct iotify_call *call, struct signed_request *outgoing, struct http_response *response)
{
    struct credentials credentials;
    enum iotify_result result = credentials_get(signer->credentials, call, NULL, &credentials);
    bool corrected = false, refreshed = false;

    *response = (struct http_response){0};
    while (result == IOTIFY_RESULT_OK) {
        int64_t skew = signed_request_skew_of(signer);

        if (!signed_request_send_once(signer, call, outgoing, &credentials, skew, response)) {
            result =
                call->host->fail(call, IOTIFY_RESULT_FAILED, "Signing", "cannot sign the request");
        } else if (response->status == 0) {
            outgoing->uncertain = outgoing->uncertain || response->sent;
            result = signed_request_no_answer(call, outgoing, response);
        } else if (response->status / 100 != 2) {
            if (!corrected && signed_request_correct_clock(signer, response, skew)) {
                corrected = true;
                http_response_clear(response);
                continue;
            }
            if (!refreshed && signed_request_is_expired(response) && credentials.expires) {
                refreshed = true;
                http_response_clear(response);
                result = credentials_get(
                    signer->credentials, call, credentials.access_key, &credentials);
                continue;
            }
            outgoing->uncertain = outgoing->uncertain || response->status >= 500;
            result = signed_request_bad_status(call, outgoing, response);
        }
        break;
    }
    explicit_bzero(&credentials, sizeof(credentials));
    return result;
}
