/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/api.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sandbox/api_internal.h"
#include "sandbox/request.h"
#include "sandbox/response.h"
#include "sandbox/signature.h"
#include "sandbox/validate.h"

#define BODY_MAX (1024 * 1024)
#define BODY_READ_MAX (16 * BODY_MAX)
#define CONNECTIONS_MAX 4000
#define IDLE_SECONDS 120
/* More than one, so that generating a key for one request does not block all others. */
#define THREADS 4U

/* ------------------------------------------------------------------ one call */

/* Copies the value of Action in a form; leaves `name` unchanged when there is none. */
static void api_find_action(const char *form, char *name, size_t size)
{
    static const char key[] = "Action=";

    while (*form && strncmp(form, key, strlen(key)) != 0) {
        form += strcspn(form, "&");
        form += *form == '&';
    }
    if (*form)
        snprintf(name, size, "%.*s", (int)strcspn(form + strlen(key), "&"), form + strlen(key));
}

/* STS names the operation in a form, Service Quotas in a header; the others have a path. */
static void api_route(struct api_call *call)
{
    const char *body = iotify_buffer_text(&call->arrived->body);
    const char *target = api_header(call->connection, "x-amz-target");
    const char *dot = target ? strrchr(target, '.') : NULL;
    char name[64] = "";

    if (strcmp(call->path, "/") != 0) {
        call->operation = operation_route(call->method, call->path, call->input);
        return;
    }
    if (dot)
        snprintf(name, sizeof(name), "%s", dot + 1);
    else
        api_find_action(strcmp(call->method, "GET") == 0 ? call->query : body, name, sizeof(name));
    call->operation = operation_by_name(name);
    if (call->operation && strcmp(call->operation->path, "/") != 0)
        call->operation = NULL;
}

static bool api_takes_json(const struct operation *operation)
{
    for (const struct parameter *parameter = operation->parameters; parameter && parameter->name;
         parameter++)
        if (parameter->location == IN_BODY)
            return true;
    return false;
}

/* The body as an object; NULL after an error. */
static json_t *api_parse_body(struct api_call *call)
{
    const struct iotify_buffer *text = &call->arrived->body;
    json_t *body;

    if (text->size == 0 || !api_takes_json(call->operation))
        return json_object();
    body = json_loadb(text->data, text->size, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(body))
        return body;
    json_decref(body);
    response_error(&call->response, 400, "SerializationException", "The body is not a JSON object");
    return NULL;
}

static void api_execute(struct api_call *call)
{
    const struct api_options *options = call->api->options;
    struct request request = {.operation = call->operation,
        .region = call->verdict.region,
        .payload = iotify_buffer_text(&call->arrived->body),
        .payload_size = call->arrived->body.size,
        .input = call->input,
        .state = options->state,
        .ca = options->ca,
        .service = &options->service};

    state_begin(options->state);
    call->operation->run(&request, &call->response);
    if (!state_end(options->state, call->response.error == NULL) && !call->response.error)
        response_error(&call->response, 500, "InternalFailureException", "cannot write the state");
    if (!call->response.error && call->operation->opens)
        authorization_changed(options->authorization, call->response.certificate);
}

static void api_run_call(struct api_call *call)
{
    struct validate_source arrival = {api_query, api_header, call->connection, NULL};
    json_t *body = api_parse_body(call);

    arrival.body = body;
    if (body && validate(call->operation, &arrival, call->input, &call->response))
        api_execute(call);
    json_decref(body);
}

/* The service that a request with this path must be signed for. */
static const char *api_service_of(const char *path, const char *signed_for)
{
    if (strcmp(path, "/") == 0)
        return strcmp(signed_for, "servicequotas") == 0 ? "servicequotas" : "sts";
    if (strncmp(path, "/topics/", 8) == 0)
        return strcmp(signed_for, "iotdevicegateway") == 0 ? "iotdevicegateway" : "iotdata";
    return strcmp(signed_for, "execute-api") == 0 ? "execute-api" : "iot";
}

static void api_verify(struct api_call *call)
{
    const struct api_options *options = call->api->options;
    const struct signature_request request = {call->method, call->path, call->query,
        call->arrived->body.data, call->arrived->body.size, api_header, call->connection};
    const struct signature_keys keys = {options->access_key, options->secret_key, options->token};

    signature_verify(&request, &keys, &call->verdict);
    if (call->arrived->body.failed)
        response_error(&call->response, 413, "RequestEntityTooLargeException",
            "The body is larger than %d bytes", BODY_MAX);
    else if (call->verdict.error)
        response_error(&call->response, 403, call->verdict.error, "%s", call->verdict.message);
    else if (strcmp(api_service_of(call->path, call->verdict.service), call->verdict.service) != 0)
        response_error(&call->response, 403, "InvalidSignatureException",
            "Credential should be scoped to correct service: '%s'.",
            api_service_of(call->path, call->verdict.service));
    else if (!call->operation && api_is_sts(call))
        response_error(&call->response, 400, "InvalidAction",
            "Could not find operation for version 2011-06-15");
    else if (!call->operation)
        response_error(&call->response, 404, "UnknownOperationException",
            "The sandbox has no operation %s %s", call->method, call->path);
}

/* Verifies the request, applies faults, executes the operation and sends the response. */
static enum MHD_Result api_answer_call(struct api_call *call)
{
    struct counts *counts = call->api->options->counts;
    const char *name = call->operation ? call->operation->name : "Unknown", *how = NULL;

    api_verify(call);
    if (!call->response.error && api_meet_fault(call, &how) && how) {
        counts_add(counts, name, how);
        return api_hang_up(call->connection, strcmp(how, "reset") == 0);
    }
    if (!call->response.error)
        api_run_call(call);
    if (!call->response.error && call->arrived->fault.hits[FAULT_DROP_REPLY]) {
        counts_add(counts, name, "drop_reply");
        return api_hang_up(call->connection, false);
    }
    counts_add(counts, name, call->response.error ? call->response.error : "OK");
    return api_send_response(call);
}

static enum MHD_Result api_answer(struct api *api, struct MHD_Connection *connection,
    const char *method, struct api_request *arrived)
{
    char *uri = strdup(arrived->uri), *query = strchr(uri, '?');
    struct api_call call = {.api = api,
        .connection = connection,
        .arrived = arrived,
        .method = method,
        .input = json_object(),
        .response = {.status = 200}};
    enum MHD_Result result;

    if (query)
        *query++ = '\0';
    call.path = uri;
    call.query = query ? query : "";
    api_route(&call);
    if (call.operation && !arrived->drawn) {
        faults_draw(api->options->faults, call.operation->name, &arrived->fault);
        arrived->drawn = true;
    }
    if (arrived->fault.latency_ns > 0 && !arrived->waited &&
        api_delay(api, connection, arrived->fault.latency_ns)) {
        arrived->waited = true;
        result = MHD_YES;
    } else {
        result = api_answer_call(&call);
    }
    json_decref(call.input);
    json_decref(call.response.body);
    free(call.response.text);
    free(uri);
    return result;
}

/* The sandbox's own endpoint is not signed: it is for tests. */
static enum MHD_Result api_answer_admin(struct api *api, struct MHD_Connection *connection,
    const char *method, const struct api_request *arrived)
{
    json_t *body = NULL;
    unsigned status = admin_answer(&api->options->admin, method, arrived->uri + strlen(ADMIN_PATH),
        iotify_buffer_text(&arrived->body), &body);
    enum MHD_Result result = api_send_text(
        connection, status, json_dumps(body, JSON_INDENT(2)), "application/json", NULL);

    json_decref(body);
    return result;
}

/* ------------------------------------------------------------------ the server */

static void *api_on_uri(void *argument, const char *uri, struct MHD_Connection *connection)
{
    struct api_request *arrived = calloc(1, sizeof(*arrived));

    (void)argument;
    (void)connection;
    if (arrived) {
        arrived->uri = strdup(uri);
        iotify_buffer_init(&arrived->body, BODY_MAX);
    }
    return arrived;
}

static void api_on_completed(void *argument, struct MHD_Connection *connection, void **context,
    enum MHD_RequestTerminationCode code)
{
    struct api_request *arrived = *context;

    (void)argument;
    (void)connection;
    (void)code;
    if (!arrived)
        return;
    iotify_buffer_wipe(&arrived->body);
    free(arrived->uri);
    free(arrived);
    *context = NULL;
}

/* A body slightly over the limit is read before the error is sent; a much larger one is not. */
static bool api_announces_too_much(struct MHD_Connection *connection)
{
    const char *length = api_header(connection, "content-length");

    return length && strtoull(length, NULL, 10) > BODY_READ_MAX;
}

static enum MHD_Result api_refuse_body(struct MHD_Connection *connection)
{
    json_t *body = json_pack("{s:s}", "message", "The body is too large");
    enum MHD_Result result = api_send_text(connection, 413, json_dumps(body, JSON_COMPACT),
        "application/json", "RequestEntityTooLargeException");

    json_decref(body);
    return result;
}

static enum MHD_Result api_on_request(void *argument, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version, const char *data, size_t *size,
    void **context)
{
    struct api_request *arrived = *context;

    (void)url;
    (void)version;
    if (!arrived || !arrived->uri)
        return MHD_NO;
    if (!arrived->begun) {
        arrived->begun = true;
        return api_announces_too_much(connection) ? api_refuse_body(connection) : MHD_YES;
    }
    if (*size) {
        iotify_buffer_append(&arrived->body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (strncmp(arrived->uri, ADMIN_PATH, strlen(ADMIN_PATH)) == 0)
        return api_answer_admin(argument, connection, method, arrived);
    return api_answer(argument, connection, method, arrived);
}

static bool api_start_daemon(struct api *api)
{
    const struct api_options *options = api->options;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    const union MHD_DaemonInfo *info;

    if (inet_pton(AF_INET, options->address, &address.sin_addr) != 1)
        return false;
    api->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME,
        options->port, NULL, NULL, api_on_request, api, MHD_OPTION_SOCK_ADDR,
        (struct sockaddr *)&address, MHD_OPTION_URI_LOG_CALLBACK, api_on_uri, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, api_on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
        CONNECTIONS_MAX, MHD_OPTION_THREAD_POOL_SIZE, THREADS, MHD_OPTION_CONNECTION_TIMEOUT,
        IDLE_SECONDS, MHD_OPTION_END);
    if (!api->daemon)
        return false;
    info = MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_BIND_PORT);
    api->port = info ? info->port : options->port;
    return true;
}

struct api *api_open(const struct api_options *options)
{
    struct api *api = calloc(1, sizeof(*api));

    if (!api)
        return NULL;
    api->options = options;
    if (api_start_waker(api) && api_start_daemon(api))
        return api;
    fprintf(stderr, "iotify-sandbox: cannot listen on %s port %d; is it taken? try --api-port 0\n",
        options->address, options->port);
    api_close(api);
    return NULL;
}

void api_close(struct api *api)
{
    if (!api)
        return;
    pthread_mutex_lock(&api->mutex);
    api->closing = true;
    pthread_cond_signal(&api->changed);
    pthread_mutex_unlock(&api->mutex);
    if (api->waking)
        pthread_join(api->waker, NULL);
    if (api->daemon)
        MHD_stop_daemon(api->daemon);
    pthread_cond_destroy(&api->changed);
    pthread_mutex_destroy(&api->mutex);
    free(api);
}

uint16_t api_port(const struct api *api)
{
    return api->port;
}
