/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTPS with libcurl on the host's loop: the plugin, its channels, and the creation of sessions.
 * See docs/transport-https.md.
 */
#include "plugins/transport/https/https.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ libcurl on the loop */

static void https_act(struct https_channel *channel, curl_socket_t descriptor, int events)
{
    int running;

    curl_multi_socket_action(channel->multi, descriptor, events, &running);
    https_take_results(channel);
}

/* A descriptor of libcurl. */
struct https_watch {
    struct https_channel *channel;
    struct iotify_watch *watch;
    curl_socket_t descriptor;
};

static void https_on_ready(void *argument, int events)
{
    const struct https_watch *watch = argument;

    https_act(watch->channel, watch->descriptor,
        (events & IOTIFY_EVENT_READABLE ? CURL_CSELECT_IN : 0) |
            (events & IOTIFY_EVENT_WRITABLE ? CURL_CSELECT_OUT : 0) |
            (events & IOTIFY_EVENT_ERROR ? CURL_CSELECT_ERR : 0));
}

static void https_on_timer(void *argument)
{
    https_act(argument, CURL_SOCKET_TIMEOUT, 0);
}

static int https_set_timer(CURLM *multi, long milliseconds, void *argument)
{
    struct https_channel *channel = argument;

    (void)multi;
    if (milliseconds < 0)
        channel->loop->timer_stop(channel->timer);
    else
        channel->loop->timer_start(channel->timer, milliseconds * INT64_C(1000000));
    return 0;
}

static void https_unwatch(struct https_channel *channel, struct https_watch *watch)
{
    channel->loop->unwatch(watch->watch);
    free(watch);
}

static int https_set_watch(
    CURL *easy, curl_socket_t descriptor, int what, void *argument, void *given)
{
    struct https_channel *channel = argument;
    const struct iotify_loop *loop = channel->loop;
    struct https_watch *watch = given;
    struct https_session *session = NULL;
    int events = (what & CURL_POLL_IN ? IOTIFY_EVENT_READABLE : 0) |
                 (what & CURL_POLL_OUT ? IOTIFY_EVENT_WRITABLE : 0);

    if (what == CURL_POLL_REMOVE) {
        if (watch)
            https_unwatch(channel, watch);
        return 0;
    }
    if (watch) {
        loop->rewatch(watch->watch, events);
        return 0;
    }
    /* An error returned from here would end all transfers of the channel. */
    watch = calloc(1, sizeof(*watch));
    if (watch)
        *watch = (struct https_watch){
            channel, loop->watch(loop, descriptor, events, https_on_ready, watch), descriptor};
    if (!watch || !watch->watch) {
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&session);
        https_break(session);
        free(watch);
        return 0;
    }
    curl_multi_assign(channel->multi, descriptor, watch);
    return 0;
}

/* ------------------------------------------------------------------ channels */

static void https_channel_free(void *given)
{
    struct https_channel *channel = given;

    curl_multi_cleanup(channel->multi);
    channel->loop->timer_free(channel->timer);
    free(channel);
}

static enum iotify_result https_channel_new(void *instance, struct iotify_call *call,
    const struct iotify_loop *loop, const struct iotify_session_events *events, void **out)
{
    struct https_channel *channel = calloc(1, sizeof(*channel));

    (void)instance;
    if (!channel)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    channel->loop = loop;
    channel->events = events;
    channel->multi = curl_multi_init();
    if (!channel->multi) {
        free(channel);
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    }
    channel->timer = loop->timer_new(loop, https_on_timer, channel);
    curl_multi_setopt(channel->multi, CURLMOPT_SOCKETFUNCTION, https_set_watch);
    curl_multi_setopt(channel->multi, CURLMOPT_SOCKETDATA, channel);
    curl_multi_setopt(channel->multi, CURLMOPT_TIMERFUNCTION, https_set_timer);
    curl_multi_setopt(channel->multi, CURLMOPT_TIMERDATA, channel);
    /* Each device keeps its own connection. */
    curl_multi_setopt(channel->multi, CURLMOPT_MAXCONNECTS, 1000000L);
    curl_multi_setopt(channel->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    *out = channel;
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ sessions */

static void https_session_free(void *given)
{
    struct https_session *session = given;

    https_stop(session);
    https_forget(session);
    https_drop_requests(session);
    session->channel->loop->timer_free(session->timer);
    https_end_connection(session);
    if (session->easy)
        curl_easy_cleanup(session->easy);
    curl_slist_free_all(session->headers);
    curl_slist_free_all(session->connect_to);
    iotify_buffer_clear(&session->answer);
    iotify_buffer_clear(&session->fields);
    free(session->alpn);
    free(session->host);
    free(session->base);
    free(session);
}

/* The time limit of a connect, a pause, or the end of a session that the host has closed. */
static void https_on_session_timer(void *argument)
{
    struct https_session *session = argument;
    char text[120];

    if (session->pending == HTTPS_CLOSED) {
        https_session_end(session, IOTIFY_CLOSED_BY_US, "disconnected");
        return;
    }
    if (session->pending == HTTPS_BROKEN) {
        https_session_end(
            session, IOTIFY_CLOSED_LOCAL, "libcurl has no memory or no descriptor left");
        return;
    }
    /* The pause that the server has asked for is over. */
    if (session->state == HTTPS_OPEN) {
        https_start(session);
        return;
    }
    snprintf(text, sizeof(text), "no answer in %.3g s while %s",
        (double)session->timeout / (double)SECOND,
        session->state == HTTPS_RESOLVING ? "looking up the name" : "connecting");
    https_session_end(session, IOTIFY_CLOSED_TIMEOUT, text);
}

/* Take host and port out of an address. */
static enum iotify_result https_take_url(
    struct https_session *session, struct iotify_call *call, const char *text)
{
    CURLU *url = curl_url();
    char *host = NULL, *port = NULL, *scheme = NULL;
    bool good = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);

    if (good) {
        size_t length = strlen(host);
        bool brackets = host[0] == '[' && length > 2;

        session->host = strndup(host + brackets, length - 2 * brackets);
        session->port = (uint16_t)strtol(port, NULL, 10);
        session->base = strdup(text);
    }
    curl_free(host);
    curl_free(port);
    curl_free(scheme);
    curl_url_cleanup(url);
    return good && session->host && session->base
               ? IOTIFY_RESULT_OK
               : call->host->fail(call, IOTIFY_RESULT_INVALID, "BadUrl",
                     "%s is not an address that begins with http:// or https://",
                     session->by_topic ? "host" : "url");
}

static enum iotify_result https_take_host(struct https_session *session, struct iotify_call *call,
    const struct https_connection *connection)
{
    char text[600];

    if (!connection->host || !*connection->host)
        return call->host->fail(call, IOTIFY_RESULT_INVALID, "NoHost",
            "host: is not set, there is no url, and no connector gives an endpoint for HTTPS");
    snprintf(text, sizeof(text),
        strchr(connection->host, ':') ? "%s://[%.300s]:%d/topics/" : "%s://%.300s:%d/topics/",
        connection->tls ? "https" : "http", connection->host, (int)connection->port);
    session->by_topic = true;
    return https_take_url(session, call, text);
}

static enum iotify_result https_session_new(void *channel, struct iotify_call *call,
    const void *settings, const char *const *subscriptions, size_t count, void *user, void **out)
{
    const struct https_connection *connection = settings;
    struct https_session *session = calloc(1, sizeof(*session));
    enum iotify_result result;

    (void)subscriptions, (void)count;
    if (!session)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    session->channel = channel;
    session->user = user;
    session->timeout = connection->timeout;
    session->descriptor = -1;
    session->last = &session->first;
    session->timer =
        session->channel->loop->timer_new(session->channel->loop, https_on_session_timer, session);
    session->easy = curl_easy_init();
    if (!session->easy || !https_prepare(session, connection))
        result = call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    else if (connection->url && *connection->url)
        result = https_take_url(session, call, connection->url);
    else
        result = https_take_host(session, call, connection);
    if (result == IOTIFY_RESULT_OK)
        *out = session;
    else
        https_session_free(session);
    return result;
}

static size_t https_session_unwritten(const void *session)
{
    return ((const struct https_session *)session)->queued;
}

/* ------------------------------------------------------------------ the plugin */

/* A text without an expression, which may turn out to be empty. */
static bool https_is_given(const char *text)
{
    return text && !strstr(text, "{{");
}

static enum iotify_result https_check(
    struct iotify_call *call, const void *options, const void *given, const void *publish)
{
    const struct https_connection *connection = given;
    const struct https_publish *message = publish;

    (void)options;
    if (https_is_given(connection->cert) != https_is_given(connection->key) &&
        (!connection->cert || !connection->key))
        return call->host->fail_setting(call,
            connection->cert ? "connection.cert" : "connection.key",
            "\"cert\" and \"key\" belong together: set both");
    if (connection->password && !connection->username)
        return call->host->fail_setting(
            call, "connection.password", "\"password\" needs a user name: set username");
    if (strcmp(connection->version, "1.1") != 0 && strcmp(connection->version, "2") != 0)
        return call->host->fail_setting(
            call, "connection.version", "\"version\" is 1.1 or 2, not %s", connection->version);
    if (!connection->url && !*message->topic)
        return call->host->fail_setting(call, "publish",
            "\"publish\" needs the setting \"topic\", or \"connection\" the setting \"url\": where "
            "the messages go");
    return IOTIFY_RESULT_OK;
}

static enum iotify_result https_instance_open(
    struct iotify_call *call, const void *options, void **instance)
{
    static char opened;

    (void)options;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return call->host->fail(call, IOTIFY_RESULT_FAILED, "NoCurl", "libcurl cannot start");
    *instance = &opened;
    return IOTIFY_RESULT_OK;
}

static void https_instance_close(void *instance)
{
    (void)instance;
    curl_global_cleanup();
}

static const char *https_libraries(void)
{
    return curl_version();
}

static const char *const https_protocols[] = {"https", NULL};

static const struct iotify_transport https_operations = {
    IOTIFY_TRANSPORT_SIZES,
    .capabilities = IOTIFY_CAPABILITY_ACKNOWLEDGE | IOTIFY_CAPABILITY_ANSWER,
    .protocols = https_protocols,
    .connection = &https_connection_settings,
    .publish = &https_publish_settings,
    .check = https_check,
    .open = https_instance_open,
    .close = https_instance_close,
    .channel_new = https_channel_new,
    .channel_free = https_channel_free,
    .session_new = https_session_new,
    .session_connect = https_session_connect,
    .session_publish = https_session_publish,
    .session_disconnect = https_session_disconnect,
    .session_free = https_session_free,
    .session_drop = https_session_disconnect,
    .session_unwritten = https_session_unwritten,
};

IOTIFY_PLUGIN(.kind = IOTIFY_KIND_TRANSPORT, .name = "https", .version = IOTIFY_VERSION,
    .summary = "HTTP requests over TLS or TCP, a certificate and a connection for each session",
    .settings = IOTIFY_NO_SETTINGS, .operations = &https_operations, .libraries = https_libraries);
