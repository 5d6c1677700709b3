/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of a session: one request at a time, in order. An answer of class 2 acknowledges the
 * message, any other one refuses it; what fails below HTTP closes the session, and the message is
 * sent again after the next connect.
 */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "plugins/transport/https/https.h"

/* Larger answers are cut off, and refuse the message. */
#define ANSWER_MAX (16 * 1024 * 1024)
#define FIELDS_MAX (64 * 1024)
#define PROPERTIES_MAX 100
#define PAUSE_MAX 3600
#define TOPIC_MAX 4096

static int64_t request_now(const struct https_session *session)
{
    return session->channel->loop->now(session->channel->loop);
}

/* ------------------------------------------------------------------ what libcurl reports */

static size_t request_on_body(char *data, size_t size, size_t count, void *argument)
{
    struct https_session *session = argument;

    return iotify_buffer_append(&session->answer, data, size * count) ? size * count : 0;
}

/* The lines of the last answer: one that only says "continue" comes before it. */
static size_t request_on_field(char *data, size_t size, size_t count, void *argument)
{
    struct https_session *session = argument;
    size_t length = size * count;

    if (length > 5 && strncmp(data, "HTTP/", 5) == 0) {
        iotify_buffer_reset(&session->fields);
        session->retry_after = 0;
        return length;
    }
    while (length && (data[length - 1] == '\r' || data[length - 1] == '\n'))
        length--;
    if (length > 12 && strncasecmp(data, "retry-after:", 12) == 0)
        session->retry_after = strtol(data + 12, NULL, 10);
    if (length) {
        iotify_buffer_append(&session->fields, data, length);
        iotify_buffer_char(&session->fields, '\0');
    }
    return size * count;
}

/* The connection that the session has made is the first one. */
static curl_socket_t request_on_socket(
    void *argument, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct https_session *session = argument;
    int descriptor = session->descriptor;

    (void)purpose;
    session->descriptor = -1;
    return descriptor >= 0
               ? descriptor
               : socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int request_on_option(void *argument, curl_socket_t descriptor, curlsocktype purpose)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);

    (void)argument, (void)purpose;
    return getpeername(descriptor, (struct sockaddr *)&peer, &size) == 0
               ? CURL_SOCKOPT_ALREADY_CONNECTED
               : CURL_SOCKOPT_OK;
}

/* libcurl offers names of HTTP only. */
static CURLcode request_on_context(CURL *easy, void *context, void *argument)
{
    const struct https_session *session = argument;
    unsigned char wire[256];
    size_t length = session->alpn ? strlen(session->alpn) : 0;

    (void)easy;
    if (length == 0)
        return CURLE_OUT_OF_MEMORY;
    wire[0] = (unsigned char)length;
    memcpy(wire + 1, session->alpn, length);
    return SSL_CTX_set_alpn_protos(context, wire, (unsigned)length + 1) == 0 ? CURLE_OK
                                                                             : CURLE_OUT_OF_MEMORY;
}

/* ------------------------------------------------------------------ settings of all requests */

static bool request_add_headers(struct https_session *session, const char *lines)
{
    while (lines && *lines) {
        size_t length = strcspn(lines, "\r\n");
        char *line = strndup(lines, length);
        struct curl_slist *list =
            line && *line ? curl_slist_append(session->headers, line) : session->headers;

        if (!line || (*line && !list)) {
            free(line);
            return false;
        }
        free(line);
        session->headers = list;
        lines += length + strspn(lines + length, "\r\n");
    }
    return true;
}

static void request_set_blob(CURL *easy, CURLoption option, const char *text)
{
    struct curl_blob blob = {.data = (void *)text, .len = strlen(text), .flags = CURL_BLOB_COPY};

    curl_easy_setopt(easy, option, &blob);
}

static void request_set_identity(CURL *easy, const struct https_connection *connection)
{
    const char *bundle = getenv("AWS_CA_BUNDLE");

    if (connection->cert) {
        request_set_blob(easy, CURLOPT_SSLCERT_BLOB, connection->cert);
        curl_easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM");
    }
    if (connection->key) {
        request_set_blob(easy, CURLOPT_SSLKEY_BLOB, connection->key);
        curl_easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM");
    }
    if (connection->ca && strstr(connection->ca, "-----BEGIN"))
        request_set_blob(easy, CURLOPT_CAINFO_BLOB, connection->ca);
    else if (connection->ca || (bundle && *bundle))
        curl_easy_setopt(easy, CURLOPT_CAINFO, connection->ca ? connection->ca : bundle);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, connection->verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, connection->verify ? 2L : 0L);
    if (connection->username) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERNAME, connection->username);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, connection->password ? connection->password : "");
    }
}

/* libcurl reuses a connection for any request with the same settings, of any session. */
bool https_begin_connection(struct https_session *session)
{
    https_end_connection(session);
    session->share = curl_share_init();
    return session->share &&
           curl_share_setopt(session->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) ==
               CURLSHE_OK &&
           curl_easy_setopt(session->easy, CURLOPT_SHARE, session->share) == CURLE_OK;
}

void https_end_connection(struct https_session *session)
{
    if (!session->share)
        return;
    curl_easy_setopt(session->easy, CURLOPT_SHARE, NULL);
    curl_share_cleanup(session->share);
    session->share = NULL;
}

bool https_prepare(struct https_session *session, const struct https_connection *connection)
{
    CURL *easy = session->easy;

    iotify_buffer_init(&session->answer, ANSWER_MAX);
    iotify_buffer_init(&session->fields, FIELDS_MAX);
    /* Neither a wait for "continue" nor a type that is not the message's. */
    if (!request_add_headers(session, "Expect:\nContent-Type:") ||
        !request_add_headers(session, connection->headers))
        return false;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, session);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, session->error);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, session->headers);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, connection->method);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(connection->timeout / 1000000));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, request_on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, session);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, request_on_field);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, session);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, request_on_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, session);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, request_on_option);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 4096L);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
        strcmp(connection->version, "2") == 0 ? (long)CURL_HTTP_VERSION_2TLS
                                              : (long)CURL_HTTP_VERSION_1_1);
    request_set_identity(easy, connection);
    if (connection->alpn && *connection->alpn && strlen(connection->alpn) < 256) {
        session->alpn = strdup(connection->alpn);
        curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, request_on_context);
        curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, session);
    }
    return true;
}

/* ------------------------------------------------------------------ the queue */

/* Characters of a topic that need no escape in an address. */
static bool request_is_plain(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           strchr("-._~/", c);
}

/* The address of a message; false without memory. */
static bool request_set_url(struct https_session *session, const struct https_entry *request)
{
    struct iotify_buffer url;
    bool good;

    if (!session->by_topic)
        return curl_easy_setopt(session->easy, CURLOPT_URL, session->base) == CURLE_OK;
    iotify_buffer_init(&url, 16 * 1024);
    iotify_buffer_string(&url, session->base);
    for (const char *c = request->topic; *c; c++)
        if (request_is_plain((unsigned char)*c))
            iotify_buffer_char(&url, *c);
        else
            iotify_buffer_format(&url, "%%%02X", (unsigned char)*c);
    iotify_buffer_string(&url, request->query);
    good = !url.failed &&
           curl_easy_setopt(session->easy, CURLOPT_URL, iotify_buffer_text(&url)) == CURLE_OK;
    iotify_buffer_clear(&url);
    return good;
}

void https_start(struct https_session *session)
{
    const struct https_entry *request = session->first;
    int64_t left;
    bool good;

    if (session->active || !request || session->state != HTTPS_OPEN ||
        session->pending != HTTPS_NOTHING)
        return;
    left = session->paused_until - request_now(session);
    if (left > 0) {
        session->channel->loop->timer_start(session->timer, left);
        return;
    }
    iotify_buffer_reset(&session->answer);
    iotify_buffer_reset(&session->fields);
    session->retry_after = 0;
    session->error[0] = '\0';
    good = request_set_url(session, request);
    curl_easy_setopt(session->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->size);
    curl_easy_setopt(session->easy, CURLOPT_POSTFIELDS, &request->payload[0]);
    good = good && curl_multi_add_handle(session->channel->multi, session->easy) == CURLM_OK;
    session->active = good;
    if (!good)
        https_break(session);
}

void https_break(struct https_session *session)
{
    session->pending = HTTPS_BROKEN;
    session->channel->loop->timer_start(session->timer, 0);
}

void https_stop(struct https_session *session)
{
    if (session->active)
        curl_multi_remove_handle(session->channel->multi, session->easy);
    session->active = false;
}

/* The first message leaves the queue. */
static struct https_entry *request_take(struct https_session *session)
{
    struct https_entry *request = session->first;

    session->first = request->next;
    if (!session->first)
        session->last = &session->first;
    session->queued -= request->size;
    return request;
}

void https_drop_requests(struct https_session *session)
{
    while (session->first)
        free(request_take(session));
}

enum iotify_result https_session_publish(void *given, struct iotify_call *call,
    const void *settings, struct iotify_bytes payload, uint64_t token)
{
    struct https_session *session = given;
    const struct https_publish *publish = settings;
    const char *topic = publish->topic ? publish->topic : "";
    struct https_entry *request;
    int64_t left = session->paused_until - request_now(session);
    char query[40];

    if (session->state != HTTPS_OPEN || session->pending != HTTPS_NOTHING)
        return call->host->fail(call, IOTIFY_RESULT_TRANSIENT, "NotConnected", "not connected");
    if (session->by_topic && !*topic)
        return call->host->fail(
            call, IOTIFY_RESULT_INVALID, "NoTopic", "publish.topic: is empty, and there is no url");
    if (strlen(topic) > TOPIC_MAX)
        return call->host->fail(
            call, IOTIFY_RESULT_INVALID, "BadTopic", "publish.topic: is longer than 4096 bytes");
    if (left > 0) {
        call->host->retry_after(call, left);
        return call->host->fail(call, IOTIFY_RESULT_THROTTLED, "Throttled",
            "the server asked for a pause (Retry-After)");
    }
    snprintf(query, sizeof(query), "?qos=%d%s", (int)publish->qos,
        publish->retain ? "&retain=true" : "");
    request = malloc(sizeof(*request) + payload.size + strlen(topic) + strlen(query) + 3);
    if (!request)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    *request = (struct https_entry){.token = token, .size = payload.size};
    request->topic = request->payload + payload.size + 1;
    request->query = request->topic + strlen(topic) + 1;
    if (payload.size)
        memcpy(request->payload, payload.data, payload.size);
    request->payload[payload.size] = '\0';
    memcpy(request->topic, topic, strlen(topic) + 1);
    memcpy(request->query, query, strlen(query) + 1);
    *session->last = request;
    session->last = &request->next;
    session->queued += payload.size;
    https_start(session);
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ answers */

static uint32_t request_list_fields(
    const struct https_session *session, struct iotify_property *properties)
{
    char *at = session->fields.data, *end = at ? at + session->fields.size : NULL;
    uint32_t count = 0;

    for (; at < end && count < PROPERTIES_MAX; at += strlen(at) + 1) {
        char *colon = strchr(at, ':');

        if (!colon)
            continue;
        *colon = '\0';
        properties[count].name = at;
        at = colon + 1 + strspn(colon + 1, " \t");
        properties[count++].value = at;
    }
    return count;
}

/* The text of a refusal: what the answer says, as far as it is one short line. */
static void request_describe(
    const struct https_session *session, long status, char *text, size_t size)
{
    const char *body = iotify_buffer_text(&session->answer);

    if (status >= 300 && status < 400)
        snprintf(text, size, "the server answered %ld: it sends to another address", status);
    else
        snprintf(text, size, "the server answered %ld%s%.120s", status, *body ? ": " : "", body);
    text[strcspn(text, "\r\n\t\033")] = '\0';
}

static void request_take_answer(struct https_session *session, const struct https_entry *request)
{
    const struct iotify_session_events *events = session->channel->events;
    struct iotify_property properties[PROPERTIES_MAX];
    struct iotify_message message = {.struct_size = sizeof(message),
        .topic = session->by_topic ? request->topic : session->base,
        .payload = {session->answer.data, session->answer.size},
        .properties = properties,
        .property_size = sizeof(properties[0])};
    char text[200];
    long status = 0;

    curl_easy_getinfo(session->easy, CURLINFO_RESPONSE_CODE, &status);
    message.status = (int32_t)status;
    message.property_count = request_list_fields(session, properties);
    if (session->retry_after > 0 && (status == 429 || status == 503))
        session->paused_until =
            request_now(session) +
            (session->retry_after < PAUSE_MAX ? session->retry_after : PAUSE_MAX) * SECOND;
    /* First: after its last message a device ends, and hears no more. */
    events->message(session->user, &message);
    if (status >= 200 && status < 300) {
        events->acknowledged(session->user, request->token);
    } else {
        request_describe(session, status, text, sizeof(text));
        events->refused(session->user, request->token, (int32_t)status, text);
    }
}

/* What failed below HTTP. */
static enum iotify_close request_reason(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return IOTIFY_CLOSED_UNREACHABLE;
    case CURLE_OPERATION_TIMEDOUT:
        return IOTIFY_CLOSED_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return IOTIFY_CLOSED_TLS;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return IOTIFY_CLOSED_BY_PEER;
    case CURLE_OUT_OF_MEMORY:
        return IOTIFY_CLOSED_LOCAL;
    default:
        return IOTIFY_CLOSED_PROTOCOL;
    }
}

static void request_finish(struct https_session *session, CURLcode code)
{
    /* An answer that is too large is one. */
    bool cut = code == CURLE_WRITE_ERROR && session->answer.failed;
    struct https_entry *request;

    https_stop(session);
    if (code != CURLE_OK && !cut) {
        https_session_end(session, request_reason(code),
            *session->error ? session->error : curl_easy_strerror(code));
        return;
    }
    /* In the events the host may publish the next one, or close the session. */
    request = request_take(session);
    if (cut)
        session->channel->events->refused(
            session->user, request->token, 0, "the answer is larger than 16 MiB");
    else
        request_take_answer(session, request);
    free(request);
    https_start(session);
}

void https_take_results(struct https_channel *channel)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(channel->multi, &left))) {
        struct https_session *session = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&session);
        request_finish(session, message->data.result);
    }
}
