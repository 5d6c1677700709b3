#include "plugins/aws/client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plugins/aws/sigv4.h"

#define URL_MAX 16384
#define HEADERS_MAX 8
/* A clock that is further off than this makes signatures invalid. */
#define SKEW_MAX 240

/* Path parameters are {}; rates are the defaults of AWS's quota pages, the lower of two figures. */
static const struct {
    const char *name, *method, *path;
    double rate;
} operations[AWS_OPERATIONS] = {
    [AWS_ADD_THING_TO_THING_GROUP] = {"AddThingToThingGroup", "PUT",
        "/thing-groups/addThingToThingGroup", 60},
    [AWS_ATTACH_POLICY] = {"AttachPolicy", "PUT", "/target-policies/{}", 15},
    [AWS_ATTACH_THING_PRINCIPAL] = {"AttachThingPrincipal", "PUT", "/things/{}/principals", 15},
    [AWS_CREATE_CERTIFICATE_FROM_CSR] = {"CreateCertificateFromCsr", "POST", "/certificates", 15},
    [AWS_CREATE_KEYS_AND_CERTIFICATE] = {"CreateKeysAndCertificate", "POST",
        "/keys-and-certificate", 10},
    [AWS_CREATE_POLICY] = {"CreatePolicy", "POST", "/policies/{}", 10},
    [AWS_CREATE_THING] = {"CreateThing", "POST", "/things/{}", 15},
    [AWS_CREATE_THING_GROUP] = {"CreateThingGroup", "POST", "/thing-groups/{}", 25},
    [AWS_CREATE_THING_TYPE] = {"CreateThingType", "POST", "/thing-types/{}", 15},
    [AWS_DELETE_CERTIFICATE] = {"DeleteCertificate", "DELETE", "/certificates/{}", 10},
    [AWS_DELETE_POLICY] = {"DeletePolicy", "DELETE", "/policies/{}", 10},
    [AWS_DELETE_POLICY_VERSION] = {"DeletePolicyVersion", "DELETE", "/policies/{}/version/{}", 10},
    [AWS_DELETE_THING] = {"DeleteThing", "DELETE", "/things/{}", 15},
    [AWS_DELETE_THING_GROUP] = {"DeleteThingGroup", "DELETE", "/thing-groups/{}", 15},
    [AWS_DELETE_THING_TYPE] = {"DeleteThingType", "DELETE", "/thing-types/{}", 15},
    [AWS_DEPRECATE_THING_TYPE] = {"DeprecateThingType", "POST", "/thing-types/{}/deprecate", 15},
    [AWS_DESCRIBE_CERTIFICATE] = {"DescribeCertificate", "GET", "/certificates/{}", 10},
    [AWS_DESCRIBE_ENDPOINT] = {"DescribeEndpoint", "GET", "/endpoint", 10},
    [AWS_DESCRIBE_THING_GROUP] = {"DescribeThingGroup", "GET", "/thing-groups/{}", 100},
    [AWS_DESCRIBE_THING_TYPE] = {"DescribeThingType", "GET", "/thing-types/{}", 10},
    [AWS_DESCRIBE_THING] = {"DescribeThing", "GET", "/things/{}", 100},
    [AWS_DETACH_POLICY] = {"DetachPolicy", "POST", "/target-policies/{}", 15},
    [AWS_DETACH_THING_PRINCIPAL] = {"DetachThingPrincipal", "DELETE", "/things/{}/principals", 15},
    [AWS_GET_POLICY] = {"GetPolicy", "GET", "/policies/{}", 10},
    [AWS_LIST_POLICY_VERSIONS] = {"ListPolicyVersions", "GET", "/policies/{}/version", 10},
    [AWS_LIST_THINGS] = {"ListThings", "GET", "/things", 10},
    [AWS_LIST_THING_PRINCIPALS] = {"ListThingPrincipals", "GET", "/things/{}/principals", 10},
    [AWS_REGISTER_CERTIFICATE_WITHOUT_CA] = {"RegisterCertificateWithoutCA", "POST",
        "/certificate/register-no-ca", 10},
    [AWS_UPDATE_CERTIFICATE] = {"UpdateCertificate", "PUT", "/certificates/{}", 10},
};

struct aws_client {
    struct aws_target target;
    struct http *http;
    struct credential_chain *credentials;
    pthread_mutex_t mutex;
    int64_t skew; /* seconds that the service's clock is ahead of ours */
};

const char *aws_operation_name(enum aws_operation operation)
{
    return operations[operation].name;
}

double aws_default_rate(const char *operation)
{
    for (size_t i = 0; i < AWS_OPERATIONS; i++)
        if (strcmp(operations[i].name, operation) == 0)
            return operations[i].rate;
    return 0;
}

const char *aws_text(const json_t *answer, const char *member)
{
    const char *text = json_string_value(json_object_get(answer, member));

    return text ? text : "";
}

struct aws_client *aws_client_new(
    const struct aws_target *target, const char *profile, const char *ca)
{
    struct aws_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->target = *target;
    pthread_mutex_init(&client->mutex, NULL);
    client->http = http_new(ca);
    client->credentials = client->http ? credentials_new(profile, client->http) : NULL;
    if (!client->credentials) {
        aws_client_free(client);
        return NULL;
    }
    return client;
}

void aws_client_free(struct aws_client *client)
{
    if (!client)
        return;
    credentials_free(client->credentials);
    http_free(client->http);
    pthread_mutex_destroy(&client->mutex);
    free(client);
}

/* ------------------------------------------------------------------ one signed exchange */

/* What goes over the wire, whatever the service. */
struct exchange {
    const char *operation; /* for messages */
    const char *method, *endpoint, *path, *query;
    const char *service;
    const char *content_type; /* NULL: no body */
    const char *body;
    size_t body_size;
    const char *principal;
};

static int64_t skew_of(struct aws_client *client)
{
    int64_t skew;

    pthread_mutex_lock(&client->mutex);
    skew = client->skew;
    pthread_mutex_unlock(&client->mutex);
    return skew;
}

static void format_time(int64_t moment, char text[20])
{
    time_t seconds = (time_t)moment;
    struct tm parts;

    gmtime_r(&seconds, &parts);
    strftime(text, 20, "%Y%m%dT%H%M%SZ", &parts);
}

static size_t add_header(
    struct sigv4_header *headers, size_t count, const char *name, const char *value)
{
    headers[count] = (struct sigv4_header){name, value};
    return count + 1;
}

/* Sign and send once. False when signing failed. */
static bool exchange_once(struct aws_client *client, const struct exchange *exchange,
    const struct credentials *credentials, int64_t skew, struct http_response *response)
{
    struct sigv4_header signed_headers[HEADERS_MAX];
    struct http_header headers[HEADERS_MAX + 1];
    struct iotify_buffer url, names, authorization;
    char timestamp[20], signature[SIGV4_SIGNATURE_SIZE];
    const char *host = strstr(exchange->endpoint, "://");
    struct sigv4_request to_sign;
    struct http_request request;
    size_t count = 0;
    bool good;

    format_time((int64_t)time(NULL) + skew, timestamp);
    count = add_header(signed_headers, count, "Host", host ? host + 3 : exchange->endpoint);
    count = add_header(signed_headers, count, "X-Amz-Date", timestamp);
    if (exchange->content_type)
        count = add_header(signed_headers, count, "Content-Type", exchange->content_type);
    if (*credentials->token)
        count = add_header(signed_headers, count, "X-Amz-Security-Token", credentials->token);
    if (exchange->principal)
        count = add_header(signed_headers, count, "X-Amzn-Principal", exchange->principal);
    to_sign = (struct sigv4_request){exchange->method, exchange->path, exchange->query,
        signed_headers, count, exchange->body, exchange->body_size, timestamp,
        client->target.region, exchange->service};
    iotify_buffer_init(&url, URL_MAX);
    iotify_buffer_init(&names, 1024);
    iotify_buffer_init(&authorization, 4096);
    good = sigv4_sign(&to_sign, credentials->secret_key, signature, &names);
    iotify_buffer_format(&authorization,
        "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
        credentials->access_key, timestamp, client->target.region, exchange->service,
        iotify_buffer_text(&names), signature);
    iotify_buffer_format(&url, "%s%s%s%s", exchange->endpoint, exchange->path,
        *exchange->query ? "?" : "", exchange->query);
    good = good && !url.failed && !authorization.failed;
    if (good) {
        for (size_t i = 0; i < count; i++)
            headers[i] = (struct http_header){signed_headers[i].name, signed_headers[i].value};
        headers[count] = (struct http_header){"Authorization", iotify_buffer_text(&authorization)};
        request = (struct http_request){.method = exchange->method,
            .url = iotify_buffer_text(&url),
            .headers = headers,
            .header_count = count + 1,
            .body = exchange->body ? exchange->body : (*exchange->method == 'G' ? NULL : ""),
            .body_size = exchange->body_size};
        http_send(client->http, &request, response);
    }
    iotify_buffer_clear(&url);
    iotify_buffer_clear(&names);
    iotify_buffer_wipe(&authorization);
    return good;
}

/* ------------------------------------------------------------------ what an answer means */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static const struct {
    const char *code;
    enum iotify_result result;
    const char *advice;
} meanings[] = {
    {"ResourceNotFoundException", IOTIFY_NOT_FOUND, ""},
    {"ResourceAlreadyExistsException", IOTIFY_EXISTS, ""},
    {"DeleteConflictException", IOTIFY_CONFLICT, ""},
    {"CertificateStateException", IOTIFY_CONFLICT, ""},
    {"ConflictingResourceUpdateException", IOTIFY_TRANSIENT, ""},
    {"LimitExceededException", IOTIFY_FULL, "; raise the limit or remove what is not needed"},
    {"AccessDeniedException", IOTIFY_DENIED, "; add the permission to the user's IAM policy"},
    {"AccessDenied", IOTIFY_DENIED, "; add the permission to the user's IAM policy"},
    {"ForbiddenException", IOTIFY_DENIED, ""},
    {"UnauthorizedException", IOTIFY_DENIED, ""},
    {"UnrecognizedClientException", IOTIFY_DENIED, "; check the access key"},
    {"InvalidClientTokenId", IOTIFY_DENIED, "; check the access key"},
    {"SignatureDoesNotMatch", IOTIFY_DENIED, "; check the secret access key and the clock"},
    {"InvalidSignatureException", IOTIFY_DENIED, "; check the secret access key and the clock"},
    {"ExpiredTokenException", IOTIFY_DENIED, "; get new credentials, then run the same command"},
    {"ExpiredToken", IOTIFY_DENIED, "; get new credentials, then run the same command"},
    {"MissingAuthenticationTokenException", IOTIFY_DENIED, ""},
    {"InternalFailureException", IOTIFY_TRANSIENT, ""},
    {"InternalException", IOTIFY_TRANSIENT, ""},
    {"ServiceUnavailableException", IOTIFY_TRANSIENT, ""},
};

static enum iotify_result classify(const char *code, long status, const char **advice)
{
    *advice = "";
    /* The code decides, not the status: AWS throttles with HTTP 400. */
    if (begins(code, "Throttl") || begins(code, "TooManyRequests") ||
        begins(code, "RequestLimitExceeded") || begins(code, "SlowDown") || status == 429)
        return IOTIFY_THROTTLED;
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (strcmp(meanings[i].code, code) == 0) {
            *advice = meanings[i].advice;
            return meanings[i].result;
        }
    }
    if (status >= 500)
        return IOTIFY_TRANSIENT;
    if (status == 404)
        return IOTIFY_NOT_FOUND;
    return status == 401 || status == 403 ? IOTIFY_DENIED : IOTIFY_INVALID;
}

/* What an error says of itself. */
struct complaint {
    char code[64], message[256];
};

/* The text of an element of XML; "" when there is none. */
static void xml_text(const char *xml, const char *name, char *out, size_t size)
{
    char tag[32];
    const char *start;

    snprintf(tag, sizeof(tag), "<%s>", name);
    start = strstr(xml, tag);
    start = start ? start + strlen(tag) : "";
    snprintf(out, size, "%.*s", (int)strcspn(start, "<"), start);
}

/*
 * AWS IoT answers errors in JSON, STS in XML. The code: header before body, without the namespace
 * that either may have. Both "" when the answer is none of AWS's.
 */
static void read_complaint(const struct http_response *response, struct complaint *complaint)
{
    const char *text = iotify_buffer_text(&response->body), *from, *hash, *message;
    json_t *body = json_loads(text, 0, NULL);

    if (strncmp(text, "<ErrorResponse", strlen("<ErrorResponse")) == 0) {
        xml_text(text, "Code", complaint->code, sizeof(complaint->code));
        xml_text(text, "Message", complaint->message, sizeof(complaint->message));
        return;
    }
    from = *response->error_type ? response->error_type : aws_text(body, "__type");
    if (!*from)
        from = aws_text(body, "code");
    hash = strchr(from, '#');
    from = hash ? hash + 1 : from;
    message = *aws_text(body, "message") ? aws_text(body, "message") : aws_text(body, "Message");
    snprintf(complaint->code, sizeof(complaint->code), "%.*s", (int)strcspn(from, ":"), from);
    snprintf(complaint->message, sizeof(complaint->message), "%s",
        *message || body ? message : "the answer is not from AWS");
    json_decref(body);
}

static enum iotify_result no_answer(
    struct iotify_call *call, const struct exchange *exchange, const struct http_response *response)
{
    return call->host->fail(call, response->permanent ? IOTIFY_FAILED : IOTIFY_TRANSIENT,
        "Unreachable", "%s: no answer from %s: %s; check the endpoint and the network",
        exchange->operation, exchange->endpoint, response->error);
}

static enum iotify_result bad_status(
    struct iotify_call *call, const struct exchange *exchange, const struct http_response *response)
{
    struct complaint complaint;
    const char *advice;
    enum iotify_result result;

    read_complaint(response, &complaint);
    result = classify(complaint.code, response->status, &advice);
    if (!*complaint.code)
        snprintf(complaint.code, sizeof(complaint.code), "Http%ld", response->status);
    if (response->retry_after_ms > 0)
        call->host->retry_after(call, response->retry_after_ms * 1000000);
    return call->host->fail(call, result, complaint.code, "%s: %s (HTTP %ld)%s%s%s",
        exchange->operation, complaint.code, response->status, *complaint.message ? ": " : "",
        complaint.message, advice);
}

/*
 * True when the clock that a request was signed with, ours and `used` seconds, was off; it is
 * corrected now, by this caller or by another one that was faster.
 */
static bool correct_clock(
    struct aws_client *client, const struct http_response *response, int64_t used)
{
    int64_t skew = response->date ? response->date - (int64_t)time(NULL) : 0;
    int64_t change = skew - used;

    if (response->status != 403 || response->date == 0 ||
        (change <= SKEW_MAX && change >= -SKEW_MAX))
        return false;
    pthread_mutex_lock(&client->mutex);
    client->skew = skew;
    pthread_mutex_unlock(&client->mutex);
    return true;
}

static bool is_expired(const struct http_response *response)
{
    const char *text = iotify_buffer_text(&response->body);

    return response->status >= 400 &&
           (begins(response->error_type, "ExpiredToken") || strstr(text, "ExpiredToken"));
}

/* One exchange, with one more try each for a clock that was off and credentials that expired. */
static enum iotify_result exchange_signed(struct aws_client *client, struct iotify_call *call,
    const struct exchange *exchange, struct http_response *response)
{
    struct credentials credentials;
    enum iotify_result result = credentials_get(client->credentials, call, NULL, &credentials);
    bool corrected = false, refreshed = false;

    *response = (struct http_response){0};
    while (result == IOTIFY_OK) {
        int64_t skew = skew_of(client);

        if (!exchange_once(client, exchange, &credentials, skew, response)) {
            result = call->host->fail(call, IOTIFY_FAILED, "Signing", "cannot sign the request");
        } else if (response->status == 0) {
            result = no_answer(call, exchange, response);
        } else if (response->status / 100 != 2) {
            if (!corrected && correct_clock(client, response, skew)) {
                corrected = true;
                http_response_clear(response);
                continue;
            }
            if (!refreshed && is_expired(response) && credentials.expires) {
                refreshed = true;
                http_response_clear(response);
                result = credentials_get(
                    client->credentials, call, credentials.access_key, &credentials);
                continue;
            }
            result = bad_status(call, exchange, response);
        }
        break;
    }
    explicit_bzero(&credentials, sizeof(credentials));
    return result;
}

/* ------------------------------------------------------------------ AWS IoT */

struct sending {
    struct aws_client *client;
    struct aws_request *request;
    struct exchange exchange;
};

static void build_path(const struct aws_request *request, struct iotify_buffer *path)
{
    const char *from = operations[request->operation].path;
    const char *parts[] = {request->name, request->version};
    size_t part = 0;

    for (; *from; from++) {
        if (from[0] == '{' && from[1] == '}' && part < 2) {
            sigv4_encode(parts[part] ? parts[part] : "", false, path);
            part++;
            from++;
        } else {
            iotify_buffer_char(path, *from);
        }
    }
}

static void build_query(const struct aws_request *request, struct iotify_buffer *query)
{
    for (size_t i = 0; i < AWS_QUERY_MAX && request->query[i].name; i++) {
        if (!request->query[i].value)
            continue;
        iotify_buffer_string(query, query->size ? "&" : "");
        sigv4_encode(request->query[i].name, false, query);
        iotify_buffer_char(query, '=');
        sigv4_encode(request->query[i].value, false, query);
    }
}

static enum iotify_result send_once(struct iotify_call *call, void *argument)
{
    struct sending *sending = argument;
    struct http_response response;
    enum iotify_result result =
        exchange_signed(sending->client, call, &sending->exchange, &response);
    json_error_t error;

    json_decref(sending->request->answer);
    sending->request->answer = NULL;
    if (result == IOTIFY_EXISTS) {
        sending->request->answer =
            json_loadb(iotify_buffer_text(&response.body), response.body.size, 0, NULL);
    } else if (result == IOTIFY_OK && response.body.size) {
        sending->request->answer = json_loadb(response.body.data, response.body.size, 0, &error);
        if (!sending->request->answer)
            result = call->host->fail(call, IOTIFY_FAILED, "BadAnswer",
                "%s: the answer is not JSON (%s); is there a proxy between here and AWS?",
                sending->exchange.operation, error.text);
    }
    http_response_clear(&response);
    return result;
}

enum iotify_result aws_send(
    struct aws_client *client, struct iotify_call *call, struct aws_request *request)
{
    struct sending sending = {.client = client, .request = request};
    struct iotify_buffer path, query;
    enum iotify_result result;
    char *body = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;

    iotify_buffer_init(&path, URL_MAX);
    iotify_buffer_init(&query, URL_MAX);
    build_path(request, &path);
    build_query(request, &query);
    sending.exchange = (struct exchange){
        .operation = operations[request->operation].name,
        .method = operations[request->operation].method,
        .endpoint = client->target.endpoint,
        .path = iotify_buffer_text(&path),
        .query = iotify_buffer_text(&query),
        .service = client->target.signing_name,
        .content_type = body ? "application/json" : NULL,
        .body = body,
        .body_size = body ? strlen(body) : 0,
        .principal = request->principal,
    };
    request->answer = NULL;
    result = call->host->perform(call, sending.exchange.operation, send_once, &sending);
    iotify_buffer_clear(&path);
    iotify_buffer_clear(&query);
    if (body)
        explicit_bzero(body, strlen(body));
    free(body);
    return result;
}

/* ------------------------------------------------------------------ STS */

static enum iotify_result account_once(struct iotify_call *call, void *argument)
{
    static const char body[] = "Action=GetCallerIdentity&Version=2011-06-15";
    struct sending *sending = argument;
    struct http_response response;
    enum iotify_result result;
    const char *open, *close;

    sending->exchange = (struct exchange){.operation = "GetCallerIdentity",
        .method = "POST",
        .endpoint = sending->client->target.sts_endpoint,
        .path = "/",
        .query = "",
        .service = "sts",
        .content_type = "application/x-www-form-urlencoded; charset=utf-8",
        .body = body,
        .body_size = sizeof(body) - 1};
    result = exchange_signed(sending->client, call, &sending->exchange, &response);
    if (result == IOTIFY_OK) {
        open = strstr(iotify_buffer_text(&response.body), "<Account>");
        close = open ? strstr(open, "</Account>") : NULL;
        if (close && close - open - 9 <= 20) {
            char *account = call->host->alloc(call, 24);

            memcpy(account, open + 9, (size_t)(close - open) - 9);
            sending->request->name = account;
        } else {
            result = call->host->fail(
                call, IOTIFY_FAILED, "BadAnswer", "GetCallerIdentity: the answer names no account");
        }
    }
    http_response_clear(&response);
    return result;
}

enum iotify_result aws_account(
    struct aws_client *client, struct iotify_call *call, const char **account)
{
    struct aws_request request = {0};
    struct sending sending = {.client = client, .request = &request};
    enum iotify_result result;

    *account = NULL;
    if (!client->target.sts_endpoint) {
        struct credentials credentials;

        /* Nobody to ask; but find out now whether there are credentials at all. */
        result = credentials_get(client->credentials, call, NULL, &credentials);
        explicit_bzero(&credentials, sizeof(credentials));
        return result;
    }
    result = call->host->perform(call, "GetCallerIdentity", account_once, &sending);
    *account = request.name;
    return result;
}
