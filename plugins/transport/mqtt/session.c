/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of a session that the host calls. */
#include <stdlib.h>
#include <string.h>

#include "plugins/transport/mqtt/closing.h"
#include "plugins/transport/mqtt/connect.h"
#include "plugins/transport/mqtt/deferred.h"
#include "plugins/transport/mqtt/session.h"

/* ------------------------------------------------------------------ creation */

/* Texts that may be NULL. */
static bool session_same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static struct mqtt_tls *session_find_tls(struct mqtt_channel *channel, struct iotify_call *call,
    const struct mqtt_connection *connection)
{
    const char *alpn = connection->alpn ? connection->alpn : channel->instance->alpn;
    struct mqtt_context *context;

    for (context = channel->contexts; context; context = context->next)
        if (context->verify == connection->verify && session_same(context->ca, connection->ca) &&
            session_same(context->alpn, alpn))
            return context->tls;
    context = calloc(1, sizeof(*context));
    if (!context)
        return NULL;
    context->tls = mqtt_tls_new(call, connection->ca, connection->verify, alpn);
    if (!context->tls) {
        free(context);
        return NULL;
    }
    context->ca = connection->ca ? strdup(connection->ca) : NULL;
    context->alpn = alpn ? strdup(alpn) : NULL;
    context->verify = connection->verify;
    context->next = channel->contexts;
    channel->contexts = context;
    return context->tls;
}

/* The channel's copy of a host name; NULL without memory. */
static const char *session_keep_host(struct mqtt_channel *channel, const char *name)
{
    struct mqtt_host *host;

    for (host = channel->hosts; host; host = host->next)
        if (strcmp(host->name, name) == 0)
            return host->name;
    host = calloc(1, sizeof(*host));
    if (host)
        host->name = strdup(name);
    if (!host || !host->name) {
        free(host);
        return NULL;
    }
    host->next = channel->hosts;
    channel->hosts = host;
    return host->name;
}

static void session_release(struct mqtt_session *session)
{
    mqtt_connect_cancel(session);

    if (session->mosquitto)
        mosquitto_destroy(session->mosquitto);
    if (session->timer)
        session->channel->loop->timer_free(session->timer);
    mqtt_identity_free(session->identity);
    for (size_t i = 0; session->filters && session->filters[i]; i++)
        free(session->filters[i]);
    free(session->filters);
    mqtt_inflight_clear(&session->inflight);
    free(session->text);
    free(session);
}

struct session_birth {
    const struct mqtt_connection *connection;
    struct mqtt_session *session;
};

static void *session_make_mosquitto(void *argument)
{
    const struct session_birth *birth = argument;

    return mosquitto_new(
        birth->connection->client_id, birth->connection->clean_session, birth->session);
}

static bool session_copy_filters(
    struct mqtt_session *session, const char *const *filters, size_t count)
{
    if (count == 0)
        return true;
    session->filters = calloc(count + 1, sizeof(*session->filters));
    for (size_t i = 0; session->filters && i < count; i++) {
        session->filters[i] = strdup(filters[i]);
        if (!session->filters[i])
            return false;
        session->filter_count++;
    }
    return session->filters != NULL;
}

static enum iotify_result session_set_up_tls(struct mqtt_session *session, struct iotify_call *call,
    const struct mqtt_connection *connection)
{
    struct mqtt_tls *tls = session_find_tls(session->channel, call, connection);
    const char *name = connection->server_name
                           ? session_keep_host(session->channel, connection->server_name)
                           : session->host;

    if (!tls || !name)
        return IOTIFY_RESULT_INVALID;
    session->identity = mqtt_identity_new(call, connection->cert, connection->key, name);
    if (!session->identity)
        return IOTIFY_RESULT_INVALID;
    session->identity->tls = tls;
    mosquitto_int_option(session->mosquitto, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
    mosquitto_void_option(session->mosquitto, MOSQ_OPT_SSL_CTX, mqtt_tls_context(tls));
    return IOTIFY_RESULT_OK;
}

static enum iotify_result session_set_up(struct mqtt_session *session, struct iotify_call *call,
    const struct mqtt_connection *connection)
{
    struct mosquitto *mosquitto = session->mosquitto;
    const char *payload = connection->will_payload ? connection->will_payload : "";

    mosquitto_int_option(mosquitto, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V311);
    mosquitto_int_option(mosquitto, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_max_inflight_messages_set(mosquitto, MQTT_IN_FLIGHT_MAX);
    mqtt_connect_callbacks(mosquitto);
    if (connection->username &&
        mosquitto_username_pw_set(mosquitto, connection->username, connection->password) != 0)
        return call->host->fail(
            call, IOTIFY_RESULT_INVALID, "BadUsername", "username: is not valid UTF-8");
    if (connection->will_topic &&
        mosquitto_will_set(mosquitto, connection->will_topic, (int)strlen(payload), payload,
            (int)connection->will_qos, connection->will_retain) != 0)
        return call->host->fail(call, IOTIFY_RESULT_INVALID, "BadWill",
            "will.topic: \"%s\" is not a valid topic for publishing", connection->will_topic);
    return connection->tls ? session_set_up_tls(session, call, connection) : IOTIFY_RESULT_OK;
}

/* A text without an expression, which may turn out to be empty. */
static bool session_is_given(const char *text)
{
    return text && !strstr(text, "{{");
}

/*
 * What no device can change. A text with an expression holds its braces here, and other settings
 * with one their defaults.
 */
enum iotify_result mqtt_check(
    struct iotify_call *call, const void *options, const void *given, const void *publish)
{
    const struct mqtt_connection *connection = given;

    (void)options;
    (void)publish;
    if (session_is_given(connection->cert) && !connection->key)
        return call->host->fail_setting(
            call, "connection.cert", "\"cert\" needs its private key: set key");
    if (session_is_given(connection->key) && !connection->cert)
        return call->host->fail_setting(
            call, "connection.key", "\"key\" needs its certificate: set cert");
    if (connection->password && !connection->username)
        return call->host->fail_setting(
            call, "connection.password", "\"password\" needs a user name: set username");
    if (connection->will_payload && !connection->will_topic)
        return call->host->fail_setting(
            call, "connection.will.payload", "a will needs its topic: set will.topic");
    return IOTIFY_RESULT_OK;
}

static enum iotify_result session_check(struct iotify_call *call,
    const struct mqtt_connection *connection, const char *const *filters, size_t count)
{
    if (!connection->host || !*connection->host)
        return call->host->fail(call, IOTIFY_RESULT_INVALID, "NoHost",
            "host: is not set, and no connector gives an endpoint");
    if (!*connection->client_id)
        return call->host->fail(call, IOTIFY_RESULT_INVALID, "NoClientId", "client_id: is empty");
    if (count > UINT16_MAX)
        return call->host->fail(call, IOTIFY_RESULT_INVALID, "BadFilter", "subscribe: is too long");
    for (size_t i = 0; i < count; i++)
        if (mosquitto_sub_topic_check(filters[i]) != MOSQ_ERR_SUCCESS)
            return call->host->fail(call, IOTIFY_RESULT_INVALID, "BadFilter",
                "subscribe: \"%s\" is not a valid topic filter", filters[i]);
    return IOTIFY_RESULT_OK;
}

enum iotify_result mqtt_session_new(void *given, struct iotify_call *call, const void *settings,
    const char *const *filters, size_t count, void *user, void **out)
{
    struct mqtt_channel *channel = given;
    const struct mqtt_connection *connection = settings;
    struct mqtt_session *session;
    struct session_birth birth;
    enum iotify_result result = session_check(call, connection, filters, count);

    if (result != IOTIFY_RESULT_OK)
        return result;
    session = calloc(1, sizeof(*session));
    if (!session)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    session->channel = channel;
    session->user = user;
    session->host = session_keep_host(channel, connection->host);
    session->port = (uint16_t)connection->port;
    session->keepalive = (uint16_t)(connection->keepalive / SECOND);
    session->timeout = connection->timeout;
    session->timer = channel->loop->timer_new(channel->loop, mqtt_connect_timer, session);
    birth = (struct session_birth){connection, session};
    session->mosquitto = channel->socketpair
                             ? channel->socketpair->without(session_make_mosquitto, &birth)
                             : session_make_mosquitto(&birth);
    if (!session->host || !session->timer || !session->mosquitto ||
        !session_copy_filters(session, filters, count))
        result = call->host->fail(call, IOTIFY_RESULT_INVALID, "NoSession",
            "cannot make an MQTT session for the client id \"%s\"", connection->client_id);
    else
        result = session_set_up(session, call, connection);
    if (result != IOTIFY_RESULT_OK) {
        session_release(session);
        return result;
    }
    *out = session;
    return IOTIFY_RESULT_OK;
}

/* ------------------------------------------------------------------ messages */

/* True when libmosquitto kept a message with QoS 1 although the connection failed. */
static bool session_was_queued(int code)
{
    return code == MOSQ_ERR_CONN_LOST || code == MOSQ_ERR_NO_CONN || code == MOSQ_ERR_ERRNO ||
           code == MOSQ_ERR_TLS || code == MOSQ_ERR_PROTOCOL;
}

enum iotify_result mqtt_session_publish(void *given, struct iotify_call *call, const void *settings,
    struct iotify_bytes payload, uint64_t token)
{
    struct mqtt_session *session = given;
    const struct mqtt_publish_settings *publish = settings;
    struct mqtt_message *message;
    int code;

    if (session->state != READY)
        return call->host->fail(call, IOTIFY_RESULT_TRANSIENT, "NotConnected", "not connected");
    if (!publish->topic || mosquitto_pub_topic_check(publish->topic) != MOSQ_ERR_SUCCESS)
        return call->host->fail(call, IOTIFY_RESULT_INVALID, "BadTopic",
            "publish.topic: \"%s\" is not a valid topic for publishing",
            publish->topic ? publish->topic : "");
    if (payload.size > INT32_MAX)
        return call->host->fail(
            call, IOTIFY_RESULT_INVALID, "PayloadTooLarge", "the payload is too large");
    message =
        mqtt_inflight_add(&session->inflight, publish->qos == 0, (uint32_t)payload.size, token);
    if (!message)
        return call->host->fail(call, IOTIFY_RESULT_FULL, "NoMemory", "out of memory");
    session->in_call = true;
    /* libmosquitto sets `mid` before it sends: the publish callback may run inside this call. */
    code = mosquitto_publish(session->mosquitto, &message->mid, publish->topic, (int)payload.size,
        payload.data, (int)publish->qos, publish->retain);
    if (publish->qos > 0 && session_was_queued(code))
        code = MOSQ_ERR_SUCCESS;
    if (code != MOSQ_ERR_SUCCESS)
        mqtt_inflight_drop(&session->inflight);
    else
        mqtt_inflight_queue(&session->inflight, token); /* mqtt_rearm() sees when all is written */
    mqtt_alive(session, code);
    session->in_call = false;
    mqtt_rearm(session);
    if (code == MOSQ_ERR_SUCCESS)
        return IOTIFY_RESULT_OK;
    return call->host->fail(call,
        code == MOSQ_ERR_PAYLOAD_SIZE ? IOTIFY_RESULT_INVALID : IOTIFY_RESULT_TRANSIENT,
        "PublishFailed", "cannot publish: %s", mosquitto_strerror(code));
}

size_t mqtt_session_unwritten(const void *given)
{
    const struct mqtt_session *session = given;

    return mqtt_inflight_unwritten(&session->inflight);
}

/* ------------------------------------------------------------------ connect, disconnect, free */

void mqtt_session_connect(void *given)
{
    mqtt_connect_start(given);
}

void mqtt_session_disconnect(void *given)
{
    struct mqtt_session *session = given;

    if (session->state == IDLE)
        return;
    session->in_call = true;
    if (session->state < SESSION) {
        mqtt_cut(session, IOTIFY_CLOSED_BY_US, "disconnected");
    } else {
        session->state = LEAVING;
        session->channel->loop->timer_start(session->timer, session->timeout);
        mosquitto_disconnect(session->mosquitto);
        if (mqtt_alive(session, MOSQ_ERR_SUCCESS))
            mqtt_rearm(session);
    }
    session->in_call = false;
}

void mqtt_session_drop(void *given)
{
    struct mqtt_session *session = given;

    if (session->state == IDLE)
        return;
    session->in_call = true;
    mqtt_cut(session, IOTIFY_CLOSED_BY_US, "the connection was dropped on purpose");
    session->in_call = false;
}

void mqtt_session_free(void *given)
{
    struct mqtt_session *session = given;

    if (session->watch)
        session->channel->loop->unwatch(session->watch);
    session->watch = NULL;
    mqtt_deferred_forget(session);
    session->state = IDLE;
    session_release(session);
}
