#include "sandbox/api.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/operation.h"
#include "sandbox/signature.h"

#define BODY_MAX (1024 * 1024)
/* An ARN or a name, each byte of it percent-encoded. */
#define PARAMETER_MAX 1024
#define CONNECTIONS_MAX 4000
#define IDLE_SECONDS 120

struct api {
    const struct api_options *options;
    struct state *state;
    struct authority *authority;
    struct MHD_Daemon *daemon;
    uint16_t port;
};

/* One request while it arrives. */
struct exchange {
    char *uri;  /* as it came */
    bool begun; /* the call that announces the headers was made */
    struct iotify_buffer body;
};

static const struct operation *const tables[] = {group_operations, thing_operations,
    policy_operations, certificate_operations, other_operations};

/* ------------------------------------------------------------------ routing */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False when the result is no UTF-8 text. */
static bool decode(char *text)
{
    const char *start = text;
    char *to = text;
    json_t *check;

    for (; *text; text++) {
        if (*text == '%' && hex(text[1]) >= 0 && hex(text[2]) >= 0) {
            *to++ = (char)(hex(text[1]) * 16 + hex(text[2]));
            if (to[-1] == '\0')
                return false;
            text += 2;
        } else {
            *to++ = *text;
        }
    }
    *to = '\0';
    check = json_string(start);
    json_decref(check);
    return check != NULL;
}

/* Does the path fit the pattern? Parameters are copied, decoded, to `out` (PARAMETER_MAX bytes
 * each). */
static bool match(const char *pattern, const char *path, char out[2][PARAMETER_MAX])
{
    size_t count = 0;

    out[0][0] = out[1][0] = '\0';
    while (*pattern) {
        if (pattern[0] == '{') {
            size_t length = strcspn(path, "/");

            if (length == 0 || length >= PARAMETER_MAX || count == 2)
                return false;
            memcpy(out[count], path, length);
            out[count][length] = '\0';
            if (!decode(out[count++]))
                return false;
            path += length;
            pattern += 2;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

static const struct operation *find_operation(
    const char *method, const char *path, char parameters[2][PARAMETER_MAX])
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (const struct operation *operation = tables[i]; operation->name; operation++)
            if (strcmp(operation->method, method) == 0 && match(operation->path, path, parameters))
                return operation;
    return NULL;
}

/* ------------------------------------------------------------------ answering */

static const char *query_of(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

static const char *header_of(void *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result send_response(
    struct MHD_Connection *connection, const struct response *response)
{
    char *text = response->text   ? strdup(response->text)
                 : response->body ? json_dumps(response->body, JSON_COMPACT)
                                  : strdup("");
    struct MHD_Response *answer;
    enum MHD_Result result;
    char *id;

    if (!text)
        return MHD_NO;
    id = make_id();
    answer = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    MHD_add_response_header(
        answer, "Content-Type", response->text ? "text/xml" : "application/json");
    MHD_add_response_header(answer, "x-amzn-RequestId", id);
    if (response->error)
        MHD_add_response_header(answer, "x-amzn-ErrorType", response->error);
    result = MHD_queue_response(connection, response->status, answer);
    MHD_destroy_response(answer);
    free(id);
    return result;
}

/* The body as an object; false after an error when it is something else. */
static bool parse_body(
    const struct exchange *exchange, struct request *request, struct response *response)
{
    json_t *body;

    if (exchange->body.size == 0 || *request->action) {
        request->body = json_object();
        return true;
    }
    body = json_loadb(exchange->body.data, exchange->body.size, 0, NULL);
    if (json_is_object(body)) {
        request->body = body;
        return true;
    }
    json_decref(body);
    respond_error(response, 400, "SerializationException", "The body is not a JSON object");
    return false;
}

/* STS speaks forms: `Action=GetCallerIdentity&Version=…`. */
static void find_action(const struct exchange *exchange, char action[64])
{
    const char *body = iotify_buffer_text(&exchange->body);
    size_t length;

    action[0] = '\0';
    if (strncmp(body, "Action=", 7) != 0)
        return;
    length = strcspn(body + 7, "&");
    if (length < 64) {
        memcpy(action, body + 7, length);
        action[length] = '\0';
    }
}

static void run_operation(struct api *api, struct request *request, const char *method,
    const char *path, const struct exchange *exchange, struct response *response)
{
    char parameters[2][PARAMETER_MAX];
    const struct operation *operation = find_operation(method, path, parameters);

    if (!operation) {
        respond_error(response, 404, "UnknownOperationException",
            "The sandbox knows no operation %s %s", method, path);
        return;
    }
    if (!parse_body(exchange, request, response))
        return;
    request->parameters[0] = parameters[0];
    request->parameters[1] = parameters[1];
    state_begin(api->state);
    operation->run(request, response);
    if (!state_end(api->state, response->error == NULL) && !response->error)
        respond_error(response, 500, "InternalFailureException", "cannot write the state");
}

static enum MHD_Result answer(struct api *api, struct MHD_Connection *connection,
    const char *method, const struct exchange *exchange)
{
    char *uri = strdup(exchange->uri), *query = strchr(uri, '?');
    struct response response = {.status = 200};
    struct signature_verdict verdict;
    struct signed_request to_verify;
    char action[64];
    struct request request;
    const char *principal = header_of(connection, "x-amzn-principal");
    enum MHD_Result result;

    if (query)
        *query++ = '\0';
    to_verify = (struct signed_request){method, uri, query ? query : "", exchange->body.data,
        exchange->body.size, header_of, connection};
    signature_verify(&to_verify, api->options->access_key, api->options->secret_key, &verdict);
    find_action(exchange, action);
    request = (struct request){.options = api->options,
        .state = api->state,
        .authority = api->authority,
        .region = verdict.region,
        .principal = principal ? principal : "",
        .action = action,
        .query = query_of,
        .connection = connection};
    if (exchange->body.failed)
        respond_error(&response, 413, "RequestEntityTooLargeException", "The body is too large");
    else if (verdict.error)
        respond_error(&response, 403, verdict.error, "%s", verdict.message);
    else
        run_operation(api, &request, method, uri, exchange, &response);
    result = send_response(connection, &response);
    json_decref(request.body);
    json_decref(response.body);
    free(response.text);
    free(uri);
    return result;
}

/* ------------------------------------------------------------------ the server */

static void *on_uri(void *argument, const char *uri, struct MHD_Connection *connection)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));

    (void)argument;
    (void)connection;
    if (exchange) {
        exchange->uri = strdup(uri);
        iotify_buffer_init(&exchange->body, BODY_MAX);
    }
    return exchange;
}

static void on_completed(void *argument, struct MHD_Connection *connection, void **context,
    enum MHD_RequestTerminationCode code)
{
    struct exchange *exchange = *context;

    (void)argument;
    (void)connection;
    (void)code;
    if (!exchange)
        return;
    iotify_buffer_wipe(&exchange->body);
    free(exchange->uri);
    free(exchange);
    *context = NULL;
}

static enum MHD_Result on_request(void *argument, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version, const char *data, size_t *size,
    void **context)
{
    struct exchange *exchange = *context;

    (void)url;
    (void)version;
    if (!exchange || !exchange->uri)
        return MHD_NO;
    if (!exchange->begun) {
        exchange->begun = true;
        return MHD_YES;
    }
    if (*size) {
        iotify_buffer_append(&exchange->body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    return answer(argument, connection, method, exchange);
}

struct api *api_open(
    const struct api_options *options, struct state *state, struct authority *authority)
{
    struct api *api = calloc(1, sizeof(*api));
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons(options->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const union MHD_DaemonInfo *info;

    if (!api)
        return NULL;
    api->options = options;
    api->state = state;
    api->authority = authority;
    api->daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, options->port, NULL, NULL, on_request, api,
            MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_URI_LOG_CALLBACK, on_uri,
            NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
            CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_END);
    if (!api->daemon) {
        fprintf(stderr,
            "iotify-sandbox: cannot listen on 127.0.0.1 port %d; is it taken? try --api-port 0\n",
            options->port);
        free(api);
        return NULL;
    }
    info = MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_BIND_PORT);
    api->port = info ? info->port : options->port;
    return api;
}

void api_close(struct api *api)
{
    if (!api)
        return;
    MHD_stop_daemon(api->daemon);
    free(api);
}

uint16_t api_port(const struct api *api)
{
    return api->port;
}
