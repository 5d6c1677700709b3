/*
 * MQTT 3.1.1 over TCP or TLS, by libmosquitto on the host's loop.
 *
 * libmosquitto leaves the loop to others only in part; what it does not tell is found out here:
 * a connection that fails before TLS begins, a handshake that ends without a callback, a peer
 * that never answers. See docs/transport-mqtt.md.
 */
#include <errno.h>
#include <mosquitto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iotify/transport.h>

#include "mqtt_settings.h"
#include "mqtt_tls.h"

#define SECOND INT64_C(1000000000)
/* AWS IoT takes this many topic filters in one SUBSCRIBE. */
#define FILTERS_MAX 8
/* Unacknowledged messages under way to one server, as AWS IoT allows. */
#define INFLIGHT_MAX 100

/* ------------------------------------------------------------------ types */

struct instance {
    char *alpn;
};

/* Contexts differ by their roots; nearly always there is one. */
struct context {
    char *ca;
    bool verify;
    struct mqtt_tls *tls;
    struct context *next;
};

enum event { ACKNOWLEDGED, LOST, CLOSED };

/* An event that arose inside a call of the host and has to wait for the loop. */
struct late_event {
    struct session *session;
    enum event event;
    uint64_t token;
};

struct engine {
    const struct instance *instance;
    const struct iotify_host *host;
    const struct iotify_loop *loop;
    const struct iotify_session_events *events;
    struct context *contexts;
    struct iotify_timer *late_timer;
    struct late_event *late;
    size_t late_count, late_capacity;
    struct late_event *delivering; /* the list that is being told just now */
    size_t delivering_count;
};

enum state { IDLE, RESOLVING, TCP, TLS, SESSION, SUBSCRIBING, READY, LEAVING };

static const char *const state_words[] = {[IDLE] = "",
    [RESOLVING] = "looking up the name",
    [TCP] = "connecting",
    [TLS] = "in the TLS handshake",
    [SESSION] = "waiting for CONNACK",
    [SUBSCRIBING] = "waiting for SUBACK",
    [READY] = "",
    [LEAVING] = "disconnecting"};

struct pending {
    int mid;
    bool once; /* QoS 0: the library forgets it when the connection goes */
    uint64_t token;
};

struct session {
    struct engine *engine;
    void *user;
    struct mosquitto *mosquitto;
    struct mqtt_tls *tls; /* NULL: plain */
    struct mqtt_identity identity;
    char *host;
    int port;
    int keepalive; /* seconds */
    int64_t timeout;
    char **filters;
    size_t filter_count, confirmed;
    enum state state;
    bool in_call;   /* inside a call of the host: events have to wait */
    bool resolving; /* the host's resolver still holds this session */
    bool freed;     /* by the host, while the resolver held it */
    struct iotify_watch *watch;
    struct iotify_timer *timer; /* deadline while connecting, then keep-alive */
    struct iotify_connect_times times;
    int64_t began;
    struct pending *pending;
    size_t pending_count, pending_capacity;
    enum iotify_close reason;
    char text[256];
};

/* ------------------------------------------------------------------ late events */

static void push_late(struct session *session, enum event event, uint64_t token)
{
    struct engine *engine = session->engine;

    if (engine->late_count == engine->late_capacity) {
        size_t capacity = engine->late_capacity ? engine->late_capacity * 2 : 64;
        struct late_event *late = realloc(engine->late, capacity * sizeof(*late));

        if (!late)
            return;
        engine->late = late;
        engine->late_capacity = capacity;
    }
    if (engine->late_count == 0)
        engine->loop->timer_start(engine->late_timer, 0);
    engine->late[engine->late_count++] = (struct late_event){session, event, token};
}

static void tell(struct session *session, enum event event, uint64_t token)
{
    const struct iotify_session_events *events = session->engine->events;

    switch (event) {
    case ACKNOWLEDGED:
        events->acknowledged(session->user, token);
        break;
    case LOST:
        events->lost(session->user, token);
        break;
    case CLOSED:
        events->closed(session->user, session->reason, session->text);
        break;
    }
}

static void deliver_late(void *argument)
{
    struct engine *engine = argument;
    struct late_event *late = engine->late;
    size_t count = engine->late_count;

    /* What arises meanwhile waits for the next turn, in a list of its own. */
    engine->late = NULL;
    engine->late_count = engine->late_capacity = 0;
    engine->delivering = late;
    engine->delivering_count = count;
    for (size_t i = 0; i < count; i++) {
        struct session *session = late[i].session;

        if (session)
            tell(session, late[i].event, late[i].token);
    }
    engine->delivering = NULL;
    engine->delivering_count = 0;
    free(late);
}

static void forget_late(struct session *session)
{
    struct engine *engine = session->engine;

    for (size_t i = 0; i < engine->late_count; i++)
        if (engine->late[i].session == session)
            engine->late[i].session = NULL;
    for (size_t i = 0; i < engine->delivering_count; i++)
        if (engine->delivering[i].session == session)
            engine->delivering[i].session = NULL;
}

/* ------------------------------------------------------------------ closing */

static void unwatch(struct session *session)
{
    if (session->watch)
        session->engine->loop->unwatch(session->watch);
    session->watch = NULL;
}

/* Now, or later where the host is inside a call. */
static void raise_event(struct session *session, enum event event, uint64_t token)
{
    if (session->in_call)
        push_late(session, event, token);
    else
        tell(session, event, token);
}

/* What was queued with QoS 0 and not written the library has thrown away by now. */
static void lose_unwritten(struct session *session)
{
    size_t kept = 0;

    for (size_t i = 0; i < session->pending_count; i++) {
        if (session->pending[i].once)
            raise_event(session, LOST, session->pending[i].token);
        else
            session->pending[kept++] = session->pending[i];
    }
    session->pending_count = kept;
}

/* Tell the host once that the session is over. */
static void closed(struct session *session, enum iotify_close reason, const char *text)
{
    if (session->state == IDLE)
        return;
    session->state = IDLE;
    unwatch(session);
    session->engine->loop->timer_stop(session->timer);
    session->reason = reason;
    snprintf(session->text, sizeof(session->text), "%s", text);
    lose_unwritten(session);
    raise_event(session, CLOSED, 0);
}

/*
 * End a connection that libmosquitto would keep: it has no call for that. The descriptor goes
 * with the next connect or with the session.
 */
static void cut(struct session *session, enum iotify_close reason, const char *text)
{
    int descriptor = mosquitto_socket(session->mosquitto);

    unwatch(session);
    if (descriptor >= 0)
        shutdown(descriptor, SHUT_RDWR);
    closed(session, reason, text);
}

static void closed_by_library(struct session *session, int code)
{
    if (session->state == LEAVING)
        closed(session, IOTIFY_CLOSED_BY_US, "disconnected");
    else if (*session->identity.failure)
        closed(session, IOTIFY_CLOSED_TLS, session->identity.failure);
    else if (code == MOSQ_ERR_PROTOCOL || code == MOSQ_ERR_MALFORMED_PACKET)
        closed(session, IOTIFY_CLOSED_PROTOCOL, "the server sent something that is not MQTT");
    else if (session->state == TLS || code == MOSQ_ERR_TLS)
        closed(session, IOTIFY_CLOSED_TLS, "the TLS handshake failed");
    else if (session->state == SESSION)
        closed(session, IOTIFY_CLOSED_REFUSED,
            "the server closed the connection instead of answering CONNECT; is the certificate "
            "registered and active, and does its policy allow this client id?");
    else if (code == MOSQ_ERR_KEEPALIVE)
        closed(session, IOTIFY_CLOSED_TIMEOUT, "the server did not answer a ping");
    else
        closed(session, IOTIFY_CLOSED_BY_PEER, "the server closed the connection");
}

/* ------------------------------------------------------------------ the descriptor */

static void rearm(struct session *session)
{
    int events = IOTIFY_READABLE;

    if (!session->watch)
        return;
    /* During the handshake libmosquitto always wants to write and has nothing to. */
    if (session->state > TLS && mosquitto_want_write(session->mosquitto))
        events |= IOTIFY_WRITABLE;
    session->engine->loop->rewatch(session->watch, events);
}

static int64_t now(const struct session *session)
{
    return session->engine->loop->now(session->engine->loop);
}

/* The part of the connect that ends at `moment`, where the next one begins. */
static int64_t lap(struct session *session, int64_t moment)
{
    int64_t passed = moment - session->began;

    session->began = moment;
    return passed;
}

/* After a call into the library: is the connection still there? */
static bool alive(struct session *session, int code)
{
    if (session->state == IDLE)
        return false;
    if (mosquitto_socket(session->mosquitto) < 0) {
        closed_by_library(session, code);
        return false;
    }
    return true;
}

static void enter_session(struct session *session)
{
    session->state = SESSION;
    /* CONNECT was queued when the socket was made. */
    if (alive(session, mosquitto_loop_write(session->mosquitto, 1)))
        rearm(session);
}

static const char handshake_ended[] = "the server ended the TLS handshake";

/* The library takes the end of the stream in a handshake for "not ready yet". */
static bool ended(int descriptor)
{
    char byte;

    return recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void on_handshake(struct session *session, int events)
{
    int code = mosquitto_loop_read(session->mosquitto, 1);

    if (!alive(session, code))
        return;
    if (session->state > TLS) {
        rearm(session);
    } else if (session->identity.handshaken) {
        session->times.tls = lap(session, session->identity.ended);
        enter_session(session);
    } else if (code != MOSQ_ERR_SUCCESS || (events & IOTIFY_ERRORED) ||
               ended(mosquitto_socket(session->mosquitto))) {
        cut(session, IOTIFY_CLOSED_TLS,
            *session->identity.failure ? session->identity.failure : handshake_ended);
    } else {
        rearm(session);
    }
}

static void on_tcp(struct session *session)
{
    int error = 0;
    socklen_t size = sizeof(error);
    char text[200];

    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof(peer);
    int descriptor = mosquitto_socket(session->mosquitto);

    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
    /* The library's early handshake may have taken the error off the socket. */
    if (!error && getpeername(descriptor, (struct sockaddr *)&peer, &peer_size) != 0)
        error = ECONNREFUSED;
    if (error && session->tls && error == ECONNRESET) {
        cut(session, IOTIFY_CLOSED_TLS, handshake_ended);
        return;
    }
    if (error) {
        snprintf(text, sizeof(text), "cannot connect to %s port %d: %s", session->host,
            session->port, strerror(error));
        cut(session, IOTIFY_CLOSED_UNREACHABLE, text);
        return;
    }
    /* On a fast network the handshake was done before the socket was first looked at. */
    if (session->tls && session->identity.handshaken) {
        session->times.tcp = lap(session, session->identity.started);
        session->times.tls = lap(session, session->identity.ended);
        enter_session(session);
        return;
    }
    session->times.tcp = lap(session, now(session));
    if (session->tls) {
        session->state = TLS;
        on_handshake(session, 0);
    } else {
        enter_session(session);
    }
}

/* Bytes that TLS has decrypted already are not seen by the loop. */
static int read_all(struct session *session)
{
    int code, rounds = 0;
    SSL *ssl;

    do {
        errno = 0;
        code = mosquitto_loop_read(session->mosquitto, 1);
        ssl = session->tls ? mosquitto_ssl_get(session->mosquitto) : NULL;
    } while (code == MOSQ_ERR_SUCCESS && session->state != IDLE &&
             mosquitto_socket(session->mosquitto) >= 0 && ssl && SSL_pending(ssl) > 0 &&
             ++rounds < 1000);
    return code;
}

static void on_ready(void *argument, int events)
{
    struct session *session = argument;
    int code = MOSQ_ERR_SUCCESS;

    if (session->state == TCP) {
        on_tcp(session);
        return;
    }
    if (session->state == TLS) {
        on_handshake(session, events);
        return;
    }
    if (events & (IOTIFY_READABLE | IOTIFY_ERRORED))
        code = read_all(session);
    if (!alive(session, code))
        return;
    if (events & IOTIFY_WRITABLE)
        code = mosquitto_loop_write(session->mosquitto, 1);
    if (alive(session, code))
        rearm(session);
}

/* ------------------------------------------------------------------ timers */

static void on_timer(void *argument)
{
    struct session *session = argument;
    const struct iotify_loop *loop = session->engine->loop;
    char text[120];

    if (session->state == READY) {
        if (alive(session, mosquitto_loop_misc(session->mosquitto))) {
            rearm(session);
            loop->timer_start(session->timer, session->keepalive * SECOND / 4);
        }
        return;
    }
    snprintf(text, sizeof(text), "no answer in %.3g s while %s",
        (double)session->timeout / (double)SECOND, state_words[session->state]);
    cut(session, session->state == LEAVING ? IOTIFY_CLOSED_BY_US : IOTIFY_CLOSED_TIMEOUT, text);
}

/* ------------------------------------------------------------------ callbacks of the library */

static void become_ready(struct session *session)
{
    session->state = READY;
    session->times.session = lap(session, now(session));
    session->engine->loop->timer_start(session->timer, session->keepalive * SECOND / 4);
    session->engine->events->connected(session->user, &session->times);
}

static bool subscribe_next(struct session *session)
{
    size_t left = session->filter_count - session->confirmed;
    int count = left > FILTERS_MAX ? FILTERS_MAX : (int)left;

    return mosquitto_subscribe_multiple(session->mosquitto, NULL, count,
               session->filters + session->confirmed, 1, 0, NULL) == MOSQ_ERR_SUCCESS;
}

static void on_connect(struct mosquitto *mosquitto, void *argument, int code)
{
    struct session *session = argument;
    char text[160];

    (void)mosquitto;
    /* One read may end the handshake and hold the answer to CONNECT behind it. */
    if (session->state == TLS && session->identity.handshaken) {
        session->times.tls = lap(session, session->identity.ended);
        session->state = SESSION;
    }
    if (session->state != SESSION)
        return;
    if (code != 0) {
        snprintf(text, sizeof(text), "%s", mosquitto_connack_string(code));
        cut(session, IOTIFY_CLOSED_REFUSED, text);
    } else if (session->filter_count == 0) {
        become_ready(session);
    } else {
        session->state = SUBSCRIBING;
        session->confirmed = 0;
        if (!subscribe_next(session))
            cut(session, IOTIFY_CLOSED_PROTOCOL, "cannot subscribe: a topic filter is not valid");
    }
}

static void on_subscribe(
    struct mosquitto *mosquitto, void *argument, int mid, int count, const int *granted)
{
    struct session *session = argument;
    char text[240];

    (void)mosquitto;
    (void)mid;
    if (session->state != SUBSCRIBING)
        return;
    for (int i = 0; i < count && session->confirmed < session->filter_count; i++) {
        if (granted[i] > 2) {
            snprintf(text, sizeof(text), "the server refused the subscription to %.180s",
                session->filters[session->confirmed]);
            cut(session, IOTIFY_CLOSED_REFUSED, text);
            return;
        }
        session->confirmed++;
    }
    if (session->confirmed == session->filter_count)
        become_ready(session);
    else if (!subscribe_next(session))
        cut(session, IOTIFY_CLOSED_PROTOCOL, "cannot subscribe: a topic filter is not valid");
}

static void on_publish(struct mosquitto *mosquitto, void *argument, int mid)
{
    struct session *session = argument;

    (void)mosquitto;
    for (size_t i = 0; i < session->pending_count; i++) {
        uint64_t token = session->pending[i].token;

        if (session->pending[i].mid != mid)
            continue;
        session->pending[i] = session->pending[--session->pending_count];
        raise_event(session, ACKNOWLEDGED, token);
        return;
    }
}

static void on_message(
    struct mosquitto *mosquitto, void *argument, const struct mosquitto_message *message)
{
    struct session *session = argument;

    (void)mosquitto;
    session->engine->events->message(session->user, message->topic,
        (struct iotify_bytes){message->payload, (size_t)message->payloadlen});
}

static void on_disconnect(struct mosquitto *mosquitto, void *argument, int code)
{
    (void)mosquitto;
    closed_by_library(argument, code);
}

/* ------------------------------------------------------------------ sessions */

static struct mqtt_tls *find_tls(
    struct engine *engine, struct iotify_call *call, const struct mqtt_connection *connection)
{
    struct context *context;

    for (context = engine->contexts; context; context = context->next)
        if (context->verify == connection->verify &&
            (context->ca == connection->ca ||
                (context->ca && connection->ca && strcmp(context->ca, connection->ca) == 0)))
            return context->tls;
    context = calloc(1, sizeof(*context));
    if (!context)
        return NULL;
    context->tls = mqtt_tls_new(call, connection->ca, connection->verify, engine->instance->alpn);
    if (!context->tls) {
        free(context);
        return NULL;
    }
    context->ca = connection->ca ? strdup(connection->ca) : NULL;
    context->verify = connection->verify;
    context->next = engine->contexts;
    engine->contexts = context;
    return context->tls;
}

/* Everything but the session itself, which a lookup may still hold. */
static void release_parts(struct session *session)
{
    if (session->mosquitto)
        mosquitto_destroy(session->mosquitto);
    if (session->timer)
        session->engine->loop->timer_free(session->timer);
    mqtt_identity_clear(&session->identity);
    for (size_t i = 0; i < session->filter_count; i++)
        free(session->filters[i]);
    free(session->filters);
    free(session->pending);
    free(session->host);
}

static void release(struct session *session)
{
    release_parts(session);
    free(session);
}

struct birth {
    const struct mqtt_connection *connection;
    struct session *session;
};

static void *make_mosquitto(void *argument)
{
    const struct birth *birth = argument;

    return mosquitto_new(
        birth->connection->client_id, birth->connection->clean_session, birth->session);
}

static bool copy_filters(struct session *session, const char *const *filters, size_t count)
{
    session->filters = calloc(count ? count : 1, sizeof(*session->filters));
    for (size_t i = 0; session->filters && i < count; i++) {
        session->filters[i] = strdup(filters[i]);
        if (!session->filters[i])
            return false;
        session->filter_count++;
    }
    return session->filters != NULL;
}

static enum iotify_result set_up_tls(
    struct session *session, struct iotify_call *call, const struct mqtt_connection *connection)
{
    enum iotify_result result;

    session->tls = find_tls(session->engine, call, connection);
    if (!session->tls)
        return IOTIFY_INVALID;
    result = mqtt_identity_load(&session->identity, call, connection->cert, connection->key,
        connection->server_name ? connection->server_name : connection->host);
    if (result != IOTIFY_OK)
        return result;
    mosquitto_int_option(session->mosquitto, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
    mosquitto_void_option(session->mosquitto, MOSQ_OPT_SSL_CTX, mqtt_tls_context(session->tls));
    return IOTIFY_OK;
}

static enum iotify_result set_up(
    struct session *session, struct iotify_call *call, const struct mqtt_connection *connection)
{
    struct mosquitto *mosquitto = session->mosquitto;
    const char *payload = connection->will_payload ? connection->will_payload : "";

    mosquitto_int_option(mosquitto, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V311);
    mosquitto_int_option(mosquitto, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_max_inflight_messages_set(mosquitto, INFLIGHT_MAX);
    mosquitto_connect_callback_set(mosquitto, on_connect);
    mosquitto_subscribe_callback_set(mosquitto, on_subscribe);
    mosquitto_publish_callback_set(mosquitto, on_publish);
    mosquitto_message_callback_set(mosquitto, on_message);
    mosquitto_disconnect_callback_set(mosquitto, on_disconnect);
    if (connection->username &&
        mosquitto_username_pw_set(mosquitto, connection->username, connection->password) != 0)
        return call->host->fail(
            call, IOTIFY_INVALID, "BadUsername", "username: is not valid UTF-8");
    if (connection->will_topic &&
        mosquitto_will_set(mosquitto, connection->will_topic, (int)strlen(payload), payload,
            (int)connection->will_qos, connection->will_retain) != 0)
        return call->host->fail(call, IOTIFY_INVALID, "BadWill",
            "will.topic: \"%s\" is no topic to publish on", connection->will_topic);
    return connection->tls ? set_up_tls(session, call, connection) : IOTIFY_OK;
}

static enum iotify_result check(struct iotify_call *call, const struct mqtt_connection *connection,
    const char *const *filters, size_t count)
{
    if (!connection->host || !*connection->host)
        return call->host->fail(
            call, IOTIFY_INVALID, "NoHost", "host: is not set, and no connector gives an endpoint");
    if (!*connection->client_id)
        return call->host->fail(call, IOTIFY_INVALID, "NoClientId", "client_id: is empty");
    for (size_t i = 0; i < count; i++)
        if (mosquitto_sub_topic_check(filters[i]) != MOSQ_ERR_SUCCESS)
            return call->host->fail(call, IOTIFY_INVALID, "BadFilter",
                "subscribe: \"%s\" is no topic filter", filters[i]);
    return IOTIFY_OK;
}

static enum iotify_result session_new(void *given, struct iotify_call *call, const void *settings,
    const char *const *filters, size_t count, void *user, void **out)
{
    struct engine *engine = given;
    const struct mqtt_connection *connection = settings;
    struct session *session;
    struct birth birth;
    enum iotify_result result = check(call, connection, filters, count);

    if (result != IOTIFY_OK)
        return result;
    session = calloc(1, sizeof(*session));
    if (!session)
        return call->host->fail(call, IOTIFY_FAILED, "NoMemory", "out of memory");
    session->engine = engine;
    session->user = user;
    session->host = strdup(connection->host);
    session->port = (int)connection->port;
    session->keepalive = (int)(connection->keepalive / SECOND);
    session->timeout = connection->timeout;
    session->timer = engine->loop->timer_new(engine->loop, on_timer, session);
    birth = (struct birth){connection, session};
    session->mosquitto = engine->host->without_socketpair(make_mosquitto, &birth);
    if (!session->host || !session->timer || !session->mosquitto ||
        !copy_filters(session, filters, count))
        result = call->host->fail(call, IOTIFY_INVALID, "NoSession",
            "cannot make an MQTT session for the client id \"%s\"", connection->client_id);
    else
        result = set_up(session, call, connection);
    if (result != IOTIFY_OK) {
        release(session);
        return result;
    }
    *out = session;
    return IOTIFY_OK;
}

static void start_tcp(struct session *session, const char *address)
{
    const struct iotify_loop *loop = session->engine->loop;
    char text[200];
    int code;

    session->state = TCP;
    session->identity.handshaken = false;
    session->identity.started = session->identity.ended = 0;
    session->identity.failure[0] = '\0';
    if (session->tls)
        mqtt_tls_begin(session->tls, &session->identity);
    code = mosquitto_connect_async(session->mosquitto, address, session->port, session->keepalive);
    if (session->tls)
        mqtt_tls_begin(session->tls, NULL);
    /* The handshake begins inside that call, and on a fast network it may even fail there. */
    if (code == MOSQ_ERR_TLS) {
        closed(session, IOTIFY_CLOSED_TLS,
            *session->identity.failure ? session->identity.failure : handshake_ended);
        return;
    }
    if (code > 0 || mosquitto_socket(session->mosquitto) < 0) {
        snprintf(text, sizeof(text), "cannot connect to %s port %d: %s", session->host,
            session->port, code == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(code));
        closed(session, IOTIFY_CLOSED_UNREACHABLE, text);
        return;
    }
    session->watch =
        loop->watch(loop, mosquitto_socket(session->mosquitto), IOTIFY_WRITABLE, on_ready, session);
    if (!session->watch)
        cut(session, IOTIFY_CLOSED_UNREACHABLE, "cannot watch the connection");
}

static void on_resolved(void *argument, const char *address, const char *error)
{
    struct session *session = argument;
    char text[200];

    session->resolving = false;
    if (session->freed) {
        free(session);
        return;
    }
    if (session->state != RESOLVING)
        return;
    if (address) {
        start_tcp(session, address);
        return;
    }
    snprintf(text, sizeof(text), "cannot find the host %s: %s", session->host, error);
    closed(session, IOTIFY_CLOSED_UNREACHABLE, text);
}

static void session_connect(void *given)
{
    struct session *session = given;
    const struct iotify_loop *loop = session->engine->loop;

    if (session->state != IDLE)
        return;
    session->state = RESOLVING;
    session->began = now(session);
    session->times = (struct iotify_connect_times){0};
    loop->timer_start(session->timer, session->timeout);
    /* A lookup that an earlier attempt gave up waiting for may still be under way. */
    if (session->resolving)
        return;
    session->resolving = true;
    loop->resolve(loop, session->host, on_resolved, session);
}

static bool add_pending(struct session *session, bool once, uint64_t token)
{
    if (session->pending_count == session->pending_capacity) {
        size_t capacity = session->pending_capacity ? session->pending_capacity * 2 : 4;
        struct pending *pending = realloc(session->pending, capacity * sizeof(*pending));

        if (!pending)
            return false;
        session->pending = pending;
        session->pending_capacity = capacity;
    }
    session->pending[session->pending_count++] = (struct pending){0, once, token};
    return true;
}

/* Did the library take a message with QoS 1 over, although the connection failed under it? */
static bool was_queued(int code)
{
    return code == MOSQ_ERR_CONN_LOST || code == MOSQ_ERR_NO_CONN || code == MOSQ_ERR_ERRNO ||
           code == MOSQ_ERR_TLS || code == MOSQ_ERR_PROTOCOL;
}

/* The message that was handed over last is not under way after all. */
static void forget_pending(struct session *session, uint64_t token)
{
    for (size_t i = session->pending_count; i-- > 0;) {
        if (session->pending[i].token == token) {
            session->pending[i] = session->pending[--session->pending_count];
            return;
        }
    }
}

static enum iotify_result session_publish(void *given, struct iotify_call *call,
    const void *settings, struct iotify_bytes payload, uint64_t token)
{
    struct session *session = given;
    const struct mqtt_publish *publish = settings;
    size_t slot = session->pending_count;
    int code;

    if (session->state != READY)
        return call->host->fail(call, IOTIFY_TRANSIENT, "NotConnected", "not connected");
    if (!publish->topic || mosquitto_pub_topic_check(publish->topic) != MOSQ_ERR_SUCCESS)
        return call->host->fail(call, IOTIFY_INVALID, "BadTopic",
            "publish.topic: \"%s\" is no topic to publish on",
            publish->topic ? publish->topic : "");
    if (payload.size > INT32_MAX)
        return call->host->fail(
            call, IOTIFY_INVALID, "PayloadTooLarge", "the payload is too large");
    if (!add_pending(session, publish->qos == 0, token))
        return call->host->fail(call, IOTIFY_FAILED, "NoMemory", "out of memory");
    session->in_call = true;
    /* The id is written before the first byte goes out: on_publish may come inside the call. */
    code = mosquitto_publish(session->mosquitto, &session->pending[slot].mid, publish->topic,
        (int)payload.size, payload.data, (int)publish->qos, publish->retain);
    if (publish->qos > 0 && was_queued(code))
        code = MOSQ_ERR_SUCCESS;
    if (code != MOSQ_ERR_SUCCESS)
        forget_pending(session, token);
    alive(session, code);
    session->in_call = false;
    rearm(session);
    if (code == MOSQ_ERR_SUCCESS)
        return IOTIFY_OK;
    return call->host->fail(call, code == MOSQ_ERR_PAYLOAD_SIZE ? IOTIFY_INVALID : IOTIFY_TRANSIENT,
        "PublishFailed", "cannot publish: %s", mosquitto_strerror(code));
}

static void session_disconnect(void *given)
{
    struct session *session = given;

    if (session->state == IDLE)
        return;
    session->in_call = true;
    if (session->state < SESSION) {
        cut(session, IOTIFY_CLOSED_BY_US, "disconnected");
    } else {
        session->state = LEAVING;
        session->engine->loop->timer_start(session->timer, session->timeout);
        mosquitto_disconnect(session->mosquitto);
        alive(session, MOSQ_ERR_SUCCESS);
        rearm(session);
    }
    session->in_call = false;
}

static void session_free(void *given)
{
    struct session *session = given;

    unwatch(session);
    forget_late(session);
    session->state = IDLE;
    if (session->resolving) {
        session->freed = true;
        release_parts(session);
    } else {
        release(session);
    }
}

/* ------------------------------------------------------------------ engines, instances */

static enum iotify_result engine_new(void *given, struct iotify_call *call,
    const struct iotify_loop *loop, const struct iotify_session_events *events, void **out)
{
    struct engine *engine = calloc(1, sizeof(*engine));

    if (!engine)
        return call->host->fail(call, IOTIFY_FAILED, "NoMemory", "out of memory");
    engine->instance = given;
    engine->host = call->host;
    engine->loop = loop;
    engine->events = events;
    engine->late_timer = loop->timer_new(loop, deliver_late, engine);
    *out = engine;
    return IOTIFY_OK;
}

static void engine_free(void *given)
{
    struct engine *engine = given;

    while (engine->contexts) {
        struct context *context = engine->contexts;

        engine->contexts = context->next;
        mqtt_tls_free(context->tls);
        free(context->ca);
        free(context);
    }
    engine->loop->timer_free(engine->late_timer);
    free(engine->late);
    free(engine);
}

static enum iotify_result instance_open(struct iotify_call *call, const void *given, void **out)
{
    const struct mqtt_options *options = given;
    struct instance *instance = calloc(1, sizeof(*instance));

    if (!instance)
        return call->host->fail(call, IOTIFY_FAILED, "NoMemory", "out of memory");
    instance->alpn = options->alpn ? strdup(options->alpn) : NULL;
    mosquitto_lib_init();
    mqtt_tls_init();
    *out = instance;
    return IOTIFY_OK;
}

static void instance_close(void *given)
{
    struct instance *instance = given;

    mosquitto_lib_cleanup();
    free(instance->alpn);
    free(instance);
}

static const struct iotify_transport operations = {
    .struct_size = sizeof(operations),
    .connection = &mqtt_connection_settings,
    .publish = &mqtt_publish_settings,
    .open = instance_open,
    .close = instance_close,
    .engine_new = engine_new,
    .engine_free = engine_free,
    .session_new = session_new,
    .session_connect = session_connect,
    .session_publish = session_publish,
    .session_disconnect = session_disconnect,
    .session_free = session_free,
};

IOTIFY_EXPORT const struct iotify_plugin iotify_plugin = {
    .magic = IOTIFY_MAGIC,
    .struct_size = sizeof(iotify_plugin),
    .abi_major = IOTIFY_ABI_MAJOR,
    .abi_minor = IOTIFY_ABI_MINOR,
    .kind = IOTIFY_TRANSPORT,
    .name = "mqtt",
    .version = IOTIFY_VERSION,
    .summary = "MQTT 3.1.1 over TCP or TLS, a certificate for each session",
    .settings = &mqtt_option_settings,
    .operations = &operations,
};
