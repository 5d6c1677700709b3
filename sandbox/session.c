/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/session.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <iotify/text.h>

#include "plugins/aws/policy/topic.h"
#include "sandbox/session_internal.h"

struct session *session_new(const struct session_world *world, const X509 *certificate,
    const char *id, const char *source_ip)
{
    struct session *session = calloc(1, sizeof(*session));

    if (!session)
        abort();
    session->world = world;
    session->certificate = certificate;
    session->id = id;
    session->tokens = PUBLISH_RATE;
    snprintf(session->source_ip, sizeof(session->source_ip), "%s", source_ip);
    return session;
}

void session_free(struct session *session)
{
    if (!session)
        return;
    for (size_t i = 0; i < ALIASES_MAX; i++) {
        free(session->up_aliases[i]);
        free(session->down_aliases[i]);
    }
    for (size_t i = 0; i < SUBSCRIPTIONS_MAX; i++)
        free(session->filters[i]);
    authorization_grants_free(session->grants);
    free(session->verdicts);
    free(session);
}

bool session_connected(const struct session *session)
{
    return session->connected;
}

/* ------------------------------------------------------------------ permissions */

static void session_refresh_grants(struct session *session)
{
    uint64_t version = authorization_version(session->world->authorization);

    if (session->grants && session->version == version)
        return;
    authorization_grants_free(session->grants);
    session->grants = authorization_load(session->world->authorization, session->certificate,
        session->id, session->client_id, session->source_ip);
    session->version = version;
    free(session->verdicts);
    session->verdicts = NULL;
}

static struct session_verdict *session_find_verdict(
    struct session *session, char action, const char *topic)
{
    unsigned hash = (unsigned char)action;

    if (!session->verdicts)
        session->verdicts = calloc(VERDICTS, sizeof(*session->verdicts));
    if (!session->verdicts)
        abort();
    for (; *topic; topic++)
        hash = hash * 31 + (unsigned char)*topic;
    return &session->verdicts[hash % VERDICTS];
}

/* Devices publish on the same topic again and again: the last verdicts are cached. */
bool session_allowed(
    struct session *session, const char *action, const char *kind, const char *topic)
{
    struct session_verdict *verdict;

    session_refresh_grants(session);
    verdict = session_find_verdict(session, action[4], topic);
    if (verdict->action == action[4] && strcmp(verdict->topic, topic) == 0)
        return verdict->allowed;
    verdict->allowed = authorization_grants_allow(session->grants, action, kind, topic);
    verdict->action = action[4];
    if (authorization_grants_depend_on_time(session->grants))
        verdict->action = 0;
    snprintf(verdict->topic, sizeof(verdict->topic), "%s", topic);
    return verdict->allowed;
}

static bool session_may_publish(struct session *session, const char *topic, bool retain)
{
    return session_allowed(session, "iot:Publish", "topic", topic) &&
           (!retain ||
               authorization_grants_allow(session->grants, "iot:RetainPublish", "topic", topic));
}

void session_copy_text(struct mqtt_text text, char *out)
{
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
}

enum session_next session_end(struct session *session, uint8_t reason, struct iotify_buffer *client)
{
    mqtt_put_disconnect(client, session->level, reason);
    return SESSION_ENDS;
}

/* ------------------------------------------------------------------ CONNECT */

static void session_make_client_id(char id[CLIENT_ID_MAX + 1])
{
    unsigned char bytes[16];

    RAND_bytes(bytes, sizeof(bytes));
    memcpy(id, "$GEN/", 6);
    iotify_hex_encode(bytes, sizeof(bytes), id + 5);
}

/* MQTT 3.1.1 has a code for some refusals only; without one, AWS closes the connection. */
static enum session_next session_refuse(
    struct session *session, uint8_t old_code, uint8_t reason, struct iotify_buffer *client)
{
    if (session->level == MQTT_5)
        mqtt_put_refusal(client, session->level, reason);
    else if (old_code)
        mqtt_put_refusal(client, session->level, old_code);
    return SESSION_ENDS;
}

enum { OLD_BAD_PROTOCOL = 1, OLD_BAD_CLIENT_ID = 2, OLD_UNAVAILABLE = 3, NO_OLD_CODE = 0 };

/* Sets the client id. False when it must be refused. */
static bool session_take_client_id(struct session *session, const struct mqtt_connect *connect)
{
    if (connect->client_id.size > CLIENT_ID_MAX)
        return false;
    if (connect->client_id.size == 0) {
        session_make_client_id(session->client_id);
        session->made_id = true;
        return connect->clean || connect->level == MQTT_5;
    }
    session_copy_text(connect->client_id, session->client_id);
    return session->client_id[0] != '$';
}

static bool session_may_connect(struct session *session, const struct mqtt_connect *connect)
{
    char topic[TOPIC_BYTES_MAX];

    if (!session_allowed(session, "iot:Connect", "client", session->client_id))
        return false;
    if (!connect->has_will)
        return true;
    if (connect->will_qos == 2 || !topic_fits(connect->will_topic.data, connect->will_topic.size) ||
        topic_reserved(connect->will_topic.data, connect->will_topic.size, TOPIC_PUBLISH))
        return false;
    session_copy_text(connect->will_topic, topic);
    return session_may_publish(session, topic, connect->will_retain);
}

/* Passes the CONNECT to the broker, with a keep-alive within AWS's limits and a client id. */
static void session_forward_connect(struct session *session, const struct mqtt_packet *packet,
    const struct mqtt_connect *connect, struct iotify_buffer *broker)
{
    const char *body = (const char *)packet->body;
    struct mqtt_text id = {session->client_id, strlen(session->client_id)};
    size_t after = connect->client_id_at + 2 + connect->client_id.size;
    uint16_t keepalive = connect->keepalive;

    if (keepalive == 0 || keepalive > KEEPALIVE_MAX)
        keepalive = KEEPALIVE_MAX;
    if (keepalive < KEEPALIVE_MIN)
        keepalive = KEEPALIVE_MIN;
    if (keepalive != connect->keepalive)
        session->keepalive = keepalive;
    mqtt_put_header(broker, MQTT_CONNECT, 0, packet->body_size - connect->client_id.size + id.size);
    iotify_buffer_append(broker, body, connect->keepalive_at);
    mqtt_put_number(broker, keepalive);
    iotify_buffer_append(broker, body + connect->keepalive_at + 2,
        connect->client_id_at - connect->keepalive_at - 2);
    mqtt_put_text(broker, id);
    iotify_buffer_append(broker, body + after, packet->body_size - after);
}

static enum session_next session_on_connect(struct session *session,
    const struct mqtt_packet *packet, struct iotify_buffer *broker, struct iotify_buffer *client)
{
    const struct session_world *world = session->world;
    struct mqtt_connect connect;
    struct fault_outcome fault;

    if (session->connected || !mqtt_read_connect(packet, &connect))
        return SESSION_CUT;
    session->level = connect.level;
    if (connect.level != MQTT_3_1_1 && connect.level != MQTT_5) {
        mqtt_put_refusal(client, MQTT_3_1_1, OLD_BAD_PROTOCOL);
        return SESSION_ENDS;
    }
    if (!session_take_client_id(session, &connect))
        return session_refuse(session, OLD_BAD_CLIENT_ID, MQTT_BAD_CLIENT_ID, client);
    faults_draw(world->faults, FAULT_CONNECT, &fault);
    if (fault.hits[FAULT_RESET])
        return SESSION_RESETS;
    if (fault.hits[FAULT_STALL])
        return SESSION_STALLS;
    if (fault.hits[FAULT_REFUSE])
        return session_refuse(session, OLD_UNAVAILABLE, 0x88, client);
    if (!quotas_take(world->quotas, QUOTA_CONNECT) ||
        !quotas_take_for(world->quotas, QUOTA_CONNECT_CLIENT, session->client_id))
        return session_refuse(session, OLD_UNAVAILABLE, MQTT_RATE_EXCEEDED, client);
    if (!session_may_connect(session, &connect))
        return session_refuse(session, NO_OLD_CODE, MQTT_NOT_AUTHORIZED, client);
    session->connected = true;
    session_forward_connect(session, packet, &connect, broker);
    return SESSION_CONTINUES;
}

/* ------------------------------------------------------------------ PUBLISH */

static double session_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Like AWS, the session silently discards messages beyond 100 per second. */
static bool session_within_rate(struct session *session)
{
    double now = session_seconds();

    session->tokens += (now - session->filled) * PUBLISH_RATE;
    if (session->tokens > PUBLISH_RATE)
        session->tokens = PUBLISH_RATE;
    session->filled = now;
    if (session->tokens < 1)
        return false;
    session->tokens -= 1;
    return true;
}

/*
 * Copies the topic of a message, or the one that its alias stands for, to `topic`. False when the
 * alias is unknown. Aliases are not forwarded: forwarded messages have their full topic, because
 * the receiver would not learn the alias of a message that is discarded.
 */
static bool session_resolve_topic(
    char **aliases, const struct mqtt_publish *publish, char topic[TOPIC_BYTES_MAX])
{
    char **known = publish->alias ? &aliases[publish->alias - 1] : NULL;

    if (publish->topic.size == 0) {
        if (!known || !*known)
            return false;
        memcpy(topic, *known, strlen(*known) + 1);
        return true;
    }
    session_copy_text(publish->topic, topic);
    if (known) {
        free(*known);
        *known = strdup(topic);
    }
    return true;
}

void session_pass(const struct mqtt_packet *packet, struct iotify_buffer *out)
{
    iotify_buffer_append(out, packet->body - (packet->size - packet->body_size), packet->size);
}

static void session_pass_publish(const struct mqtt_packet *packet,
    const struct mqtt_publish *publish, const char *topic, struct iotify_buffer *out)
{
    if (publish->alias)
        mqtt_put_publish(out, packet, publish, (struct mqtt_text){topic, strlen(topic)});
    else
        session_pass(packet, out);
}

static enum session_next session_publish_denied(
    struct session *session, const struct mqtt_publish *publish, struct iotify_buffer *client)
{
    if (session->level != MQTT_5 || publish->qos == 0)
        return session_end(session, MQTT_NOT_AUTHORIZED, client);
    mqtt_put_puback(client, session->level, publish->id, MQTT_NOT_AUTHORIZED);
    return SESSION_CONTINUES;
}

static enum session_next session_on_publish(struct session *session,
    const struct mqtt_packet *packet, struct iotify_buffer *broker, struct iotify_buffer *client)
{
    char topic[TOPIC_BYTES_MAX];
    struct mqtt_publish publish;
    struct fault_outcome fault;

    if (!mqtt_read_publish(packet, session->level, &publish))
        return session_end(session, MQTT_MALFORMED, client);
    if (publish.qos == 2)
        return session_end(session, MQTT_QOS_NOT_SUPPORTED, client);
    if (publish.payload_size > PAYLOAD_MAX)
        return session_end(session, MQTT_PACKET_TOO_LARGE, client);
    if (!topic_fits(publish.topic.data, publish.topic.size) ||
        topic_reserved(publish.topic.data, publish.topic.size, TOPIC_PUBLISH))
        return session_end(session, MQTT_BAD_TOPIC, client);
    if (publish.alias > ALIASES_MAX || !session_resolve_topic(session->up_aliases, &publish, topic))
        return session_end(session, MQTT_BAD_ALIAS, client);
    faults_draw(session->world->faults, FAULT_PUBLISH, &fault);
    if (fault.hits[FAULT_DROP])
        return SESSION_CUT;
    if (fault.hits[FAULT_RESET])
        return SESSION_RESETS;
    if (fault.hits[FAULT_STALL])
        return SESSION_STALLS;
    if (!session_within_rate(session))
        return SESSION_CONTINUES;
    if (!session_may_publish(session, topic, publish.retain))
        return session_publish_denied(session, &publish, client);
    session_pass_publish(packet, &publish, topic, broker);
    return SESSION_CONTINUES;
}

/* ------------------------------------------------------------------ both directions */

enum session_next session_from_client(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client)
{
    if (!session->connected && packet->type != MQTT_CONNECT)
        return SESSION_CUT;
    switch (packet->type) {
    case MQTT_CONNECT:
        return session_on_connect(session, packet, broker, client);
    case MQTT_PUBLISH:
        return session_on_publish(session, packet, broker, client);
    case MQTT_SUBSCRIBE:
        return session_on_subscribe(session, packet, broker, client);
    case MQTT_UNSUBSCRIBE:
        return session_on_unsubscribe(session, packet, broker, client);
    case MQTT_PUBACK:
    case MQTT_PINGREQ:
    case MQTT_DISCONNECT:
        session_pass(packet, broker);
        return packet->type == MQTT_DISCONNECT ? SESSION_ENDS : SESSION_CONTINUES;
    default:
        return session_end(session, MQTT_PROTOCOL_ERROR, client);
    }
}

/* Passes a message to the client. If it may not have it, the session acknowledges and drops it. */
static void session_deliver(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client)
{
    char topic[TOPIC_BYTES_MAX];
    struct mqtt_publish publish;

    if (!mqtt_read_publish(packet, session->level, &publish) ||
        publish.topic.size >= TOPIC_BYTES_MAX || publish.alias > ALIASES_MAX ||
        !session_resolve_topic(session->down_aliases, &publish, topic))
        return;
    if (session_allowed(session, "iot:Receive", "topic", topic))
        session_pass_publish(packet, &publish, topic, client);
    else if (publish.qos == 1)
        mqtt_put_puback(broker, session->level, publish.id, MQTT_SUCCESS);
}

/* Adds the sandbox's limits and assignments to the CONNACK of MQTT 5. */
static void session_welcome(
    struct session *session, const struct mqtt_packet *packet, struct iotify_buffer *client)
{
    struct iotify_buffer more;

    iotify_buffer_init(&more, 1024);
    /* No subscription identifiers; the maximum packet size. */
    iotify_buffer_append(&more, "\x29\x00\x27\x00", 4);
    iotify_buffer_char(&more, (char)(SESSION_PACKET_MAX >> 16));
    mqtt_put_number(&more, SESSION_PACKET_MAX & 0xffff);
    if (session->made_id) {
        iotify_buffer_char(&more, 0x12);
        mqtt_put_text(&more, (struct mqtt_text){session->client_id, strlen(session->client_id)});
    }
    if (session->keepalive) {
        iotify_buffer_char(&more, 0x13);
        mqtt_put_number(&more, session->keepalive);
    }
    if (!mqtt_put_connack(client, packet, &more))
        session_pass(packet, client);
    iotify_buffer_clear(&more);
}

enum session_next session_from_broker(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client)
{
    bool accepted = packet->type == MQTT_CONNACK && packet->body_size >= 2 && packet->body[1] == 0;

    if (packet->type == MQTT_PUBLISH)
        session_deliver(session, packet, broker, client);
    else if (accepted && session->level == MQTT_5)
        session_welcome(session, packet, client);
    else if (packet->type != MQTT_SUBACK || !session_complete_suback(session, packet, client))
        session_pass(packet, client);
    return SESSION_CONTINUES;
}

enum session_next session_bad_packet(
    struct session *session, bool too_large, struct iotify_buffer *client)
{
    if (!session->connected)
        return SESSION_CUT;
    return session_end(session, too_large ? MQTT_PACKET_TOO_LARGE : MQTT_MALFORMED, client);
}

enum session_next session_recheck(struct session *session, struct iotify_buffer *client)
{
    if (!session->connected)
        return SESSION_CONTINUES;
    session_refresh_grants(session);
    return authorization_grants_active(session->grants)
               ? SESSION_CONTINUES
               : session_end(session, MQTT_ADMINISTRATIVE, client);
}
