/* SPDX-License-Identifier: Apache-2.0 */
#include "plugins/shared/aws/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Larger than any answer of the control plane; limits the memory that a proxy's page may use. */
#define BODY_MAX (4 * 1024 * 1024)
#define CONNECT_TIMEOUT_MS 10000L
#define TIMEOUT_MS 60000L
#define POOL_MAX 256
#define RETRY_AFTER_MAX 60

struct http {
    pthread_mutex_t mutex;
    CURL *idle[POOL_MAX];
    size_t idle_count;
    char *ca;
};

static pthread_once_t http_curl_ready = PTHREAD_ONCE_INIT;

static void http_init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http *http_new(const char *ca)
{
    struct http *http = calloc(1, sizeof(*http));

    pthread_once(&http_curl_ready, http_init_curl);
    if (!http)
        return NULL;
    pthread_mutex_init(&http->mutex, NULL);
    http->ca = ca ? strdup(ca) : NULL;
    return http;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    for (size_t i = 0; i < http->idle_count; i++)
        curl_easy_cleanup(http->idle[i]);
    pthread_mutex_destroy(&http->mutex);
    free(http->ca);
    free(http);
}

static CURL *http_take_handle(struct http *http)
{
    CURL *handle = NULL;

    pthread_mutex_lock(&http->mutex);
    if (http->idle_count)
        handle = http->idle[--http->idle_count];
    pthread_mutex_unlock(&http->mutex);
    return handle ? handle : curl_easy_init();
}

static void http_give_handle(struct http *http, CURL *handle)
{
    /* Resets the options, but keeps connections and TLS sessions. */
    curl_easy_reset(handle);
    pthread_mutex_lock(&http->mutex);
    if (http->idle_count < POOL_MAX) {
        http->idle[http->idle_count++] = handle;
        handle = NULL;
    }
    pthread_mutex_unlock(&http->mutex);
    if (handle)
        curl_easy_cleanup(handle);
}

static size_t http_on_body(char *data, size_t size, size_t count, void *argument)
{
    struct http_response *response = argument;

    return iotify_buffer_append(&response->body, data, size * count) ? size * count : 0;
}

/* Copy the trimmed value of a header line into `out`; false when it is another header. */
static bool http_header_is(
    const char *line, size_t length, const char *name, char *out, size_t size)
{
    size_t name_length = strlen(name), used = 0;

    if (length <= name_length || strncasecmp(line, name, name_length) != 0 ||
        line[name_length] != ':')
        return false;
    line += name_length + 1;
    length -= name_length + 1;
    while (length && (*line == ' ' || *line == '\t')) {
        line++;
        length--;
    }
    while (used < length && used + 1 < size && line[used] != '\r' && line[used] != '\n') {
        out[used] = line[used];
        used++;
    }
    out[used] = '\0';
    return true;
}

/* Limit a Retry-After of the server to RETRY_AFTER_MAX. */
static int64_t http_clamp_seconds(long seconds)
{
    if (seconds < 0)
        return 0;
    return seconds > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : seconds;
}

static size_t http_on_header(char *line, size_t size, size_t count, void *argument)
{
    struct http_response *response = argument;
    char value[128];

    size *= count;
    http_header_is(
        line, size, "x-amzn-errortype", response->error_type, sizeof(response->error_type));
    if (http_header_is(line, size, "date", value, sizeof(value))) {
        time_t date = curl_getdate(value, NULL);

        response->date = date > 0 ? (int64_t)date : 0;
    }
    if (http_header_is(line, size, "retry-after", value, sizeof(value)))
        response->retry_after_ms = http_clamp_seconds(strtol(value, NULL, 10)) * 1000;
    return size;
}

/* True when a retry of the same request would fail in the same way. */
static bool http_is_permanent(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
           code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
}

/* True when the request may have reached the server. */
static bool http_was_sent(CURLcode code)
{
    return code != CURLE_COULDNT_RESOLVE_HOST && code != CURLE_COULDNT_RESOLVE_PROXY &&
           code != CURLE_COULDNT_CONNECT && code != CURLE_SSL_CONNECT_ERROR &&
           !http_is_permanent(code);
}

static struct curl_slist *http_make_headers(const struct http_request *request)
{
    struct curl_slist *list = NULL;
    bool typed = false;

    for (size_t i = 0; i < request->header_count; i++) {
        struct iotify_buffer line;

        typed = typed || strcasecmp(request->headers[i].name, "Content-Type") == 0;
        iotify_buffer_init(&line, 64 * 1024);
        iotify_buffer_format(&line, "%s: %s", request->headers[i].name, request->headers[i].value);
        list = curl_slist_append(list, iotify_buffer_text(&line));
        iotify_buffer_wipe(&line);
    }
    /* Keep libcurl from adding these headers, which the signature does not cover. */
    list = curl_slist_append(list, "Expect:");
    list = curl_slist_append(list, "Accept:");
    if (!typed)
        list = curl_slist_append(list, "Content-Type:");
    return list;
}

/* Called at least once per second. Not 0: give up. */
static int http_on_progress(
    void *argument, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    struct iotify_call *call = argument;

    (void)down_total, (void)down, (void)up_total, (void)up;
    return call->host->cancelled(call);
}

static void http_set_options(const struct http *http, CURL *handle,
    const struct http_request *request, struct http_response *response, struct curl_slist *headers,
    char *error)
{
    curl_easy_setopt(handle, CURLOPT_URL, request->url);
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
        request->timeout_ms ? (long)request->timeout_ms : CONNECT_TIMEOUT_MS);
    curl_easy_setopt(
        handle, CURLOPT_TIMEOUT_MS, request->timeout_ms ? (long)request->timeout_ms : TIMEOUT_MS);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, http_on_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, response);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, http_on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, response);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, http_on_progress);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, request->call);
    /* Do not wait for a name lookup that is given up. */
    curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);
    if (http->ca)
        curl_easy_setopt(handle, CURLOPT_CAINFO, http->ca);
    if (request->once)
        curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, 1L);
    if (request->no_proxy)
        curl_easy_setopt(handle, CURLOPT_PROXY, "");
    if (request->body) {
        curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request->body);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
    }
}

void http_send(
    struct http *http, const struct http_request *request, struct http_response *response)
{
    char error[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers;
    CURLcode code;
    CURL *handle = http_take_handle(http);

    *response = (struct http_response){0};
    iotify_buffer_init(&response->body, BODY_MAX);
    if (!handle) {
        snprintf(response->error, sizeof(response->error), "out of memory");
        return;
    }
    headers = http_make_headers(request);
    http_set_options(http, handle, request, response, headers, error);
    code = curl_easy_perform(handle);
    if (code == CURLE_OK) {
        curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &response->status);
    } else {
        response->permanent = http_is_permanent(code) || code == CURLE_WRITE_ERROR;
        response->sent = http_was_sent(code);
        snprintf(response->error, sizeof(response->error), "%s",
            code == CURLE_WRITE_ERROR           ? "the answer is too large"
            : code == CURLE_ABORTED_BY_CALLBACK ? "given up, because the run is stopped"
            : *error                            ? error
                                                : curl_easy_strerror(code));
    }
    curl_slist_free_all(headers);
    http_give_handle(http, handle);
}

void http_response_clear(struct http_response *response)
{
    iotify_buffer_wipe(&response->body);
}
