#include "plugins/aws/api/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/aws/api/signed_request.h"
#include "plugins/shared/aws/sigv4.h"

#define URL_MAX 16384
/* More pages of quotas than any service has. */
#define PAGES_MAX 100

struct aws_client {
    struct aws_target target;
    struct exchanger exchanger;
};

struct aws_client *aws_client_new(
    const struct aws_target *target, const char *profile, const char *ca)
{
    struct aws_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->target = *target;
    client->exchanger.region = target->region;
    pthread_mutex_init(&client->exchanger.mutex, NULL);
    client->exchanger.http = http_new(ca);
    if (client->exchanger.http)
        client->exchanger.credentials = credentials_new(profile, client->exchanger.http);
    if (!client->exchanger.credentials) {
        aws_client_free(client);
        return NULL;
    }
    return client;
}

void aws_client_free(struct aws_client *client)
{
    if (!client)
        return;
    credentials_free(client->exchanger.credentials);
    http_free(client->exchanger.http);
    pthread_mutex_destroy(&client->exchanger.mutex);
    free(client);
}

/* ------------------------------------------------------------------ AWS IoT */

struct sending {
    struct aws_client *client;
    struct aws_request *request;
    struct exchange exchange;
};

static void build_path(const struct aws_request *request, struct iotify_buffer *path)
{
    const char *from = aws_operation_form(request->operation)->path;
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
    for (size_t i = 0; i < AWS_QUERY_MAX; i++) {
        if (!request->query[i].name || !request->query[i].value)
            continue;
        iotify_buffer_string(query, query->size ? "&" : "");
        sigv4_encode(request->query[i].name, false, query);
        iotify_buffer_char(query, '=');
        sigv4_encode(request->query[i].value, false, query);
    }
}

/* What is not there must not be taken for nothing: an empty list is a list. */
static enum iotify_result check_answer(struct iotify_call *call, struct sending *sending)
{
    const struct aws_form *form = aws_operation_form(sending->request->operation);
    const json_t *member =
        form->member ? json_object_get(sending->request->answer, form->member) : NULL;

    if (!form->member || (member && json_typeof(member) == form->type))
        return IOTIFY_OK;
    sending->exchange.uncertain = true;
    return call->host->fail(call, IOTIFY_FAILED, "BadAnswer",
        "%s: the answer has no \"%s\"; is there a proxy between here and AWS?", form->name,
        form->member);
}

static enum iotify_result send_once(struct iotify_call *call, void *argument)
{
    struct sending *sending = argument;
    struct http_response response;
    enum iotify_result result =
        exchange_signed(&sending->client->exchanger, call, &sending->exchange, &response);
    json_error_t error;

    json_decref(sending->request->answer);
    sending->request->answer = NULL;
    if (result == IOTIFY_EXISTS) {
        sending->request->answer =
            json_loadb(iotify_buffer_text(&response.body), response.body.size, 0, NULL);
    } else if (result == IOTIFY_OK && response.body.size) {
        sending->request->answer = json_loadb(response.body.data, response.body.size, 0, &error);
        if (!json_is_object(sending->request->answer)) {
            sending->exchange.uncertain = true;
            result = call->host->fail(call, IOTIFY_FAILED, "BadAnswer",
                "%s: the answer is no JSON object (%s); is there a proxy between here and AWS?",
                sending->exchange.operation,
                sending->request->answer ? "another type" : error.text);
        }
    }
    if (result == IOTIFY_OK)
        result = check_answer(call, sending);
    sending->request->uncertain = sending->request->uncertain || sending->exchange.uncertain;
    http_response_clear(&response);
    return result;
}

enum iotify_result aws_send(
    struct aws_client *client, struct iotify_call *call, struct aws_request *request)
{
    const struct aws_form *form = aws_operation_form(request->operation);
    struct sending sending = {.client = client, .request = request};
    struct iotify_buffer path, query;
    enum iotify_result result;
    char *body = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;

    iotify_buffer_init(&path, URL_MAX);
    iotify_buffer_init(&query, URL_MAX);
    build_path(request, &path);
    build_query(request, &query);
    sending.exchange = (struct exchange){
        .operation = form->name,
        .method = form->method,
        .endpoint = client->target.endpoint,
        .path = iotify_buffer_text(&path),
        .query = iotify_buffer_text(&query),
        .service = client->target.signing_name,
        .content_type = body ? "application/json" : NULL,
        .body = body,
        .body_size = body ? strlen(body) : 0,
        .principal = request->principal,
        .once = form->once,
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

int64_t aws_now(struct aws_client *client)
{
    return exchange_now(&client->exchanger);
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
    result = exchange_signed(&sending->client->exchanger, call, &sending->exchange, &response);
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
        result = credentials_get(client->exchanger.credentials, call, NULL, &credentials);
        explicit_bzero(&credentials, sizeof(credentials));
        return result;
    }
    result = call->host->perform(call, "GetCallerIdentity", account_once, &sending);
    *account = request.name;
    return result;
}

/* ------------------------------------------------------------------ Service Quotas */

struct quotas_page {
    struct sending sending;
    char token[2100];
    void (*found)(void *argument, enum aws_operation operation, double rate);
    void *argument;
};

/* "AttachPolicy API TPS": the whole name, there are others that end in the same way. */
static void take_quota(struct quotas_page *page, const json_t *quota)
{
    static const char ending[] = " API TPS";
    const char *name = aws_text(quota, "QuotaName");
    size_t length = strlen(name);
    char operation[64];
    double rate = json_number_value(json_object_get(quota, "Value"));

    if (length < sizeof(ending) || strcmp(name + length - (sizeof(ending) - 1), ending) != 0)
        return;
    snprintf(operation, sizeof(operation), "%.*s", (int)(length - (sizeof(ending) - 1)), name);
    if (rate > 0 && aws_operation_by_name(operation) < AWS_OPERATIONS)
        page->found(page->argument, aws_operation_by_name(operation), rate);
}

static enum iotify_result quotas_once(struct iotify_call *call, void *argument)
{
    struct quotas_page *page = argument;
    struct http_response response;
    json_t *body = json_pack("{s:s, s:i}", "ServiceCode", "iotcore", "MaxResults", 100), *answer;
    enum iotify_result result;
    char *text;

    if (*page->token)
        json_object_set_new(body, "NextToken", json_string(page->token));
    text = json_dumps(body, JSON_COMPACT);
    page->sending.exchange = (struct exchange){.operation = "ListServiceQuotas",
        .method = "POST",
        .endpoint = page->sending.client->target.quotas_endpoint,
        .path = "/",
        .query = "",
        .service = "servicequotas",
        .content_type = "application/x-amz-json-1.1",
        .body = text ? text : "",
        .body_size = text ? strlen(text) : 0,
        .target = "ServiceQuotasV20190624.ListServiceQuotas"};
    result =
        exchange_signed(&page->sending.client->exchanger, call, &page->sending.exchange, &response);
    answer = json_loadb(iotify_buffer_text(&response.body), response.body.size, 0, NULL);
    for (size_t i = 0;
         result == IOTIFY_OK && i < json_array_size(json_object_get(answer, "Quotas")); i++)
        take_quota(page, json_array_get(json_object_get(answer, "Quotas"), i));
    snprintf(page->token, sizeof(page->token), "%s", aws_text(answer, "NextToken"));
    json_decref(answer);
    json_decref(body);
    free(text);
    http_response_clear(&response);
    return result;
}

enum iotify_result aws_quotas(struct aws_client *client, struct iotify_call *call,
    void (*found)(void *argument, enum aws_operation operation, double rate), void *argument)
{
    struct quotas_page page = {.sending = {.client = client}, .found = found, .argument = argument};
    enum iotify_result result = client->target.quotas_endpoint ? IOTIFY_OK : IOTIFY_NOT_FOUND;
    int pages = 0;

    while (result == IOTIFY_OK && (pages++ == 0 || *page.token) && pages < PAGES_MAX)
        result = call->host->perform(call, "ListServiceQuotas", quotas_once, &page);
    return result;
}
