#include "sandbox/session.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <iotify/text.h>

#include "plugins/aws/policy/topic.h"

/* AWS IoT's limits of a connection. */
#define CLIENT_ID_MAX 128
#define PAYLOAD_MAX (128 * 1024)
#define FILTERS_MAX 8
#define SUBSCRIPTIONS_MAX 50
#define PUBLISHES_A_SECOND 100
#define KEEPALIVE_MIN 30
#define KEEPALIVE_MAX 1200
#define ALIASES_MAX 8

#define VERDICTS 8 /* that a session remembers */
#define ANSWERS_MAX 16

struct verdict {
    char action; /* the letter behind "iot:"; 0: none is remembered */
    bool allowed;
    char topic[TOPIC_BYTES_MAX];
};

/* A SUBSCRIBE of which the broker saw only a part. */
struct answer {
    uint16_t id; /* 0: free */
    size_t count;
    uint8_t codes[FILTERS_MAX]; /* FROM_BROKER where the broker decides */
};

#define FROM_BROKER 0xff

struct session {
    const struct session_world *world;
    const X509 *certificate;
    const char *id;
    char source_ip[64];
    int level;
    bool connected;
    bool made_id;       /* the client left its id to us */
    uint16_t keepalive; /* that the client did not ask for; 0: it has what it wanted */
    char client_id[CLIENT_ID_MAX + 1];
    struct grants *grants;
    uint64_t version;
    struct verdict *verdicts; /* VERDICTS of them, made when first needed */
    double tokens, filled;
    char *up_aliases[ALIASES_MAX], *down_aliases[ALIASES_MAX];
    char *filters[SUBSCRIPTIONS_MAX];
    struct answer answers[ANSWERS_MAX];
};

struct session *session_new(const struct session_world *world, const X509 *certificate,
    const char *id, const char *source_ip)
{
    struct session *session = calloc(1, sizeof(*session));

    if (!session)
        abort();
    session->world = world;
    session->certificate = certificate;
    session->id = id;
    session->tokens = PUBLISHES_A_SECOND;
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
    grants_free(session->grants);
    free(session->verdicts);
    free(session);
}

bool session_connected(const struct session *session)
{
    return session->connected;
}

/* ------------------------------------------------------------------ what is allowed */

static void refresh_grants(struct session *session)
{
    uint64_t version = access_version(session->world->access);

    if (session->grants && session->version == version)
        return;
    grants_free(session->grants);
    session->grants = access_load(session->world->access, session->certificate, session->id,
        session->client_id, session->source_ip);
    session->version = version;
    free(session->verdicts);
    session->verdicts = NULL;
}

static struct verdict *find_verdict(struct session *session, char action, const char *topic)
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

/* A device publishes on the same topic again and again: the last answers are remembered. */
static bool allowed(
    struct session *session, const char *action, const char *kind, const char *topic)
{
    struct verdict *verdict;

    refresh_grants(session);
    verdict = find_verdict(session, action[4], topic);
    if (verdict->action == action[4] && strcmp(verdict->topic, topic) == 0)
        return verdict->allowed;
    verdict->allowed = grants_allow(session->grants, action, kind, topic);
    verdict->action = action[4];
    if (grants_depend_on_time(session->grants))
        verdict->action = 0;
    snprintf(verdict->topic, sizeof(verdict->topic), "%s", topic);
    return verdict->allowed;
}

static bool may_publish(struct session *session, const char *topic, bool retain)
{
    return allowed(session, "iot:Publish", "topic", topic) &&
           (!retain || grants_allow(session->grants, "iot:RetainPublish", "topic", topic));
}

static void copy_text(struct mqtt_text text, char *out)
{
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
}

/* The end of a session that the client has deserved; MQTT 5 says why. */
static enum session_next end(struct session *session, uint8_t reason, struct iotify_buffer *client)
{
    mqtt_put_disconnect(client, session->level, reason);
    return SESSION_ENDS;
}

/* ------------------------------------------------------------------ CONNECT */

static void make_client_id(char id[CLIENT_ID_MAX + 1])
{
    unsigned char bytes[16];

    RAND_bytes(bytes, sizeof(bytes));
    memcpy(id, "$GEN/", 6);
    iotify_hex_encode(bytes, sizeof(bytes), id + 5);
}

/* In MQTT 3.1.1 only some refusals have a code; for others AWS closes. */
static enum session_next refuse(
    struct session *session, uint8_t old_code, uint8_t reason, struct iotify_buffer *client)
{
    if (session->level == MQTT_5)
        mqtt_put_refusal(client, session->level, reason);
    else if (old_code)
        mqtt_put_refusal(client, session->level, old_code);
    return SESSION_ENDS;
}

enum { OLD_BAD_PROTOCOL = 1, OLD_BAD_CLIENT_ID = 2, OLD_UNAVAILABLE = 3, NO_OLD_CODE = 0 };

/* False: refused, with an answer where there is one. */
static bool take_client_id(struct session *session, const struct mqtt_connect *connect)
{
    if (connect->client_id.size > CLIENT_ID_MAX)
        return false;
    if (connect->client_id.size == 0) {
        make_client_id(session->client_id);
        session->made_id = true;
        return connect->clean || connect->level == MQTT_5;
    }
    copy_text(connect->client_id, session->client_id);
    return session->client_id[0] != '$';
}

static bool may_connect(struct session *session, const struct mqtt_connect *connect)
{
    char topic[TOPIC_BYTES_MAX];

    if (!allowed(session, "iot:Connect", "client", session->client_id))
        return false;
    if (!connect->has_will)
        return true;
    if (connect->will_qos == 2 || !topic_fits(connect->will_topic.data, connect->will_topic.size) ||
        topic_reserved(connect->will_topic.data, connect->will_topic.size, TOPIC_PUBLISH))
        return false;
    copy_text(connect->will_topic, topic);
    return may_publish(session, topic, connect->will_retain);
}

/* The packet for the broker: keep-alive within AWS's limits, and always a client id. */
static void forward_connect(struct session *session, const struct mqtt_packet *packet,
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

static enum session_next on_connect(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client)
{
    const struct session_world *world = session->world;
    struct mqtt_connect connect;
    struct fault_plan fault;

    if (session->connected || !mqtt_read_connect(packet, &connect))
        return SESSION_CUT;
    session->level = connect.level;
    if (connect.level != MQTT_3_1_1 && connect.level != MQTT_5) {
        mqtt_put_refusal(client, MQTT_3_1_1, OLD_BAD_PROTOCOL);
        return SESSION_ENDS;
    }
    if (!take_client_id(session, &connect))
        return refuse(session, OLD_BAD_CLIENT_ID, MQTT_BAD_CLIENT_ID, client);
    faults_draw(world->faults, FAULT_CONNECT, &fault);
    if (fault.hits[FAULT_RESET])
        return SESSION_RESETS;
    if (fault.hits[FAULT_STALL])
        return SESSION_STALLS;
    if (fault.hits[FAULT_REFUSE])
        return refuse(session, OLD_UNAVAILABLE, 0x88, client);
    if (!quotas_take(world->quotas, QUOTA_CONNECT) ||
        !quotas_take_for(world->quotas, QUOTA_CONNECT_CLIENT, session->client_id))
        return refuse(session, OLD_UNAVAILABLE, MQTT_RATE_EXCEEDED, client);
    if (!may_connect(session, &connect))
        return refuse(session, NO_OLD_CODE, MQTT_NOT_AUTHORIZED, client);
    session->connected = true;
    forward_connect(session, packet, &connect, broker);
    return SESSION_GOES_ON;
}

/* ------------------------------------------------------------------ PUBLISH */

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What goes beyond 100 a second AWS discards without a word. */
static bool within_rate(struct session *session)
{
    double now = seconds();

    session->tokens += (now - session->filled) * PUBLISHES_A_SECOND;
    if (session->tokens > PUBLISHES_A_SECOND)
        session->tokens = PUBLISHES_A_SECOND;
    session->filled = now;
    if (session->tokens < 1)
        return false;
    session->tokens -= 1;
    return true;
}

/*
 * The topic of a message, through its alias where it has one, in `topic`. False when the alias
 * stands for nothing. Aliases end here: what goes on has its topic, so that a message that does
 * not go on leaves no alias behind that both ends understand differently.
 */
static bool resolve_topic(
    char **aliases, const struct mqtt_publish *publish, char topic[TOPIC_BYTES_MAX])
{
    char **known = publish->alias ? &aliases[publish->alias - 1] : NULL;

    if (publish->topic.size == 0) {
        if (!known || !*known)
            return false;
        memcpy(topic, *known, strlen(*known) + 1);
        return true;
    }
    copy_text(publish->topic, topic);
    if (known) {
        free(*known);
        *known = strdup(topic);
    }
    return true;
}

static void pass(const struct mqtt_packet *packet, struct iotify_buffer *out)
{
    iotify_buffer_append(out, packet->body - (packet->size - packet->body_size), packet->size);
}

static void pass_publish(const struct mqtt_packet *packet, const struct mqtt_publish *publish,
    const char *topic, struct iotify_buffer *out)
{
    if (publish->alias)
        mqtt_put_publish(out, packet, publish, (struct mqtt_text){topic, strlen(topic)});
    else
        pass(packet, out);
}

static enum session_next publish_denied(
    struct session *session, const struct mqtt_publish *publish, struct iotify_buffer *client)
{
    if (session->level != MQTT_5 || publish->qos == 0)
        return end(session, MQTT_NOT_AUTHORIZED, client);
    mqtt_put_puback(client, session->level, publish->id, MQTT_NOT_AUTHORIZED);
    return SESSION_GOES_ON;
}

static enum session_next on_publish(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client)
{
    char topic[TOPIC_BYTES_MAX];
    struct mqtt_publish publish;
    struct fault_plan fault;

    if (!mqtt_read_publish(packet, session->level, &publish))
        return end(session, MQTT_MALFORMED, client);
    if (publish.qos == 2)
        return end(session, MQTT_QOS_NOT_SUPPORTED, client);
    if (publish.payload_size > PAYLOAD_MAX)
        return end(session, MQTT_PACKET_TOO_LARGE, client);
    if (!topic_fits(publish.topic.data, publish.topic.size) ||
        topic_reserved(publish.topic.data, publish.topic.size, TOPIC_PUBLISH))
        return end(session, MQTT_BAD_TOPIC, client);
    if (publish.alias > ALIASES_MAX || !resolve_topic(session->up_aliases, &publish, topic))
        return end(session, MQTT_BAD_ALIAS, client);
    faults_draw(session->world->faults, FAULT_PUBLISH, &fault);
    if (fault.hits[FAULT_DROP])
        return SESSION_CUT;
    if (fault.hits[FAULT_RESET])
        return SESSION_RESETS;
    if (fault.hits[FAULT_STALL])
        return SESSION_STALLS;
    if (!within_rate(session))
        return SESSION_GOES_ON;
    if (!may_publish(session, topic, publish.retain))
        return publish_denied(session, &publish, client);
    pass_publish(packet, &publish, topic, broker);
    return SESSION_GOES_ON;
}

/* ------------------------------------------------------------------ SUBSCRIBE */

/* Where the filter is, or where there is room for it; -1: neither. */
static int find_filter(const struct session *session, struct mqtt_text filter, bool make)
{
    int room = -1;

    for (int i = 0; i < SUBSCRIPTIONS_MAX; i++) {
        const char *known = session->filters[i];

        if (!known)
            room = room < 0 ? i : room;
        else if (strlen(known) == filter.size && memcmp(known, filter.data, filter.size) == 0)
            return i;
    }
    return make ? room : -1;
}

/* FROM_BROKER when the broker may decide, else the code of the refusal. */
static uint8_t judge_filter(struct session *session, const struct mqtt_filter *filter)
{
    bool modern = session->level == MQTT_5;
    char text[TOPIC_BYTES_MAX];
    int place;

    if (!topic_fits(filter->topic.data, filter->topic.size) ||
        topic_reserved(filter->topic.data, filter->topic.size, TOPIC_SUBSCRIBE))
        return modern ? MQTT_BAD_FILTER : MQTT_UNSPECIFIED;
    copy_text(filter->topic, text);
    if (!allowed(session, "iot:Subscribe", "topicfilter", text))
        return modern ? MQTT_NOT_AUTHORIZED : MQTT_UNSPECIFIED;
    place = find_filter(session, filter->topic, true);
    if (place < 0)
        return modern ? MQTT_QUOTA_EXCEEDED : MQTT_UNSPECIFIED;
    if (!session->filters[place])
        session->filters[place] = strdup(text);
    return FROM_BROKER;
}

static struct answer *free_answer(struct session *session)
{
    for (size_t i = 0; i < ANSWERS_MAX; i++)
        if (session->answers[i].id == 0)
            return &session->answers[i];
    return NULL;
}

static void put_suback(
    const struct session *session, const struct answer *answer, struct iotify_buffer *client)
{
    mqtt_put_header(client, MQTT_SUBACK, 0, 2 + (size_t)(session->level == MQTT_5) + answer->count);
    mqtt_put_number(client, answer->id);
    if (session->level == MQTT_5)
        iotify_buffer_char(client, 0);
    for (size_t i = 0; i < answer->count; i++)
        iotify_buffer_char(client, (char)answer->codes[i]);
}

/* The same SUBSCRIBE without the filters that were refused. */
static void forward_part(const struct mqtt_packet *packet, const struct mqtt_filters *filters,
    const struct mqtt_filter *list, const struct answer *answer, struct iotify_buffer *broker)
{
    size_t size = 2 + filters->properties;

    for (size_t i = 0; i < answer->count; i++)
        if (answer->codes[i] == FROM_BROKER)
            size += 2 + list[i].topic.size + 1;
    mqtt_put_header(broker, MQTT_SUBSCRIBE, 2, size);
    iotify_buffer_append(broker, packet->body, 2 + filters->properties);
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->codes[i] != FROM_BROKER)
            continue;
        mqtt_put_text(broker, list[i].topic);
        iotify_buffer_char(broker, (char)list[i].options);
    }
}

static enum session_next on_subscribe(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client)
{
    struct mqtt_filters filters, walk;
    struct mqtt_filter list[FILTERS_MAX];
    struct answer answer = {0}, *kept;
    bool malformed;
    size_t left = 0;

    if (!mqtt_read_filters(packet, session->level, &filters))
        return end(session, MQTT_MALFORMED, client);
    if (filters.with_identifier)
        return end(session, MQTT_IDENTIFIERS_NOT_SUPPORTED, client);
    walk = filters;
    answer.id = filters.id;
    for (;;) {
        struct mqtt_filter filter;

        if (!mqtt_next_filter(&walk, &filter, &malformed))
            break;
        if (answer.count == FILTERS_MAX)
            return end(session, MQTT_QUOTA_EXCEEDED, client);
        if ((filter.options & 3) == 2)
            return end(session, MQTT_QOS_NOT_SUPPORTED, client);
        list[answer.count++] = filter;
    }
    if (malformed)
        return end(session, MQTT_MALFORMED, client);
    for (size_t i = 0; i < answer.count; i++) {
        answer.codes[i] = judge_filter(session, &list[i]);
        left += answer.codes[i] == FROM_BROKER;
    }
    if (left == answer.count) {
        pass(packet, broker);
        return SESSION_GOES_ON;
    }
    if (left == 0) {
        put_suback(session, &answer, client);
        return SESSION_GOES_ON;
    }
    kept = free_answer(session);
    if (!kept)
        return end(session, MQTT_QUOTA_EXCEEDED, client);
    *kept = answer;
    forward_part(packet, &filters, list, &answer, broker);
    return SESSION_GOES_ON;
}

static enum session_next on_unsubscribe(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client)
{
    struct mqtt_filters filters;
    struct mqtt_filter filter;
    bool malformed;

    if (!mqtt_read_filters(packet, session->level, &filters))
        return end(session, MQTT_MALFORMED, client);
    while (mqtt_next_filter(&filters, &filter, &malformed)) {
        int place = find_filter(session, filter.topic, false);

        if (place >= 0) {
            free(session->filters[place]);
            session->filters[place] = NULL;
        }
    }
    if (malformed)
        return end(session, MQTT_MALFORMED, client);
    pass(packet, broker);
    return SESSION_GOES_ON;
}

/* ------------------------------------------------------------------ both directions */

enum session_next session_from_client(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client)
{
    if (!session->connected && packet->type != MQTT_CONNECT)
        return SESSION_CUT;
    switch (packet->type) {
    case MQTT_CONNECT:
        return on_connect(session, packet, broker, client);
    case MQTT_PUBLISH:
        return on_publish(session, packet, broker, client);
    case MQTT_SUBSCRIBE:
        return on_subscribe(session, packet, broker, client);
    case MQTT_UNSUBSCRIBE:
        return on_unsubscribe(session, packet, broker, client);
    case MQTT_PUBACK:
    case MQTT_PINGREQ:
    case MQTT_DISCONNECT:
        pass(packet, broker);
        return packet->type == MQTT_DISCONNECT ? SESSION_ENDS : SESSION_GOES_ON;
    default:
        return end(session, MQTT_PROTOCOL_ERROR, client);
    }
}

/* A message that the client may not receive is taken off the broker's hands. */
static void deliver(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client)
{
    char topic[TOPIC_BYTES_MAX];
    struct mqtt_publish publish;

    if (!mqtt_read_publish(packet, session->level, &publish) ||
        publish.topic.size >= TOPIC_BYTES_MAX || publish.alias > ALIASES_MAX ||
        !resolve_topic(session->down_aliases, &publish, topic))
        return;
    if (allowed(session, "iot:Receive", "topic", topic))
        pass_publish(packet, &publish, topic, client);
    else if (publish.qos == 1)
        mqtt_put_puback(broker, session->level, publish.id, MQTT_SUCCESS);
}

/* What MQTT 5 tells a client about its session, beside what the broker itself knows. */
static void welcome(
    struct session *session, const struct mqtt_packet *packet, struct iotify_buffer *client)
{
    struct iotify_buffer more;

    iotify_buffer_init(&more, 1024);
    iotify_buffer_append(&more, "\x29\x00\x27\x00", 4); /* no subscription identifiers; size */
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
        pass(packet, client);
    iotify_buffer_clear(&more);
}

/* The broker's codes, put where the client asked for them. False when nothing was left out. */
static bool complete_suback(
    struct session *session, const struct mqtt_packet *packet, struct iotify_buffer *client)
{
    uint16_t id = mqtt_id(packet);
    size_t at = packet->body_size;

    for (size_t i = 0; i < ANSWERS_MAX; i++) {
        struct answer *answer = &session->answers[i];

        if (answer->id != id || id == 0)
            continue;
        /* The codes stand at the end, whatever properties came before them. */
        for (size_t j = answer->count; j-- > 0 && at > 0;)
            if (answer->codes[j] == FROM_BROKER)
                answer->codes[j] = packet->body[--at];
        put_suback(session, answer, client);
        answer->id = 0;
        return true;
    }
    return false;
}

enum session_next session_from_broker(struct session *session, const struct mqtt_packet *packet,
    struct iotify_buffer *broker, struct iotify_buffer *client)
{
    bool accepted = packet->type == MQTT_CONNACK && packet->body_size >= 2 && packet->body[1] == 0;

    if (packet->type == MQTT_PUBLISH)
        deliver(session, packet, broker, client);
    else if (accepted && session->level == MQTT_5)
        welcome(session, packet, client);
    else if (packet->type != MQTT_SUBACK || !complete_suback(session, packet, client))
        pass(packet, client);
    return SESSION_GOES_ON;
}

enum session_next session_bad_packet(
    struct session *session, bool too_large, struct iotify_buffer *client)
{
    if (!session->connected)
        return SESSION_CUT;
    return end(session, too_large ? MQTT_PACKET_TOO_LARGE : MQTT_MALFORMED, client);
}

enum session_next session_look_again(struct session *session, struct iotify_buffer *client)
{
    if (!session->connected)
        return SESSION_GOES_ON;
    refresh_grants(session);
    return grants_active(session->grants) ? SESSION_GOES_ON
                                          : end(session, MQTT_ADMINISTRATIVE, client);
}
