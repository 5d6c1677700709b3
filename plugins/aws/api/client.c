/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/aws/api/client.h"

#include <stdlib.h>
#include <string.h>

#include "plugins/aws/api/client_internal.h"
#include "plugins/aws/api/operations.h"
#include "plugins/aws/api/signed_request.h"
#include "plugins/shared/aws/sigv4.h"

#define URL_MAX 16384

struct aws_client *aws_client_new(
    const struct aws_target *target, const char *profile, const char *ca)
{
    struct aws_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->target = *target;
    client->signer.region = target->region;
    pthread_mutex_init(&client->signer.mutex, NULL);
    client->signer.http = http_new(ca);
    if (client->signer.http)
        client->signer.credentials = credentials_new(profile, client->signer.http);
    if (!client->signer.credentials) {
        aws_client_free(client);
        return NULL;
    }
    return client;
}

void aws_client_free(struct aws_client *client)
{
    if (!client)
        return;
    credentials_free(client->signer.credentials);
    http_free(client->signer.http);
    pthread_mutex_destroy(&client->signer.mutex);
    free(client);
}

/* ------------------------------------------------------------------ AWS IoT */

static void client_build_path(const struct aws_request *request, struct iotify_buffer *path)
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

static void client_build_query(const struct aws_request *request, struct iotify_buffer *query)
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

/* Check that the answer has the member that the caller reads: without it, a list is not empty. */
static enum iotify_result client_check_answer(
    struct iotify_call *call, struct client_sending *sending)
{
    const struct aws_form *form = aws_operation_form(sending->request->operation);
    const json_t *member =
        form->member ? json_object_get(sending->request->answer, form->member) : NULL;

    if (!form->member || (member && json_typeof(member) == form->type))
        return IOTIFY_RESULT_OK;
    sending->outgoing.uncertain = true;
    return call->host->fail(call, IOTIFY_RESULT_FAILED, "BadAnswer",
        "%s: the answer has no \"%s\"; is there a proxy between here and AWS?", form->name,
        form->member);
}

static enum iotify_result client_send_once(struct iotify_call *call, void *argument)
{
    struct client_sending *sending = argument;
    struct http_response response;
    enum iotify_result result =
        signed_request_send(&sending->client->signer, call, &sending->outgoing, &response);
    json_error_t error;

    json_decref(sending->request->answer);
    sending->request->answer = NULL;
    if (result == IOTIFY_RESULT_EXISTS) {
        sending->request->answer =
            json_loadb(iotify_buffer_text(&response.body), response.body.size, 0, NULL);
    } else if (result == IOTIFY_RESULT_OK && response.body.size) {
        sending->request->answer = json_loadb(response.body.data, response.body.size, 0, &error);
        if (!json_is_object(sending->request->answer)) {
            sending->outgoing.uncertain = true;
            result = call->host->fail(call, IOTIFY_RESULT_FAILED, "BadAnswer",
                "%s: the answer is not a JSON object (%s); is there a proxy between here and AWS?",
                sending->outgoing.operation,
                sending->request->answer ? "another type" : error.text);
        }
    }
    if (result == IOTIFY_RESULT_OK)
        result = client_check_answer(call, sending);
    sending->request->uncertain = sending->request->uncertain || sending->outgoing.uncertain;
    http_response_clear(&response);
    return result;
}

enum iotify_result aws_send(
    struct aws_client *client, struct iotify_call *call, struct aws_request *request)
{
    const struct aws_form *form = aws_operation_form(request->operation);
    struct client_sending sending = {.client = client, .request = request};
    struct iotify_buffer path, query;
    enum iotify_result result;
    char *body = request->body ? json_dumps(request->body, JSON_COMPACT) : NULL;

    iotify_buffer_init(&path, URL_MAX);
    iotify_buffer_init(&query, URL_MAX);
    client_build_path(request, &path);
    client_build_query(request, &query);
    sending.outgoing = (struct signed_request){
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
    result = call->host->perform(call, sending.outgoing.operation, client_send_once, &sending);
    iotify_buffer_clear(&path);
    iotify_buffer_clear(&query);
    if (body)
        explicit_bzero(body, strlen(body));
    free(body);
    return result;
}

int64_t aws_now(struct aws_client *client)
{
    return signed_request_now(&client->signer);
}
